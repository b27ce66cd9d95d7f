"""The path of a notification from a publisher into the logs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from notifier.core.models import (
    PUBLISH,
    Entry,
    Kind,
    Notification,
    Principal,
    rfc3339,
)
from notifier.errors import Conflict, Forbidden, InvalidRequest, NotFound, StoreUnavailable
from tests.core.domain import ADA, DAY, OPERATOR, RETENTION, SERVICE, Domain, Recorder, ids

UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"

HELLO = {"to": ["user:ada", "everyone"], "title": "Hello"}


def content(notification: Notification) -> dict[str, Any]:
    """What readers get, without the id of the entry."""
    decoded: dict[str, Any] = orjson.loads(b"{" + notification.content)
    return decoded


async def stored(domain: Domain, *audiences: str) -> list[Entry]:
    """All living entries of these logs."""
    logs = await domain.store.after(dict.fromkeys(audiences, 0), limit=100, now=domain.clock())
    return [entry for audience in audiences for entry in logs.get(audience, [])]


@pytest.mark.parametrize(
    ("fields", "type", "priority"),
    [
        ({}, "info", "normal"),
        ({"type": "like"}, "like", "low"),
        ({"type": "like", "priority": "critical"}, "like", "critical"),
    ],
)
async def test_the_type_supplies_what_is_not_given(
    domain: Domain, fields: dict[str, Any], type: str, priority: str
) -> None:
    """Type info, and the priority of the type, unless the publisher says otherwise."""
    notification = (await domain.publish("everyone", **fields)).entries[0].notification
    assert (notification.type, content(notification)["priority"]) == (type, priority)


@pytest.mark.parametrize(
    ("fields", "lifetime"),
    [
        ({}, RETENTION),
        ({"type": "like"}, 3_600_000),
        ({"type": "like", "ttl": 60}, 60_000),
        ({"ttl": 11 * 86_400}, RETENTION),
        ({"type": "like", "ttl": None}, 3_600_000),
    ],
    ids=["retention", "of the type", "given", "never above the retention", "null is not given"],
)
async def test_a_notification_lives_as_long_as_it_says_within_the_retention(
    domain: Domain, fields: dict[str, Any], lifetime: int
) -> None:
    """Its own ttl, else that of its type, else the retention, which bounds all of them."""
    notification = (await domain.publish("everyone", **fields)).entries[0].notification
    assert notification.expires_at - notification.created_at == lifetime
    assert content(notification)["created_at"] == rfc3339(domain.clock.now)
    assert content(notification)["expires_at"] == rfc3339(domain.clock.now + lifetime)


async def test_optional_fields_reach_readers_as_they_were_published(domain: Domain) -> None:
    """Also keys that mean something to a database; what is null is absent."""
    fields = {
        "body": "Lunch?\nAt one.",
        "sender": {"id": "7", "name": "Ada"},
        "data": {"$where": "1", "a.b": {"$gt": 0}, "": None},
        "actions": [{"label": "Reply", "url": "/chat/7"}],
        "collapse_key": "chat:7",
    }
    receipt = await domain.publish("user:ada", **fields, icon=None, url=None)
    [entry] = await stored(domain, "user:ada")
    told = orjson.loads(entry.wire())
    assert told.items() >= {**fields, "id": ids(receipt)[0], "title": "Hello"}.items()
    assert not {"icon", "url", "to", "except", "deliver_at", "ttl"} & told.keys()


async def test_the_answer_lists_the_entries_in_the_order_of_the_audiences(domain: Domain) -> None:
    """One entry for each audience, all of one notification, each in its own log."""
    to = ["user:ada", "everyone", "role:admin", "topic:news"]
    receipt = await domain.publish(to)
    assert [entry.audience for entry in receipt.entries] == to
    assert {entry.notification.id for entry in receipt.entries} == {receipt.notification_id}
    assert {entry.notification.copies for entry in receipt.entries} == {4}
    assert await stored(domain, *to) == list(receipt.entries)
    assert domain.bus.announced == list(receipt.entries)


async def test_a_log_grows_by_one(domain: Domain) -> None:
    """The next entry of a log is always the last plus one."""
    seqs = [(await domain.publish("everyone")).entries[0].seq for _ in range(5)]
    assert seqs == list(range(seqs[0], seqs[0] + 5))


async def test_users_can_be_left_out(domain: Domain) -> None:
    """The names of the excluded users stand beside the notification, not in it."""
    receipt = await domain.publish("everyone", **{"except": ["user:ada", "user:a:b"]})
    [entry] = receipt.entries
    assert entry.notification.excluded == {"ada", "a:b"}
    assert b"a:b" not in entry.wire()


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"to": "everyone"},
        {**HELLO, "url": "javascript:1"},
        {**HELLO, "type": "nope"},
        {**HELLO, "id": "1"},
    ],
)
async def test_a_wrong_notification_is_not_published(domain: Domain, body: object) -> None:
    """Nothing is stored and nobody is told."""
    with pytest.raises(InvalidRequest):
        await domain.publisher.publish(body, SERVICE)
    assert await stored(domain, "everyone", "user:ada") == []
    assert domain.bus.announced == []


async def test_an_unknown_type_is_answered_with_the_known_ones(domain: Domain) -> None:
    """Whoever misspelt a type sees how it is written."""
    with pytest.raises(InvalidRequest, match="alert, friend, guarded, info, like, security"):
        await domain.publish("everyone", type="Like")


async def test_publishing_and_withdrawing_need_a_scope(domain: Domain) -> None:
    """A user without one can do neither, and nothing happens."""
    receipt = await domain.publish("everyone")
    with pytest.raises(Forbidden):
        await domain.publisher.publish(HELLO, ADA)
    with pytest.raises(Forbidden):
        await domain.publisher.withdraw(receipt.notification_id, ADA)
    assert len(await stored(domain, "everyone")) == 1


# Repeating


async def test_a_repeated_publish_is_the_same_publish(domain: Domain) -> None:
    """The retry gets the first answer and nothing more is stored, also in another key order."""
    first = await domain.publisher.publish(HELLO, SERVICE, idempotency_key="k")
    domain.clock.pass_(DAY - 1)
    again = dict(reversed(HELLO.items()))
    second = await domain.publisher.publish(again, SERVICE, idempotency_key="k")
    assert (first.repeated, second.repeated) == (False, True)
    assert ids(first) == ids(second)
    assert len(await stored(domain, "everyone", "user:ada")) == 2
    assert domain.publisher.metrics.published == 1
    assert domain.publisher.metrics.repeated == 1


async def test_a_key_with_another_body_is_a_conflict(domain: Domain) -> None:
    """The second body is not published; the first stays repeatable."""
    await domain.publisher.publish(HELLO, SERVICE, idempotency_key="k")
    with pytest.raises(Conflict):
        await domain.publisher.publish({**HELLO, "body": "x"}, SERVICE, idempotency_key="k")
    assert (await domain.publisher.publish(HELLO, SERVICE, idempotency_key="k")).repeated
    assert len(await stored(domain, "everyone")) == 1


async def test_racing_repetitions_publish_once(domain: Domain) -> None:
    """Ten at once: one is the first, the others get its answer."""
    receipts = await asyncio.gather(
        *(domain.publisher.publish(HELLO, SERVICE, idempotency_key="k") for _ in range(10))
    )
    assert len({tuple(ids(receipt)) for receipt in receipts}) == 1
    assert sum(not receipt.repeated for receipt in receipts) == 1
    assert len(await stored(domain, "everyone", "user:ada")) == 2


async def test_a_key_belongs_to_its_publisher(domain: Domain) -> None:
    """Another service, and a user of the service's name, have keys of their own."""
    scopes = frozenset({PUBLISH})
    callers = [SERVICE, Principal("other", is_service=True, scopes=scopes)]
    callers.append(Principal(SERVICE.id, scopes=scopes))
    for caller in callers:
        receipt = await domain.publisher.publish(HELLO, caller, idempotency_key="k")
        assert not receipt.repeated
    assert len(await stored(domain, "everyone")) == 3


