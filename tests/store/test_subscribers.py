"""The ``Subscribers`` port: preferences, topics, watermarks and marks, the same on every store."""

from __future__ import annotations

import asyncio

import pytest

from notifier.core.models import Mark, Marks, Preferences, Ref, Standing, Subscriber, Watermark
from notifier.core.ports import Store
from notifier.errors import Conflict
from tests.store.conftest import OpenNode
from tests.store.samples import DAY, NAMES, Clock, publication


async def fill(store: Store, clock: Clock, audience: str, count: int = 5) -> list[Ref]:
    """A log with some entries to mark."""
    receipts = [await store.append(publication(clock, audience)) for _ in range(count)]
    return [receipt.entries[0].ref for receipt in receipts]


async def all_marks(store: Store, user: str) -> Marks:
    """The marks of a user who has come."""
    return (await store.welcome(user, {})).marks


# The subscriber


async def test_nobody_is_a_subscriber_before_the_first_visit(store: Store) -> None:
    """Watermarks and marks do not make one."""
    assert await store.subscriber("me") is None
    await store.raise_watermark("me", "seen", {"everyone": 5})
    assert await store.subscriber("me") is None


async def test_many_can_be_asked_where_they_stand(store: Store) -> None:
    """The version of their preferences and their topics; of strangers nothing is told."""
    await store.welcome("me", {})
    await store.set_preferences("me", Preferences(version=1))
    for topic in ("news", "a.b"):
        await store.join_topic("me", topic, 0)
    await store.join_topic("expected", "news", 0)
    await store.welcome("you", {})
    assert await store.standings(["me", "you", "expected", "nobody", "$where"]) == {
        "me": Standing(1, frozenset({"news", "a.b"})),
        "you": Standing(0, frozenset()),
        "expected": Standing(0, frozenset({"news"})),
    }
    assert await store.standings([]) == {}


async def test_the_first_visit_sets_the_floors(store: Store) -> None:
    """A new subscriber has default preferences, no topics, and starts where the logs stand."""
    welcomed = await store.welcome("me", {"everyone": 5, "role:a.b": 0})
    assert welcomed == await store.subscriber("me")
    assert welcomed.preferences == Preferences()
    assert welcomed.topics == frozenset()
    assert welcomed.watermark("everyone") == Watermark(floor=5)
    assert welcomed.watermark("role:a.b") == Watermark()


async def test_later_visits_change_nothing(store: Store) -> None:
    """Who was there first decides; the others get what is stored."""
    first = await store.welcome("me", {"everyone": 5})
    assert await store.welcome("me", {"everyone": 9, "role:admin": 3}) == first


async def test_racing_first_visits_agree(open_node: OpenNode) -> None:
    """Ten connections of a new user on two nodes all get the same floors."""
    nodes = [await open_node(), await open_node()]
    visits = (nodes[i % 2].welcome("me", {"everyone": i, "user:me": i}) for i in range(10))
    welcomed = await asyncio.gather(*visits)
    assert all(subscriber == welcomed[0] for subscriber in welcomed)
    floors = {mark.floor for mark in welcomed[0].watermarks.values()}
    assert len(floors) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_is_only_a_name(store: Store, clock: Clock, name: str) -> None:
    """Names of users, topics, audiences and types are values wherever they are kept."""
    other = f"{name}x"[-128:] if name != "n" * 128 else "m"
    await store.welcome(name, {"everyone": 1, f"role:{name}": 2})
    await store.welcome(other, {})
    assert await store.join_topic(name, name, 3)
    preferences = Preferences({name: {"bell": False}}, version=1)
    await store.set_preferences(name, preferences)
    (ref,) = await fill(store, clock, f"user:{name}", 1)
    await store.mark(name, [ref], read=True)
    await store.raise_watermark(name, "seen", {ref.audience: ref.seq})
    assert await store.subscriber(name) == Subscriber(
        name,
        preferences,
        frozenset([name]),
        {
            "everyone": Watermark(floor=1),
            f"role:{name}": Watermark(floor=2),
            f"topic:{name}": Watermark(floor=3),
            f"user:{name}": Watermark(seen=ref.seq),
        },
        marks={ref.audience: {ref.seq: Mark(read=True)}},
    )
    assert await store.subscriber(other) == Subscriber(other)


