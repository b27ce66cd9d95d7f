"""The ``Log`` port: appending and reading, the same on every store."""

from __future__ import annotations

import pytest

from notifier.core.models import MAX_SEQ, Entry, Kind, Outline, Receipt, Ref, first_seq
from notifier.core.ports import Store
from tests.store.samples import DAY, HOUR, NAMES, Clock, publication, view


async def publish(store: Store, clock: Clock, *audiences: str, **given: object) -> Receipt:
    return await store.append(publication(clock, *audiences, **given))  # type: ignore[arg-type]


async def publish_many(store: Store, clock: Clock, count: int, audience: str) -> list[int]:
    return [(await publish(store, clock, audience)).entries[0].seq for _ in range(count)]


async def test_append_returns_the_entries_in_the_order_of_the_audiences(
    store: Store, clock: Clock
) -> None:
    """A receipt has one entry for each audience, as it will be read."""
    audiences = ("user:2", "everyone", "user:1")
    sent = publication(clock, *audiences, excluded=["7", "8"])
    receipt = await store.append(sent)
    assert receipt.notification_id == sent.notification.id
    assert [e.audience for e in receipt.entries] == list(audiences)
    assert not receipt.repeated
    for entry in receipt.entries:
        found = await store.after({entry.audience: entry.seq - 1}, limit=9, now=clock())
        assert found == {entry.audience: [entry]}
        assert entry.notification == sent.notification


async def test_a_log_counts_up_from_the_hour_it_began_in(store: Store, clock: Clock) -> None:
    """The first entry of a log is numbered by the hour, each next one is one more."""
    start = first_seq(clock())
    assert await publish_many(store, clock, 4, "user:1") == [start + i for i in range(4)]
    assert await store.heads(["user:1", "user:2"]) == {"user:1": start + 3, "user:2": 0}


async def test_appending_to_no_audience_makes_no_entry(store: Store, clock: Clock) -> None:
    """Nobody to tell is nothing to store."""
    assert (await publish(store, clock)).entries == ()
    assert (await publish(store, clock, key="k")).entries == ()


async def test_a_publication_may_have_ten_thousand_audiences(store: Store, clock: Clock) -> None:
    """The largest publication there can be is stored whole, in order, and read back."""
    audiences = [f"user:{i}" for i in range(10_000)]
    receipt = await publish(store, clock, *audiences)
    assert [e.audience for e in receipt.entries] == audiences
    assert await store.heads(audiences) == {e.audience: e.seq for e in receipt.entries}


def outlined(entry: Entry) -> Outline:
    """What counting needs of an entry."""
    return Outline(entry.seq, entry.notification.id, entry.notification.expires_at)


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_is_only_a_name(store: Store, clock: Clock, name: str) -> None:
    """Nothing in a name of a user, type or publisher is read as more than text."""
    audience = f"topic:{name}"
    first = await publish(store, clock, audience, type=name, publisher=name, excluded=["x", name])
    second = await publish(store, clock, audience, "everyone", type="other")
    place, other = first.entries[0], second.entries[0]
    now = clock()
    assert await store.heads([audience]) == {audience: other.seq}
    assert await store.after({audience: 0}, limit=9, now=now) == {audience: [place, other]}
    assert await store.page(view("y", audience), {}, limit=9, now=now, type=name) == {
        audience: [place]
    }
    assert await store.page(view(name, audience), {}, limit=9, now=now) == {audience: [other]}
    seen = view("y", audience, hidden=[name])
    assert await store.outline(seen, {audience: 0}, limit=9, now=now) == {
        audience: [outlined(other)]
    }
    assert await store.entries([place.ref], now=now) == [place]
    assert await store.copies([first.notification_id], [audience, "user:1"], now=now) == [place]
    assert [
        e.audience for e in await store.withdraw(first.notification_id, publisher=name, now=now)
    ] == [audience]


async def test_names_are_compared_exactly(store: Store, clock: Clock) -> None:
    """Case, accents and how an accent is encoded tell names apart."""
    names = ["user:ada", "user:Ada", "user:áda", "user:a\u0301da"]
    for audience in names:
        await publish(store, clock, audience)
    assert set((await store.heads(names)).values()) == {first_seq(clock())}


async def test_content_is_returned_byte_for_byte(store: Store, clock: Clock) -> None:
    """What was encoded once is never decoded on the way."""
    sent = publication(clock, "everyone", title='"\\u0000 \U0001f600 \u2028 </script>')
    receipt = await store.append(sent)
    (entry,) = await store.entries([receipt.entries[0].ref], now=clock())
    assert type(entry.notification.content) is bytes
    assert entry.notification.content == sent.notification.content