async def test_a_key_is_forgotten_after_a_day(domain: Domain) -> None:
    """A key used again the day after, once the store has cleared up, is a new one."""
    await domain.publisher.publish(HELLO, SERVICE, idempotency_key="k")
    domain.clock.pass_(DAY)
    await domain.store.purge(domain.clock())
    receipt = await domain.publisher.publish(HELLO, SERVICE, idempotency_key="k")
    assert not receipt.repeated


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "é", "a\n", "a\0"])
async def test_a_key_is_visible_ascii(domain: Domain, key: str) -> None:
    """1 to 255 characters; the error names the header."""
    with pytest.raises(InvalidRequest) as refusal:
        await domain.publisher.publish(HELLO, SERVICE, idempotency_key=key)
    assert list(refusal.value.errors) == ["Idempotency-Key"]
    assert await stored(domain, "everyone") == []


async def test_the_longest_key_is_accepted(domain: Domain) -> None:
    """255 characters."""
    key = "~" * 255
    await domain.publisher.publish(HELLO, SERVICE, idempotency_key=key)
    assert (await domain.publisher.publish(HELLO, SERVICE, idempotency_key=key)).repeated


# Taking back


async def test_a_publisher_withdraws_its_own(domain: Domain) -> None:
    """A withdrawal in every log names the entry there; the entry itself is no longer read."""
    receipt = await domain.publish(["user:ada", "everyone"])
    await domain.publisher.withdraw(receipt.notification_id, SERVICE)
    withdrawals = await stored(domain, "everyone", "user:ada")
    assert domain.bus.announced[2:] == withdrawals
    assert {entry.notification.kind for entry in withdrawals} == {Kind.WITHDRAWAL}
    told = [orjson.loads(entry.wire())["ids"] for entry in withdrawals]
    assert sorted(told) == sorted([one] for one in ids(receipt))


