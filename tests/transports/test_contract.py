"""One contract for every transport: each rule once, for all of them."""

from __future__ import annotations

import asyncio

import pytest

from notifier.core.feed import REPLAY_LIMIT
from notifier.core.models import Cursor, Ref
from tests.core.domain import counted
from tests.realtime.nodes import token
from tests.servers import until
from tests.transports.clients import Refused, Told, titles_of
from tests.transports.conftest import Connect, Site

NUMBERS = 120
"""Notifications of a publisher that never stops, while its reader comes and goes."""


async def test_a_first_visit_has_no_past(site: Site, client: Connect, user: str) -> None:
    """Where the reader stands, and what it has not read; then what comes."""
    await site.publish(f"user:{user}", "Before")
    reader = client(site)
    [synced] = await reader.visit()
    assert synced.data["recovered"] is True
    assert synced.data["counts"] == counted(1, 1)
    assert reader.cursor == Cursor.parse(synced.data["cursor"]) == await site.cursor(user)
    await site.publish([f"user:{user}"], "After")
    assert await reader.shown(1) == ["After"]


async def test_what_was_missed_comes_first_and_in_order(
    site: Site, client: Connect, user: str
) -> None:
    """Of all logs; each once; then ``synced``, then what comes."""
    since = await site.cursor(user)
    for title in "abc":
        await site.publish(f"user:{user}", title)
    await site.publish("everyone", f"{user} d")
    reader = client(site, since)
    past = await reader.visit()
    assert titles_of(past) == ["a", "b", "c", f"{user} d"]
    assert past[-1].data["recovered"] is True
    await site.publish(f"user:{user}", "e")
    assert await reader.shown(1) == ["e"]
    assert reader.cursor == await site.cursor(user)


async def test_nothing_is_lost_or_repeated_while_readers_come_and_go(
    site: Site, client: Connect, user: str
) -> None:
    """A publisher never stops; the reader is connected again and again with its cursor, and gets
    every number once, in order."""
    reader = client(site)
    await reader.visit()
    publishing = asyncio.create_task(_count(site, user))
    got: list[Told] = []
    while len(got) < NUMBERS:
        await reader.close()
        got += notifications(await reader.visit())
        for _ in range(min(7, NUMBERS - len(got))):
            got += notifications(await reader.until("notification"))
    await publishing
    assert [told.data["title"] for told in got] == [f"{n}" for n in range(NUMBERS)]
    places = [Ref.parse(told.data["id"]).seq for told in got]
    assert places == list(range(places[0], places[0] + NUMBERS))


async def _count(site: Site, user: str) -> None:
    for number in range(NUMBERS):
        await site.publish(f"user:{user}", f"{number}")


def notifications(events: list[Told]) -> list[Told]:
    assert all(told.name != "removed" for told in events)
    return [told for told in events if told.name == "notification"]


async def test_logs_keep_their_own_order(site: Site, client: Connect, user: str) -> None:
    """Publishers on every node at once: within a log, nobody sees b before a."""
    reader = client(site)
    await reader.visit()
    audiences = [f"user:{user}", "everyone"]
    await asyncio.gather(*(_series(site, audience, user) for audience in audiences))
    got: list[Told] = []
    while len(got) < 40:
        got += notifications(await reader.until("notification"))
    for audience in audiences:
        mine = [told.data["id"] for told in got if told.data["id"].endswith(f"@{audience}")]
        places = [Ref.parse(place).seq for place in mine]
        assert places == list(range(places[0], places[0] + 20))


async def _series(site: Site, audience: str, user: str) -> None:
    await asyncio.gather(*(site.publish(audience, f"{user} {n}") for n in range(20)))


@pytest.fixture(scope="module")
async def far_behind(one_node: Site) -> Cursor:
    """A cursor from which too much was missed."""
    since = await one_node.cursor("far-behind")
    for _ in range(REPLAY_LIMIT + 1):
        await one_node.publish("user:far-behind", "One of many")
    return since