# Preferences


async def test_preferences_follow_their_version(store: Store) -> None:
    """What was read, plus one, is accepted; anything else is a conflict and changes nothing."""
    await store.welcome("me", {})
    first = Preferences({"info": {"push": True, "bell": False}}, sound=False, version=1)
    await store.set_preferences("me", first)
    for version in (0, 1, 3):
        with pytest.raises(Conflict):
            await store.set_preferences("me", Preferences(version=version))
    stored = await store.subscriber("me")
    assert stored is not None
    assert stored.preferences == first


async def test_racing_preferences_are_won_by_one_at_a_time(open_node: OpenNode) -> None:
    """Of ten devices that change version 0 on two nodes, one succeeds, and its change is kept."""
    nodes = [await open_node(), await open_node()]
    await nodes[0].welcome("me", {})
    calls = [
        nodes[i % 2].set_preferences("me", Preferences({f"t{i}": {"bell": True}}, version=1))
        for i in range(10)
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(answer is None for answer in answers) == 1
    assert sum(isinstance(answer, Conflict) for answer in answers) == 9
    winner = [answer is None for answer in answers].index(True)
    stored = await nodes[0].subscriber("me")
    assert stored is not None
    assert stored.preferences.types == {f"t{winner}": {"bell": True}}


async def test_strangers_have_no_preferences_to_set(store: Store) -> None:
    """There is no version to follow."""
    with pytest.raises(Conflict):
        await store.set_preferences("me", Preferences(version=1))
    assert await store.subscriber("me") is None


# Topics


async def test_a_topic_is_joined_from_its_present_head_on(store: Store) -> None:
    """The floor stands where the user joined; joining again keeps it."""
    await store.welcome("me", {"everyone": 5})
    assert await store.join_topic("me", "news", 7)
    assert not await store.join_topic("me", "news", 9)
    stored = await store.subscriber("me")
    assert stored is not None
    assert stored.topics == {"news"}
    assert stored.watermark("topic:news").floor == 7
    assert stored.watermark("everyone").floor == 5


async def test_a_topic_can_be_left_and_joined_anew(store: Store) -> None:
    """What came while the user was away stays out of sight."""
    await store.welcome("me", {})
    assert not await store.leave_topic("me", "news")
    await store.join_topic("me", "news", 7)
    await store.join_topic("me", "sport", 1)
    assert await store.leave_topic("me", "news")
    assert not await store.leave_topic("me", "news")
    left = await store.subscriber("me")
    assert left is not None
    assert left.topics == {"sport"}
    assert await store.join_topic("me", "news", 12)
    back = await store.subscriber("me")
    assert back is not None
    assert back.topics == {"news", "sport"}
    assert back.watermark("topic:news").floor == 12


async def test_of_racing_joins_one_counts(open_node: OpenNode) -> None:
    """Exactly one of them subscribes, with its floor."""
    nodes = [await open_node(), await open_node()]
    await nodes[0].welcome("me", {})
    joins = [nodes[i % 2].join_topic("me", "news", i) for i in range(10)]
    answers = await asyncio.gather(*joins)
    assert answers.count(True) == 1
    stored = await nodes[1].subscriber("me")
    assert stored is not None
    assert stored.watermark("topic:news").floor == answers.index(True)


async def test_who_never_came_can_be_subscribed(store: Store) -> None:
    """That is no visit: the first one still sets where the view of shared logs starts."""
    assert not await store.leave_topic("me", "news")
    assert await store.subscriber("me") is None
    assert await store.join_topic("me", "news", 3)
    assert not await store.join_topic("me", "news", 9)
    assert await store.join_topic("me", "sport", 4)
    expected = await store.subscriber("me")
    assert expected is not None
    assert not expected.visited
    assert expected.topics == {"news", "sport"}
    welcomed = await store.welcome("me", {"everyone": 5}, ["admin"])
    assert welcomed.visited
    assert welcomed.roles == {"admin"}
    assert welcomed.topics == {"news", "sport"}
    floors = {name: mark.floor for name, mark in welcomed.watermarks.items()}
    assert floors == {"everyone": 5, "topic:news": 3, "topic:sport": 4}
    assert await store.welcome("me", {"everyone": 7}, []) == welcomed


async def test_a_visit_and_a_subscription_at_once_keep_both(open_node: OpenNode) -> None:
    """Whoever is first: the floor is that of the visit, the topics are all there."""
    nodes = [await open_node() for _ in range(2)]
    await asyncio.gather(
        nodes[0].welcome("me", {"everyone": 5}),
        *(nodes[i % 2].join_topic("me", f"t{i}", i) for i in range(6)),
    )
    stored = await nodes[0].subscriber("me")
    assert stored is not None
    assert stored.visited
    assert stored.topics == {f"t{i}" for i in range(6)}
    assert stored.watermark("everyone").floor == 5


async def test_the_last_known_roles_are_kept(store: Store) -> None:
    """They replace those from before; of strangers nothing is kept."""
    await store.set_roles("me", ["admin"])
    assert await store.subscriber("me") is None
    await store.welcome("me", {}, ["admin", "a$.b"])
    await store.set_roles("me", ["editor", "a$.b"])
    stored = await store.subscriber("me")
    assert stored is not None
    assert stored.roles == {"editor", "a$.b"}


# Watermarks


async def test_watermarks_never_go_back(store: Store) -> None:
    """Each field and each log is raised on its own; a lower position changes nothing."""
    await store.welcome("me", {"everyone": 2})
    await store.raise_watermark("me", "seen", {"everyone": 9, "user:me": 4})
    await store.raise_watermark("me", "read", {"everyone": 7})
    await store.raise_watermark("me", "dismissed", {"everyone": 5})
    await store.raise_watermark("me", "seen", {"everyone": 3, "user:me": 5})
    await store.raise_watermark("me", "read", {"everyone": 6})
    await store.raise_watermark("me", "dismissed", {})
    stored = await store.subscriber("me")
    assert stored is not None
    assert stored.watermarks == {
        "everyone": Watermark(seen=9, read=7, dismissed=5, floor=2),
        "user:me": Watermark(seen=5),
    }


async def test_racing_watermarks_end_at_the_highest(open_node: OpenNode) -> None:
    """Devices on two nodes raise the same watermark in any order."""
    nodes = [await open_node(), await open_node()]
    await nodes[0].welcome("me", {})
    raises = (
        nodes[i % 2].raise_watermark("me", "read", {"everyone": i * 7 % 20, "user:me": i})
        for i in range(20)
    )
    await asyncio.gather(*raises)
    stored = await nodes[0].subscriber("me")
    assert stored is not None
    assert {mark.read for mark in stored.watermarks.values()} == {19}


async def test_reading_all_ends_the_marks_below_but_no_dismissal(
    store: Store, clock: Clock
) -> None:
    """Read and unread marks up to the position go; dismissals and what lies above stay."""
    a, b, c, d, e = await fill(store, clock, "everyone")
    await store.mark("me", [a, d], read=True)
    await store.mark("me", [b, e], read=False)
    await store.mark("me", [c], read=False, dismissed=True)
    await store.mark("you", [a], read=True)
    await store.raise_watermark("me", "seen", {"everyone": e.seq})
    assert len((await all_marks(store, "me"))["everyone"]) == 5
    await store.raise_watermark("me", "read", {"everyone": c.seq})
    assert await all_marks(store, "me") == {
        "everyone": {c.seq: Mark(False, True), d.seq: Mark(True), e.seq: Mark(False)}
    }
    assert await all_marks(store, "you") == {"everyone": {a.seq: Mark(True)}}


async def test_what_was_read_stays_read_while_all_is_being_read(
    open_node: OpenNode, clock: Clock
) -> None:
    """No reader misses the marks that go and the watermark that makes them pointless at once."""
    nodes = [await open_node(), await open_node()]
    await nodes[0].welcome("me", {})
    refs = await fill(nodes[0], clock, "everyone", 10)
    await nodes[0].mark("me", refs, read=True)
    raising = asyncio.gather(
        *(nodes[0].raise_watermark("me", "read", {ref.audience: ref.seq}) for ref in refs)
    )
    while not raising.done():
        found = await nodes[1].subscriber("me")
        assert found is not None
        assert all(found.state(ref).read for ref in refs)
    await raising


async def test_dismissing_all_ends_every_mark_below(store: Store, clock: Clock) -> None:
    """In the logs it was said of, and in no other."""
    refs = await fill(store, clock, "everyone")
    (other, *_) = await fill(store, clock, "user:me")
    await store.mark("me", [*refs, other], dismissed=True)
    await store.raise_watermark("me", "dismissed", {"everyone": refs[3].seq})
    assert await all_marks(store, "me") == {
        "everyone": {refs[4].seq: Mark(dismissed=True)},
        "user:me": {other.seq: Mark(dismissed=True)},
    }


# Marks


async def test_a_mark_sets_what_is_given_and_keeps_the_rest(store: Store, clock: Clock) -> None:
    """Reading does not undo a dismissal, dismissing does not change what was read."""
    a, b, c, d, _ = await fill(store, clock, "everyone")
    await store.mark("me", [a, b], read=True)
    await store.mark("me", [b, c], dismissed=True)
    await store.mark("me", [b, c], read=False, dismissed=False)
    await store.mark("me", [d])
    assert (await all_marks(store, "me"))["everyone"] | {d.seq: Mark()} == {
        a.seq: Mark(read=True),
        b.seq: Mark(read=False, dismissed=True),
        c.seq: Mark(read=False, dismissed=True),
        d.seq: Mark(),
    }


async def test_marks_are_those_of_the_user(store: Store, clock: Clock) -> None:
    """In every log, each once; logs without marks are absent; others' marks are not shown."""
    shared = await fill(store, clock, "everyone")
    own = await fill(store, clock, "user:me")
    await store.mark("me", [*shared, *own, own[0]], read=True)
    await store.mark("you", shared, dismissed=True)
    assert await all_marks(store, "me") == {
        "everyone": {ref.seq: Mark(read=True) for ref in shared},
        "user:me": {ref.seq: Mark(read=True) for ref in own},
    }
    assert await all_marks(store, "nobody") == {}


async def test_there_must_be_an_entry_to_mark(store: Store, clock: Clock) -> None:
    """Places where nothing stands, or has gone, are passed over; nobody can fill the store so."""
    (ref, *_) = await fill(store, clock, "everyone")
    await store.mark("me", [Ref("everyone", 1), ref, Ref("user:none", 5)], read=True)
    await store.mark("me", [], read=True)
    assert await all_marks(store, "me") == {"everyone": {ref.seq: Mark(read=True)}}


async def test_a_mark_leaves_with_its_entry(store: Store, clock: Clock) -> None:
    """What was purged needs no state; what remains keeps its own."""
    brief = (await store.append(publication(clock, "user:a", lifetime=1))).entries[0].ref
    (kept, *_) = await fill(store, clock, "user:b")
    await store.mark("me", [brief, kept], read=True)
    await store.purge(clock.advance(DAY))
    assert await all_marks(store, "me") == {"user:b": {kept.seq: Mark(read=True)}}


async def test_racing_marks_of_one_entry_are_all_kept(open_node: OpenNode, clock: Clock) -> None:
    """One device reads, another dismisses, on two nodes at once: both happened."""
    nodes = [await open_node(), await open_node()]
    refs = await fill(nodes[0], clock, "everyone", 20)
    await asyncio.gather(
        *(nodes[0].mark("me", [ref], read=True) for ref in refs),
        *(nodes[1].mark("me", [ref], dismissed=True) for ref in refs),
    )
    assert await all_marks(nodes[0], "me") == {
        "everyone": {ref.seq: Mark(read=True, dismissed=True) for ref in refs}
    }


async def test_many_entries_are_marked_at_once(store: Store, clock: Clock) -> None:
    """As many as one call may name, in as many logs as a user may have."""
    logs = [f"topic:{i}" for i in range(100)]
    receipts = [await store.append(publication(clock, *logs)) for _ in range(5)]
    refs = [entry.ref for receipt in receipts for entry in receipt.entries]
    await store.mark("me", refs, read=True)
    found = await all_marks(store, "me")
    assert {Ref(a, seq) for a, marks in found.items() for seq in marks} == set(refs)
    await store.raise_watermark("me", "dismissed", {ref.audience: ref.seq for ref in refs})
    assert await all_marks(store, "me") == {}