async def test_withdrawing_twice_changes_nothing(domain: Domain) -> None:
    """The same withdrawals are announced again, and no more are stored."""
    receipt = await domain.publish("everyone")
    for _ in range(2):
        await domain.publisher.withdraw(receipt.notification_id, SERVICE)
    assert len(await stored(domain, "everyone")) == 1
    assert domain.bus.announced[1] == domain.bus.announced[2]


async def test_somebody_elses_notification_is_not_found(domain: Domain) -> None:
    """A service and a user of its name are two; nobody learns that the notification exists."""
    receipt = await domain.publish("everyone")
    twin = Principal(SERVICE.id, scopes=frozenset({PUBLISH}))
    with pytest.raises(NotFound):
        await domain.publisher.withdraw(receipt.notification_id, twin)
    [entry] = await stored(domain, "everyone")
    assert entry.notification.kind is Kind.NOTIFICATION


async def test_an_admin_withdraws_anybodys(domain: Domain) -> None:
    """That is what the scope is for."""
    receipt = await domain.publish("everyone")
    await domain.publisher.withdraw(receipt.notification_id, OPERATOR)
    [entry] = await stored(domain, "everyone")
    assert entry.notification.kind is Kind.WITHDRAWAL


@pytest.mark.parametrize("text", [UNKNOWN, "x", "", "1@everyone", "\ud800"])
async def test_what_does_not_exist_is_not_found(domain: Domain, text: str) -> None:
    """Neither an unknown id nor what is no id at all."""
    with pytest.raises(NotFound):
        await domain.publisher.withdraw(text, OPERATOR)


async def test_an_expired_notification_is_not_found(domain: Domain) -> None:
    """There is nothing left to take back."""
    receipt = await domain.publish("everyone", ttl=1)
    domain.clock.pass_(1000)
    with pytest.raises(NotFound):
        await domain.publisher.withdraw(receipt.notification_id, SERVICE)


# Store, then tell


async def test_nobody_is_told_what_was_not_stored(domain: Domain) -> None:
    """A store that fails fails the publish, and the bus hears nothing."""
    await domain.store.close()
    with pytest.raises(StoreUnavailable):
        await domain.publish("everyone")
    with pytest.raises(StoreUnavailable):
        await domain.publisher.withdraw(UNKNOWN, SERVICE)
    assert domain.bus.announced == []


class Asking(Recorder):
    """A bus that asks the store about everything it is told."""

    def __init__(self, domain: Domain) -> None:
        super().__init__()
        self.domain = domain
        self.asked: list[asyncio.Task[list[Entry]]] = []

    def announce(self, entries: Sequence[Entry]) -> None:
        super().announce(entries)
        asking = self.domain.store.entries([e.ref for e in entries], now=self.domain.clock())
        self.asked.append(asyncio.ensure_future(asking))


async def test_what_is_told_is_in_the_store(domain: Domain) -> None:
    """Whoever is told of an entry and asks for it at once gets it."""
    bus = domain.publisher.delivery._bus = Asking(domain)
    receipts = await asyncio.gather(*(domain.publish("everyone") for _ in range(20)))
    answers = await asyncio.gather(*bus.asked)
    assert [len(found) for found in answers] == [1] * len(receipts)