@pytest.mark.parametrize("user", ["far-behind"])
async def test_too_much_missed_is_no_partial_recovery(
    one_node: Site, client: Connect, far_behind: Cursor, user: str
) -> None:
    """Nothing is replayed, ``recovered`` is false, and it goes on from the present."""
    reader = client(one_node, Cursor(far_behind))
    [synced] = await reader.visit()
    assert synced.data["recovered"] is False
    assert reader.cursor == await one_node.cursor(user)
    await one_node.publish(f"user:{user}", "Next")
    assert await reader.shown(1) == ["Next"]


async def test_an_unknown_cursor_is_not_recovered(
    one_node: Site, client: Connect, user: str
) -> None:
    """From the future, or of other logs."""
    here = await one_node.cursor(user)
    ahead = Cursor({audience: seq + 10 for audience, seq in here.items()})
    for cursor in (ahead, Cursor({**here, "topic:other": 1})):
        reader = client(one_node, cursor)
        [synced] = await reader.visit()
        assert synced.data["recovered"] is False
        assert reader.cursor == here
        await reader.close()


async def test_what_was_withdrawn_while_away_is_removed(
    site: Site, client: Connect, user: str
) -> None:
    """It is named; what was published and withdrawn while away is not shown at all."""
    shown = await site.publish(f"user:{user}", "Shown before")
    since = await site.cursor(user)
    unseen = await site.publish(f"user:{user}", "Never seen")
    for receipt in (shown, unseen):
        await site.withdraw(receipt)
    past = await client(site, since).visit()
    removed = [place for told in past if told.name == "removed" for place in told.data["ids"]]
    assert removed == [str(receipt.entries[0].ref) for receipt in (shown, unseen)]
    assert titles_of(past) == []


async def test_a_withdrawal_is_told_at_once(site: Site, client: Connect, user: str) -> None:
    """And takes its place in the order."""
    reader = client(site)
    await reader.visit()
    receipt = await site.publish(f"user:{user}", "A mistake")
    assert await reader.shown(1) == ["A mistake"]
    await site.withdraw(receipt)
    removed = (await reader.until("removed"))[-1]
    assert removed.data["ids"] == [str(receipt.entries[0].ref)]
    assert reader.cursor == await site.cursor(user)


@pytest.mark.parametrize("user", ["away"])
async def test_what_expired_while_away_is_not_shown(
    one_node: Site, client: Connect, expired_while_away: Cursor, user: str
) -> None:
    """The rest is, and the reader is as far as everybody."""
    reader = client(one_node, Cursor(expired_while_away))
    past = await reader.visit()
    assert titles_of(past) == ["Lasting"]
    assert past[-1].data["recovered"] is True


@pytest.fixture(scope="module")
async def expired_while_away(one_node: Site) -> Cursor:
    """A cursor behind which one entry has expired and one has not."""
    await one_node.publish("user:away", "First")
    since = await one_node.cursor("away")
    brief = await one_node.publish("user:away", "Brief", ttl=1)
    await one_node.publish("user:away", "Lasting")

    async def is_over() -> bool:
        store, now = one_node.next.node.store, brief.entries[0].notification.expires_at
        left = await store.entries([brief.entries[0].ref], now=one_node.next.node.feed._clock())
        return not left and now > 0

    await until(is_over, what="the brief one to expire")
    return since


async def test_hidden_types_are_neither_shown_nor_counted(
    site: Site, client: Connect, user: str
) -> None:
    """A type for a role, a muted type, an entry that leaves the user out: live and replayed."""
    node = site.next.node
    caller = await node.authenticator.user(token(user))
    await node.feed.set_preferences(caller, {"types": {"like": {"bell": False}}})
    since = await site.cursor(user)
    reader = client(site)
    await reader.visit()
    await site.publish(f"user:{user}", "For operators", type="system_alert")
    await site.publish(f"user:{user}", "Muted", type="like")
    await site.publish(f"user:{user}", "Without me", **{"except": [f"user:{user}"]})
    await site.publish(f"user:{user}", "Shown")
    assert await reader.shown(1) == ["Shown"]
    past = await client(site, since).visit()
    assert titles_of(past) == ["Shown"]
    assert past[-1].data["counts"]["unread"] == 1