async def test_heads_of_many_logs_are_found_at_once(store: Store, clock: Clock) -> None:
    """Every log that was asked for is answered, once, empty ones with 0."""
    for _ in range(3):
        await publish(store, clock, *[f"user:{i}" for i in range(0, 2_500, 2)])
    heads = await store.heads([f"user:{i}" for i in range(2_500)])
    last = first_seq(clock()) + 2
    assert heads == {f"user:{i}": 0 if i % 2 else last for i in range(2_500)}


async def test_after_gives_each_log_its_own_limit_and_position(store: Store, clock: Clock) -> None:
    """Oldest first behind the position, cut at the limit; logs with nothing new are absent."""
    a = await publish_many(store, clock, 5, "user:a")
    b = await publish_many(store, clock, 5, "user:b")
    await publish_many(store, clock, 2, "user:c")
    positions = {"user:a": 0, "user:b": b[2], "user:c": MAX_SEQ, "user:none": 0}
    found = await store.after(positions, limit=3, now=clock())
    assert {log: [e.seq for e in entries] for log, entries in found.items()} == {
        "user:a": a[:3],
        "user:b": b[3:],
    }


async def test_after_reads_more_logs_than_fit_one_query(store: Store, clock: Clock) -> None:
    """A node that was cut off asks about everything it has readers for, and MongoDB takes no more
    than a thousand stages."""
    audiences = [f"user:{i}" for i in range(2_500)]
    await publish(store, clock, *audiences)
    found = await store.after(dict.fromkeys(audiences, 0), limit=3, now=clock())
    assert {log: len(entries) for log, entries in found.items()} == dict.fromkeys(audiences, 1)


async def test_a_page_goes_down_from_a_position_to_the_floor(store: Store, clock: Clock) -> None:
    """Newest first, below ``before``, above the floor; without ``before`` from the head."""
    a = await publish_many(store, clock, 6, "user:a")
    b = await publish_many(store, clock, 6, "everyone")
    await publish_many(store, clock, 1, "user:stranger")
    seen = view("a", "user:a", everyone=b[1])
    before = {"everyone": b[4], "user:stranger": MAX_SEQ}
    found = await store.page(seen, before, limit=4, now=clock())
    assert {log: [e.seq for e in entries] for log, entries in found.items()} == {
        "user:a": a[:1:-1],
        "everyone": [b[3], b[2]],
    }
    ended = {"user:a": a[0], "everyone": b[2]}
    assert await store.page(seen, ended, limit=4, now=clock()) == {}


async def test_what_a_user_may_not_see_takes_no_room_in_a_page(store: Store, clock: Clock) -> None:
    """Hidden types, excluded users, withdrawals and expired ones are skipped, not counted."""
    wanted = [await publish(store, clock, "everyone") for _ in range(3)]
    for _ in range(4):
        await publish(store, clock, "everyone", type="muted")
        await publish(store, clock, "everyone", excluded=["me", "you"])
        await publish(store, clock, "everyone", lifetime=1)
        gone = await publish(store, clock, "everyone")
        await store.withdraw(gone.notification_id, publisher=None, now=clock())
    now = clock.advance(2)
    seen = view("me", "everyone", hidden=["muted", "unknown"])
    page = await store.page(seen, {}, limit=3, now=now)
    assert page == {"everyone": [r.entries[0] for r in reversed(wanted)]}
    outline = await store.outline(seen, {"everyone": 0}, limit=3, now=now)
    assert outline == {"everyone": [outlined(r.entries[0]) for r in reversed(wanted)]}


async def test_a_page_can_be_of_one_type(store: Store, clock: Clock) -> None:
    """A type that the view hides stays hidden when it is asked for."""
    for type in ("a", "b", "c"):
        await publish(store, clock, "everyone", type=type)
    for hidden, expected in (((), ["b"]), (("a",), ["b"]), (("b",), [])):
        found = await store.page(
            view("me", "everyone", hidden=hidden), {}, limit=9, now=clock(), type="b"
        )
        assert [e.notification.type for e in found.get("everyone", [])] == expected


async def test_an_outline_starts_at_the_position_or_the_floor(store: Store, clock: Clock) -> None:
    """Newest first behind the higher of the two, of the logs asked for and in the view."""
    a = await publish_many(store, clock, 5, "user:a")
    b = await publish_many(store, clock, 5, "everyone")
    await publish_many(store, clock, 5, "user:stranger")
    seen = view("a", "user:a", "topic:unasked", everyone=b[3])
    positions = {"user:a": a[1], "everyone": b[0], "user:stranger": 0}
    found = await store.outline(seen, positions, limit=9, now=clock())
    assert {log: [row.seq for row in rows] for log, rows in found.items()} == {
        "user:a": [a[4], a[3], a[2]],
        "everyone": b[4:],
    }


