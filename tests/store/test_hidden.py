"""What is hidden from a user is neither on a page nor counted, and everything else is."""

from __future__ import annotations

from itertools import product

import pytest
from pymongo import AsyncMongoClient

from notifier.core.models import Entry, Hidden, Kind, Priority, View
from notifier.core.ports import Store
from notifier.store import open_store
from tests.store.samples import Clock, publication

TYPES = ("info", "like", "a.b$c")

HIDDEN = {
    "nothing": Hidden(),
    "a type": Hidden(forbidden=frozenset({"like"})),
    "an odd type": Hidden(forbidden=frozenset({"a.b$c"})),
    "a priority of a type": Hidden(muted=frozenset({("like", Priority.NORMAL)})),
    "low ones of all types": Hidden(muted=frozenset((type, Priority.LOW) for type in TYPES)),
    "a muted type": Hidden(
        muted=frozenset(product(["info"], [Priority.LOW, Priority.NORMAL, Priority.HIGH]))
    ),
    "types for digests": Hidden(digested=frozenset({"info", "like"})),
    "all of it at once": Hidden(
        frozenset({"a.b$c"}),
        frozenset({("info", Priority.LOW), ("like", Priority.HIGH)}),
        frozenset({"info"}),
    ),
}


async def all_kinds(store: Store, clock: Clock) -> list[Entry]:
    """One entry of each type, priority and kind."""
    return [
        entry
        for type, priority, kind in product(TYPES, Priority, [Kind.NOTIFICATION, Kind.DIGEST])
        for entry in (
            await store.append(
                publication(clock, "user:me", type=type, priority=priority, kind=kind)
            )
        ).entries
    ]


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN.keys())
async def test_the_store_hides_what_the_view_hides(
    store: Store, clock: Clock, hidden: Hidden
) -> None:
    """Exactly that, on pages, of one type too, and in what is counted."""
    entries = await all_kinds(store, clock)
    seen = View("me", {"user:me": 0}, hidden)
    shown = [e for e in reversed(entries) if seen.shows(e)]
    assert 0 < len(shown) <= len(entries)
    now = clock()
    assert (await store.page(seen, {}, limit=99, now=now))["user:me"] == shown
    counted = (await store.outline(seen, {"user:me": 0}, limit=99, now=now))["user:me"]
    assert [row.seq for row in counted] == [entry.seq for entry in shown]
    assert {row.expires_at for row in counted} == {shown[0].notification.expires_at}
    for type in TYPES:
        page = await store.page(seen, {}, limit=99, now=now, type=type)
        assert page.get("user:me", []) == [e for e in shown if e.notification.type == type]


async def test_priority_kind_and_silence_are_kept(store: Store, clock: Clock) -> None:
    """However the entry is read; silence is that of one log."""
    sent = publication(
        clock, "user:a", "user:b", priority=Priority.HIGH, kind=Kind.DIGEST, silent=["user:b"]
    )
    loud, silent = (await store.append(sent)).entries
    assert (loud.silent, silent.silent) == (False, True)
    now = clock()
    assert await store.after({"user:b": 0}, limit=9, now=now) == {"user:b": [silent]}
    assert await store.entries([loud.ref, silent.ref], now=now) in (
        [loud, silent],
        [silent, loud],
    )
    page = await store.page(View("b", {"user:b": 0}), {}, limit=9, now=now)
    assert page == {"user:b": [silent]}


async def test_a_digest_is_withdrawn_like_any_other(store: Store, clock: Clock) -> None:
    """Gone from pages and counts; who replays the log is told."""
    receipt = await store.append(publication(clock, "user:me", kind=Kind.DIGEST))
    [withdrawal] = await store.withdraw(receipt.notification_id, publisher=None, now=clock())
    now, seen = clock(), View("me", {"user:me": 0})
    assert await store.page(seen, {}, limit=9, now=now) == {}
    assert await store.outline(seen, {"user:me": 0}, limit=9, now=now) == {}
    assert await store.after({"user:me": 0}, limit=9, now=now) == {"user:me": [withdrawal]}


async def test_what_an_earlier_release_wrote_is_normal_and_not_silent(
    empty_mongo_uri: str, clock: Clock
) -> None:
    """Documents without these fields are read, and hidden, as such."""
    store = await open_store(empty_mongo_uri, clock=clock)
    [entry] = (await store.append(publication(clock, "user:me", priority=Priority.HIGH))).entries
    async with AsyncMongoClient[dict[str, object]](empty_mongo_uri) as client:
        entries = client.get_default_database()["entries"]
        await entries.update_many({}, {"$unset": {"priority": 1, "silent": 1}})
    now = clock()
    [found] = await store.entries([entry.ref], now=now)
    assert (found.notification.priority, found.silent) == (Priority.NORMAL, False)
    muted = Hidden(muted=frozenset({("info", Priority.NORMAL)}))
    digested = Hidden(digested=frozenset({"info"}))
    for hidden, count in ((Hidden(), 1), (muted, 0), (digested, 0)):
        page = await store.page(View("me", {"user:me": 0}, hidden), {}, limit=9, now=now)
        assert sum(map(len, page.values())) == count
    await store.close()
