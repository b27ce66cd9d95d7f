"""No hole, no swap, no number twice: what every reader's cursor rests on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from notifier.core.models import MAX_SEQ, Publication, Receipt, Ref, first_seq
from notifier.core.ports import Store
from notifier.errors import StoreUnavailable
from tests.store.conftest import OpenNode
from tests.store.samples import DAY, HOUR, Clock, publication

WRITERS = 20
EACH = 250


async def test_many_writers_on_two_nodes_leave_no_hole_and_swap_nothing(
    open_node: OpenNode, clock: Clock
) -> None:
    """5,000 entries of 20 writers in one log, read while it grows: dense, each writer in order."""
    nodes = [await open_node(), await open_node()]
    reader = asyncio.create_task(read_along(nodes[0], clock, "everyone", WRITERS * EACH))
    written = await asyncio.gather(*(write(nodes, clock, number) for number in range(WRITERS)))
    seen = await reader
    start = first_seq(clock())
    assert [ref.seq for ref in seen] == list(range(start, start + WRITERS * EACH))
    for refs in written:
        assert refs == sorted(refs)
    assert sorted(ref for refs in written for ref in refs) == seen


async def write(nodes: Sequence[Store], clock: Clock, number: int) -> list[Ref]:
    """One writer: one after another, on changing nodes, some with keys, some to another log too."""
    refs = []
    for i in range(EACH):
        audiences = ("everyone", f"user:{number % 7}") if i % 5 == 0 else ("everyone",)
        key = f"{number}-{i}" if i % 3 == 0 else None
        node = nodes[(number + i // 10) % 2]
        receipt = await append(node, publication(clock, *audiences, key=key))
        refs.append(receipt.entries[0].ref)
    return refs


async def append(store: Store, publication: Publication) -> Receipt:
    """As publishers do: who is told that nothing was accepted tries again."""
    while True:
        try:
            return await store.append(publication)
        except StoreUnavailable:
            await asyncio.sleep(0)


async def read_along(store: Store, clock: Clock, audience: str, count: int) -> list[Ref]:
    """Poll like a reader with a cursor, which never looks back."""
    seen: list[Ref] = []
    while len(seen) < count:
        position = {audience: seen[-1].seq if seen else 0}
        found = await store.after(position, limit=300, now=clock())
        new = [entry.ref for entry in found.get(audience, [])]
        numbers = [ref.seq for ref in [*seen[-1:], *new]]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
        seen += new
    return seen


async def test_calls_made_together_keep_their_order_in_every_log(
    store: Store, clock: Clock
) -> None:
    """A batch that is published at once stands in each log as it was given."""
    logs = [f"user:{i}" for i in range(12)]
    sent = [publication(clock, *logs[i % 3 :: 2], "everyone") for i in range(120)]
    receipts = await asyncio.gather(*map(store.append, sent))
    for audience in [*logs, "everyone"]:
        numbers = [e.seq for r in receipts for e in r.entries if e.audience == audience]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_the_order_of_a_batch_survives_other_writers(
    open_node: OpenNode, clock: Clock
) -> None:
    """Losing numbers to another node moves a batch, it does not shuffle it."""
    nodes = [await open_node(), await open_node()]

    async def batches(node: Store) -> None:
        for _ in range(10):
            sent = [publication(clock, "everyone", "user:1") for _ in range(20)]
            receipts = await asyncio.gather(*map(node.append, sent))
            for place in (0, 1):
                numbers = [receipt.entries[place].seq for receipt in receipts]
                assert numbers == sorted(numbers)

    await asyncio.gather(*map(batches, nodes))
    start = first_seq(clock())
    assert await nodes[0].heads(["everyone", "user:1"]) == {
        "everyone": start + 399,
        "user:1": start + 399,
    }


async def test_writers_who_race_to_begin_a_log_in_different_hours_share_it(
    open_node: OpenNode, clock: Clock
) -> None:
    """Around the full hour two nodes may number an empty log differently: one of them wins."""
    clock.now = first_seq(clock()) + HOUR
    for i in range(20):
        nodes = [await open_node(), await open_node()]
        clock.now = first_seq(clock()) + HOUR - 1
        before = asyncio.create_task(nodes[0].append(publication(clock, f"user:{i}")))
        await asyncio.sleep(0)
        clock.advance(1)
        after = asyncio.create_task(nodes[1].append(publication(clock, f"user:{i}")))
        numbers = sorted([(await before).entries[0].seq, (await after).entries[0].seq])
        assert numbers[0] % HOUR == 0
        assert numbers[1] == numbers[0] + 1


async def test_an_emptied_log_goes_on_above_every_number_it_used(
    open_node: OpenNode, clock: Clock
) -> None:
    """Whatever a node remembers of the log before, numbers never repeat and never fall."""
    old, other = await open_node(), await open_node()
    last = 0
    for _ in range(3):
        for node in (old, old, other):
            (entry,) = (await node.append(publication(clock, "user:1", lifetime=1))).entries
            assert entry.seq > last
            last = entry.seq
        clock.advance(2 * HOUR + 9)
        assert await other.purge(clock()) == 3
        assert await other.heads(["user:1"]) == {"user:1": 0}
        (entry,) = (await other.append(publication(clock, "user:1", lifetime=1))).entries
        assert entry.seq == first_seq(clock()) > last
        (entry,) = (await old.append(publication(clock, "user:1", lifetime=1))).entries
        assert entry.seq == first_seq(clock()) + 1
        last = entry.seq
        clock.advance(DAY)
        await other.purge(clock())


async def test_a_log_loses_entries_from_the_front_only(store: Store, clock: Clock) -> None:
    """A short life behind a long one is kept as long: else its number would be given away again."""
    await store.append(publication(clock, "user:1", lifetime=30 * DAY))
    (brief,) = (await store.append(publication(clock, "user:1", lifetime=1))).entries
    clock.advance(DAY)
    await store.purge(clock())
    assert await store.after({"user:1": brief.seq - 1}, limit=9, now=clock()) == {}
    (entry,) = (await store.append(publication(clock, "user:1"))).entries
    assert entry.seq == brief.seq + 1


async def test_a_log_whose_last_entry_is_about_to_go_can_be_continued(
    open_node: OpenNode, clock: Clock
) -> None:
    """Appending at the moment of removal neither fails nor repeats a number, on any node."""
    nodes = [await open_node(), await open_node()]
    (first,) = (await nodes[0].append(publication(clock, "user:1", lifetime=1))).entries
    clock.advance(2 * HOUR)
    (second,) = (await nodes[1].append(publication(clock, "user:1", lifetime=1))).entries
    assert second.seq == first.seq + 1
    await nodes[1].purge(clock.advance(1))
    (third,) = (await nodes[0].append(publication(clock, "user:1", lifetime=1))).entries
    assert third.seq == second.seq + 1


async def test_numbers_stay_exact_in_javascript(store: Store, clock: Clock) -> None:
    """A seq is a whole number that every client can hold: far below 2**53, also in a century."""
    clock.advance(100 * 366 * DAY)
    (entry,) = (await store.append(publication(clock, "everyone"))).entries
    assert 0 < entry.seq < MAX_SEQ // 1_000