async def test_an_outline_ends_when_there_is_enough_of_it(store: Store, clock: Clock) -> None:
    """The newest of one log, then those of the next, so many in all."""
    logs = {name: await publish_many(store, clock, 4, name) for name in ("user:a", "everyone")}
    seen = view("a", *logs)
    for limit in range(1, 9):
        found = await store.outline(seen, dict.fromkeys(logs, 0), limit=limit, now=clock())
        assert sum(len(rows) for rows in found.values()) == limit
        for log, rows in found.items():
            assert [row.seq for row in rows] == logs[log][::-1][: len(rows)]


async def test_expiry_is_the_first_moment_of_not_being_there(store: Store, clock: Clock) -> None:
    """Visible up to the millisecond before ``expires_at``, to every way of reading."""
    receipt = await publish(store, clock, "everyone", lifetime=HOUR)
    (entry,) = receipt.entries
    position, seen = {"everyone": 0}, view("me", "everyone")
    for now, there in ((clock() + HOUR - 1, True), (clock() + HOUR, False)):
        assert bool(await store.after(position, limit=1, now=now)) is there
        assert bool(await store.page(seen, {}, limit=1, now=now)) is there
        assert bool(await store.outline(seen, position, limit=1, now=now)) is there
        assert bool(await store.entries([entry.ref], now=now)) is there
        assert bool(await store.copies([receipt.notification_id], ["everyone"], now=now)) is there
    assert await store.heads(["everyone"]) == {"everyone": entry.seq}


async def test_entries_are_found_by_their_places(store: Store, clock: Clock) -> None:
    """Of every kind, each once, however often and in whatever order they are asked for."""
    a = await publish(store, clock, "user:a", "user:b")
    (gone, _) = await store.withdraw(a.notification_id, publisher=None, now=clock())
    b = await publish(store, clock, "user:b")
    refs = [gone.ref, b.entries[0].ref, b.entries[0].ref, a.entries[0].ref, Ref("user:x", 1)]
    found = await store.entries(refs, now=clock())
    assert sorted(found, key=lambda e: e.ref) == sorted([gone, b.entries[0]], key=lambda e: e.ref)


async def test_copies_finds_notifications_in_some_of_their_logs(store: Store, clock: Clock) -> None:
    """The same notification in the logs asked for, without withdrawals."""
    a = await publish(store, clock, "user:a", "user:b", "user:c")
    b = await publish(store, clock, "user:a")
    gone = await publish(store, clock, "user:a")
    await store.withdraw(gone.notification_id, publisher=None, now=clock())
    ids = [a.notification_id, b.notification_id, gone.notification_id, "unknown"]
    found = await store.copies(ids, ["user:a", "user:c", "user:d"], now=clock())
    assert {e.ref for e in found} == {a.entries[0].ref, a.entries[2].ref, b.entries[0].ref}
    assert all(e.notification.kind is Kind.NOTIFICATION for e in found)


async def test_asking_for_nothing_is_answered_with_nothing(store: Store, clock: Clock) -> None:
    """Empty input is no error in any reading method."""
    now = clock()
    await publish(store, clock, "everyone")
    assert await store.heads([]) == {}
    assert await store.after({}, limit=9, now=now) == {}
    assert await store.page(view("me"), {}, limit=9, now=now) == {}
    assert await store.outline(view("me", "everyone"), {}, limit=9, now=now) == {}
    assert await store.entries([], now=now) == []
    assert await store.copies([], ["everyone"], now=now) == []
    assert await store.copies(["id"], [], now=now) == []


async def test_purge_removes_what_expired_a_grace_ago(store: Store, clock: Clock) -> None:
    """Not before the grace is over; what lives longer stays; the number of entries is returned."""
    await publish(store, clock, "user:a", "user:b", lifetime=HOUR)
    kept = await publish(store, clock, "user:c", lifetime=30 * DAY)
    assert await store.purge(clock() + 3 * HOUR - 1) == 0
    assert await store.purge(clock() + 3 * HOUR) == 2
    assert await store.purge(clock() + 3 * HOUR) == 0
    heads = await store.heads(["user:a", "user:b", "user:c"])
    assert heads == {"user:a": 0, "user:b": 0, "user:c": kept.entries[0].seq}


async def test_purge_removes_any_number(store: Store, clock: Clock) -> None:
    """More than one batch goes in one call."""
    await publish(store, clock, *[f"user:{i}" for i in range(1_200)], lifetime=HOUR)
    assert await store.purge(clock() + DAY) == 1_200
