"""Collapsing: the first at once, the others as one card, and never a wrong number."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from notifier.core.jobs.collapse import OPENING, Tally
from notifier.core.models import Principal, Publication, Receipt
from notifier.core.types import Collapse
from notifier.errors import NotFound, StoreUnavailable
from tests.core.domain import ADA, GRACE, OPERATOR, SERVICE
from tests.core.jobs.scene import MINUTE, NAMES, TYPES, WINDOW, Scene


async def first_visits(scene: Scene) -> None:
    for user in (ADA, GRACE):
        await scene.feed.visit(user)


async def test_the_first_is_shown_at_once_and_the_others_wait(scene: Scene) -> None:
    """Those that follow within the window are accepted, and shown nowhere yet."""
    for name in NAMES:
        await scene.like(name)
    assert await scene.titles(ADA) == ["Ada liked your post"]
    assert len(scene.bus.announced) == 1


async def test_after_the_window_there_is_one_card(scene: Scene) -> None:
    """It says how many and from whom, brings the rest from the newest, and takes their place."""
    for number, name in enumerate(NAMES):
        await scene.like(name, body=f"number {number}")
    [first] = await scene.items(ADA)
    await scene.later(WINDOW)
    [card] = await scene.items(ADA)
    assert card["title"] == "Donald and 5 others liked your post"
    assert card["count"] == 6
    assert [sender["name"] for sender in card["senders"]] == ["Donald", "Barbara", "Edsger"]
    assert card["body"] == "number 5"
    assert card["replaces"] == [first["id"]]
    assert await scene.counts(ADA) == (1, 1)


async def test_a_hundred_are_two_entries(scene: Scene) -> None:
    """Readers are told twice: of the first, and of the card."""
    await asyncio.gather(*(scene.like(NAMES[n % 6]) for n in range(100)))
    await scene.later(WINDOW)
    assert len(scene.bus.announced) == 2
    [card] = await scene.items(ADA)
    assert card["count"] == 100


async def test_a_card_grows_while_more_comes(scene: Scene) -> None:
    """Each window with something new replaces the card; the count goes on."""
    await scene.like("Ada")
    counts = []
    for number in range(1, 4):
        for _ in range(number):
            await scene.like("Grace")
        await scene.later(WINDOW)
        [card] = await scene.items(ADA)
        counts.append(card["count"])
    assert counts == [2, 4, 7]
    assert card["title"] == "Grace and Ada liked your post"


async def test_a_group_ends_when_a_window_was_empty(scene: Scene) -> None:
    """What comes then is a first one again, and the old card stays what it is."""
    await scene.like("Ada")
    await scene.like("Grace")
    await scene.later(WINDOW)
    await scene.later(WINDOW)
    assert await scene.store.next_job() is None
    await scene.like("Alan")
    assert await scene.titles(ADA) == ["Alan liked your post", "Grace and Ada liked your post"]


async def test_a_single_one_stays_as_it_was(scene: Scene) -> None:
    """Nothing to collapse: no card, no job left."""
    await scene.like("Ada")
    await scene.later(WINDOW)
    assert await scene.titles(ADA) == ["Ada liked your post"]
    assert await scene.store.next_job() is None
    assert len(scene.bus.announced) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"collapse_key": "post:2"},
        {"type": "visit"},
        {"priority": "high"},
        {"except": ["user:grace"]},
        {"to": "user:grace"},
    ],
    ids=["key", "type", "priority", "who is left out", "audience"],
)
async def test_only_what_belongs_together_is_merged(scene: Scene, other: dict[str, Any]) -> None:
    """Another key, type, priority, audience or exception is another group, shown at once."""
    await scene.like("Ada")
    await scene.like("Grace", **other)
    assert len(scene.bus.announced) == 2


async def test_another_publishers_notifications_are_another_group(scene: Scene) -> None:
    """A card belongs to one publisher, who may withdraw it."""
    body = {"to": "user:ada", "title": "x", "type": "like", "collapse_key": "k"}
    await scene.publisher.publish(body, SERVICE)
    await scene.publisher.publish(body, OPERATOR)
    assert len(scene.bus.announced) == 2


async def test_without_a_key_or_a_rule_nothing_is_merged(scene: Scene) -> None:
    """The key of a type without the rule is only passed on."""
    for _ in range(2):
        await scene.publish("user:ada", type="like")
        await scene.publish("user:ada", type="comment", collapse_key="k")
    assert len(await scene.items(ADA)) == 4


async def test_what_is_critical_never_waits(scene: Scene) -> None:
    """It is shown at once, each time."""
    for name in NAMES[:3]:
        await scene.like(name, priority="critical")
    assert len(await scene.items(ADA)) == 3


async def test_shared_logs_collapse_for_all_their_readers(scene: Scene) -> None:
    """One card in the log of everybody."""
    await first_visits(scene)
    for name in NAMES[:3]:
        await scene.like(name, "everyone")
    await scene.later(WINDOW)
    for user in (ADA, GRACE):
        assert [item["count"] for item in await scene.items(user)] == [3]


async def test_each_audience_has_its_own_group(scene: Scene) -> None:
    """In one call some are first, others wait."""
    await scene.like("Ada", "user:grace")
    receipt = await scene.publish(
        ["user:ada", "user:grace"], type="like", collapse_key="post:1", priority="low"
    )
    assert [entry.audience for entry in receipt.entries] == ["user:ada"]
    await scene.later(WINDOW)
    assert [item["count"] for item in await scene.items(GRACE)] == [2]
    assert [item.get("count") for item in await scene.items(ADA)] == [None]


async def test_ten_thousand_audiences_are_one_call(scene: Scene) -> None:
    """First and following ones, each in batches."""
    to = [f"user:{number}" for number in range(10_000)]
    receipt = await scene.publish(to, type="like", collapse_key="k")
    assert len(receipt.entries) == 10_000
    receipt = await scene.publish(to, type="like", collapse_key="k")
    assert receipt.entries == ()


async def test_a_waiting_one_can_be_withdrawn(scene: Scene) -> None:
    """It is not counted; nobody is told of something they never saw."""
    await scene.like("Ada")
    withdrawn = await scene.like("Grace")
    await scene.like("Alan")
    await scene.publisher.withdraw(withdrawn, SERVICE)
    assert len(scene.bus.announced) == 1
    await scene.later(WINDOW)
    [card] = await scene.items(ADA)
    assert (card["count"], card["title"]) == (2, "Alan and Ada liked your post")


async def test_when_all_that_waited_was_withdrawn_there_is_no_card(scene: Scene) -> None:
    """And the group ends."""
    await scene.like("Ada")
    await scene.publisher.withdraw(await scene.like("Grace"), SERVICE)
    await scene.later(WINDOW)
    assert await scene.titles(ADA) == ["Ada liked your post"]
    assert await scene.store.next_job() is None


async def test_a_first_one_that_was_withdrawn_is_not_counted(scene: Scene) -> None:
    """The card is about the others."""
    first = await scene.like("Ada")
    await scene.like("Grace")
    await scene.publisher.withdraw(first, SERVICE)
    await scene.later(WINDOW)
    [card] = await scene.items(ADA)
    assert (card["count"], card["title"], card["replaces"]) == (1, "Grace liked your post", [])


async def test_a_card_can_be_withdrawn(scene: Scene) -> None:
    """By its publisher, by the id that readers see; what comes then counts anew."""
    await scene.like("Ada")
    await scene.like("Grace")
    await scene.later(WINDOW)
    [card] = await scene.items(ADA)
    await scene.publisher.withdraw(card["notification_id"], SERVICE)
    assert await scene.items(ADA) == []
    await scene.like("Alan")
    await scene.later(WINDOW)
    assert [item["count"] for item in await scene.items(ADA)] == [1]


async def test_what_a_card_stands_for_is_gone(scene: Scene) -> None:
    """One that was merged cannot be withdrawn by itself any more."""
    await scene.like("Ada")
    merged = await scene.like("Grace")
    await scene.later(WINDOW)
    with pytest.raises(NotFound):
        await scene.publisher.withdraw(merged, SERVICE)


async def test_a_waiting_one_can_expire(scene: Scene) -> None:
    """Its time counts from when it was published; the card lives as long as the longest."""
    await scene.like("Ada")
    await scene.like("Grace", ttl=10)
    await scene.like("Alan", ttl=3_600)
    await scene.later(WINDOW)
    [card] = await scene.items(ADA)
    assert card["count"] == 2
    scene.clock.pass_(3_600_000)
    assert card["id"] not in [item["id"] for item in await scene.items(ADA)]


async def test_a_repeated_publish_is_counted_once(scene: Scene) -> None:
    """Of the first and of those that wait, at once, and after they were merged."""
    body = {"to": "user:ada", "title": "x", "type": "like", "collapse_key": "post:1"}

    async def publish_all() -> list[bool]:
        keys = [f"key-{number}" for number in range(5)]
        receipts = [
            await scene.publisher.publish(body, SERVICE, idempotency_key=key) for key in keys
        ]
        return [receipt.repeated for receipt in receipts]

    assert await publish_all() == [False] * 5
    assert await publish_all() == [True] * 5
    await scene.later(WINDOW)
    assert await publish_all() == [True] * 5
    await scene.later(WINDOW)
    await scene.later(WINDOW)
    assert await publish_all() == [True] * 5
    await scene.later(WINDOW)
    assert [item["count"] for item in await scene.items(ADA)] == [5]


async def test_racing_repetitions_are_counted_once(scene: Scene) -> None:
    """All retries at once, of several keys."""
    body = {"to": "user:ada", "title": "x", "type": "like", "collapse_key": "post:1"}
    await asyncio.gather(
        *(scene.publisher.publish(body, SERVICE, idempotency_key=f"k{n % 7}") for n in range(35))
    )
    await scene.later(WINDOW)
    assert [item["count"] for item in await scene.items(ADA)] == [7]


async def test_nothing_is_lost_between_the_last_look_and_the_end_of_a_group(scene: Scene) -> None:
    """Published while the group's job ends again and again: each is shown or counted once."""
    total = 60

    async def publish() -> None:
        for _ in range(total // 3):
            await scene.like("Ada")
            await asyncio.sleep(0)

    publishing = [asyncio.ensure_future(publish()) for _ in range(3)]
    while not all(task.done() for task in publishing):
        await scene.later(WINDOW)
    for _ in range(3):
        await scene.later(WINDOW)
    assert sum(item.get("count", 1) for item in await scene.items(ADA)) == total


async def test_nobody_can_read_what_waits(scene: Scene) -> None:
    """Its log has no audience that anybody could name."""
    await scene.like("Ada")
    await scene.like("Grace")
    rows = await scene.store.after({"user:ada": 0}, limit=9, now=scene.clock())
    assert len(rows["user:ada"]) == 1
    spy = Principal("spy", roles=frozenset({"admin"}))
    assert await scene.items(spy) == []


async def test_many_in_one_window_are_added_up_in_several_runs(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded runs, with the same sum."""
    monkeypatch.setattr("notifier.core.jobs.collapse.MAX_MEMBERS", 4)
    monkeypatch.setattr("notifier.core.jobs.collapse.PAGE", 2)
    for number in range(12):
        await scene.like(NAMES[number % 6])
    await scene.later(WINDOW)
    [card] = await scene.items(ADA)
    assert card["count"] == 12


# What a card says

RULE = Collapse(window=60, title="{senders} liked your post ({count})")


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (["Ada"], "Ada liked your post (1)"),
        (["Ada", "Ada"], "Ada liked your post (2)"),
        (["Ada", "Grace"], "Grace and Ada liked your post (2)"),
        (["Ada", "Grace", "Ada"], "Ada and Grace liked your post (3)"),
        (["Ada", "Grace", "Alan"], "Alan and 2 others liked your post (3)"),
        (list("abcdefgh"), "h and 7 others liked your post (8)"),
        (["{count}", "{0}"], "{0} and {count} liked your post (2)"),
    ],
)
def test_a_title_names_the_newest_and_counts_people(names: list[str], title: str) -> None:
    """Who did it twice is one of them; names are never read as anything else."""
    tally = Tally()
    for name in names:
        tally.add({"sender": {"id": name, "name": name}})
    assert tally.title(RULE) == title


def test_who_has_no_name_is_counted_among_the_others() -> None:
    """A sender with an id alone; notifications without a sender are counted, not named."""
    tally = Tally()
    for sender in ({"id": "1"}, {"id": "2", "name": "Ada"}, None):
        tally.add({"sender": sender} if sender else {})
    assert tally.title(RULE) == "Ada and 1 other liked your post (3)"


def test_without_any_name_the_newest_title_stays() -> None:
    """There is nobody to name; a title without names is made all the same."""
    tally = Tally()
    tally.add({"title": "Somebody liked your post"})
    assert tally.title(RULE) is None
    assert tally.title(TYPES["visit"].collapse) == "1 visits"
    assert tally.title(None) is None


def test_titles_and_senders_are_bounded() -> None:
    """Whatever the names are."""
    tally = Tally()
    for number in range(2_000):
        tally.add({"sender": {"id": str(number), "name": "x" * 100 + str(number)}})
    long = Collapse(window=60, title="{senders} " + "y" * 140)
    assert len(tally.title(long) or "") == 200
    assert (len(tally.senders), len(tally.people)) == (3, 500)
    assert "1999 others" in (tally.title(RULE) or "")


assert WINDOW == 5 * MINUTE


async def test_a_first_one_that_the_store_refused_keeps_nobody_waiting(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its publisher sends it again, and it is shown long before the end of the window."""
    append, refused = scene.store.append, False

    async def refuse_once(publication: Publication) -> Receipt:
        nonlocal refused
        if not refused:
            refused = True
            raise StoreUnavailable("Too slow.")
        return await append(publication)

    monkeypatch.setattr(scene.store, "append", refuse_once)
    with pytest.raises(StoreUnavailable):
        await scene.like("Ada")
    await scene.like("Ada")
    assert await scene.titles(ADA) == []
    await scene.later(OPENING)
    assert await scene.titles(ADA) == ["Ada liked your post"]


async def test_a_group_that_opened_as_it_should_waits_for_its_window(scene: Scene) -> None:
    """What follows is not shown before."""
    await scene.like("Ada")
    await scene.like("Grace")
    await scene.later(OPENING)
    assert await scene.titles(ADA) == ["Ada liked your post"]
    await scene.later(WINDOW - OPENING)
    assert await scene.titles(ADA) == ["Grace and Ada liked your post"]