async def test_what_a_user_no_longer_wants_stops_at_once(
    site: Site, client: Connect, user: str
) -> None:
    """By priority, and as part of a digest; what is critical or mandatory gets through."""
    since = await site.cursor(user)
    reader = client(site)
    await reader.visit()
    node = site.next.node
    caller = await node.authenticator.user(token(user))
    wishes = {"minimum": {"bell": "high"}, "digests": {"comment": "daily"}}
    await node.feed.set_preferences(caller, wishes)
    if not reader.is_polling:
        await reader.until("preferences")
    await site.publish(f"user:{user}", "Normal")
    await site.publish(f"user:{user}", "For the digest", type="comment", priority="high")
    await site.publish(f"user:{user}", "High", priority="high")
    await site.publish(f"user:{user}", "Critical", type="comment", priority="critical")
    await site.publish(f"user:{user}", "Mandatory", type="security_alert", priority="low")
    assert await reader.shown(3) == ["High", "Critical", "Mandatory"]
    past = await client(site, since).visit()
    assert titles_of(past) == ["High", "Critical", "Mandatory"]
    assert past[-1].data["counts"]["unread"] == 3


async def test_newcomers_are_not_shown_what_everyone_got_before(
    one_node: Site, client: Connect, user: str
) -> None:
    """Their view of the shared log begins with their first visit."""
    await one_node.publish("everyone", "Old news")
    reader = client(one_node)
    [synced] = await reader.visit()
    assert synced.data["counts"] == counted(0, 0)
    await one_node.publish("everyone", f"News {user}")
    assert await reader.shown(1) == [f"News {user}"]


async def test_what_another_device_did_is_told(site: Site, client: Connect, user: str) -> None:
    """The exact counts reach every other connection, on any node."""
    await site.publish(f"user:{user}", "To be read")
    reader = client(site)
    await reader.visit()
    node = site.next.node
    caller = await node.authenticator.user(token(user))
    cursor = str(await site.cursor(user))
    await node.feed.mark_read(caller, {"all": True, "cursor": cursor})
    state = (await reader.until("state"))[-1]
    assert state.data["counts"] == counted(0, 0)


async def test_a_role_that_is_taken_away_takes_its_log_along(
    site: Site, client: Connect, user: str
) -> None:
    """From the next entry on; the rest of the feed goes on, and nothing is replayed later."""
    role = f"role:{user}"
    since = await site.cursor(user, roles=(user,))
    reader = client(site, roles=(user,))
    await reader.visit()
    await site.publish(role, "Still allowed")
    assert await reader.shown(1) == ["Still allowed"]
    await site.revoke(user, roles=[user])
    await reader.until("synced" if reader.is_polling else "state")
    await site.publish(role, "No longer")
    await site.publish(f"user:{user}", "Personal")
    assert await reader.shown(1) == ["Personal"]
    assert role not in (reader.cursor or {})
    [synced] = await client(site, since, roles=(user,)).visit()
    assert synced.data["recovered"] is False


async def test_a_revoked_token_ends_every_connection(
    site: Site, client: Connect, user: str
) -> None:
    """Within a second, on any node; and it does not come in again."""
    reader = client(site)
    await reader.visit()
    await site.revoke(user)
    async with asyncio.timeout(1):
        goodbye = (await reader.until("goodbye"))[-1]
    assert goodbye.data["reason"] == "revoked"
    await reader.close()
    with pytest.raises(Refused, match="unauthenticated"):
        await reader.connect()


async def test_a_connection_ends_with_its_token(one_node: Site, client: Connect, user: str) -> None:
    """At the second, and with a goodbye; nobody comes in with it any more."""
    reader = client(one_node, lifetime=2)
    await reader.visit()
    goodbye = (await reader.until("goodbye"))[-1]
    assert goodbye.data["reason"] == "expired"
    await reader.until("end")
    await reader.close()
    with pytest.raises(Refused, match="expired"):
        await reader.connect()
