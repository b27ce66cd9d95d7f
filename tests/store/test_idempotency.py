"""A retried publish is the same publish."""

from __future__ import annotations

import asyncio

import pytest

from notifier.core.ports import Store
from notifier.errors import Conflict
from tests.store.conftest import OpenNode
from tests.store.samples import DAY, HOUR, Clock, publication

AUDIENCES = ("user:1", "role:admin", "everyone")


async def test_a_retry_gets_the_first_receipt(store: Store, clock: Clock) -> None:
    """The same entries, in the order of the audiences, marked as repeated; nothing is added."""
    first = await store.append(publication(clock, *AUDIENCES, key="k"))
    heads = await store.heads(AUDIENCES)
    clock.advance(5_000)
    again = await store.append(publication(clock, *AUDIENCES, key="k"))
    assert not first.repeated
    assert again.repeated
    assert (again.notification_id, again.entries) == (first.notification_id, first.entries)
    assert await store.heads(AUDIENCES) == heads


async def test_another_body_under_the_same_key_is_a_conflict(store: Store, clock: Clock) -> None:
    """Nothing of it is stored, whatever its audiences; the first receipt stays good."""
    first = await store.append(publication(clock, "user:1", key="k"))
    other = publication(clock, "user:2", key="k", fingerprint="other")
    with pytest.raises(Conflict):
        await store.append(other)
    assert await store.heads(["user:2"]) == {"user:2": 0}
    again = await store.append(publication(clock, "user:1", key="k"))
    assert again.entries == first.entries


async def test_keys_belong_to_their_publisher(store: Store, clock: Clock) -> None:
    """Two publishers who chose the same key do not meet, however the texts are split."""
    pairs = [("service:a", "k"), ("service:b", "k"), ("service:a", "k2"), ("service:a\nk", "")]
    receipts = [
        await store.append(publication(clock, "everyone", publisher=who, key=key))
        for who, key in pairs
    ]
    assert not any(receipt.repeated for receipt in receipts)
    assert len({receipt.notification_id for receipt in receipts}) == len(pairs)


async def test_retries_race_on_two_nodes_for_one_set_of_entries(
    open_node: OpenNode, clock: Clock
) -> None:
    """40 keys, each sent five times at once on two nodes: 40 sets of entries, 40 first receipts."""
    nodes = [await open_node(), await open_node()]
    calls = [
        nodes[i % 2].append(publication(clock, *AUDIENCES, key=f"k{number}"))
        for i in range(5)
        for number in range(40)
    ]
    receipts = await asyncio.gather(*calls)
    assert len({receipt.entries for receipt in receipts}) == 40
    assert sum(not receipt.repeated for receipt in receipts) == 40
    found = await nodes[0].after(dict.fromkeys(AUDIENCES, 0), limit=300, now=clock())
    for audience in AUDIENCES:
        numbers = [entry.seq for entry in found[audience]]
        assert numbers == list(range(numbers[0], numbers[0] + 40))


async def test_of_racing_bodies_under_one_key_one_wins(open_node: OpenNode, clock: Clock) -> None:
    """Every call with the body that won gets its receipt, every other one a conflict."""
    nodes = [await open_node(), await open_node()]
    calls = [
        nodes[i % 2].append(publication(clock, "everyone", key="k", fingerprint=str(i % 3)))
        for i in range(30)
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    winners = [i % 3 for i, answer in enumerate(answers) if not isinstance(answer, Exception)]
    losers = [i % 3 for i, answer in enumerate(answers) if isinstance(answer, Conflict)]
    assert len(winners) == 10
    assert len(losers) == 20
    assert len(set(winners)) == 1
    found = await nodes[0].after({"everyone": 0}, limit=300, now=clock())
    assert len(found["everyone"]) == 1


async def test_a_conflict_leaves_the_calls_beside_it_alone(store: Store, clock: Clock) -> None:
    """Callers who are written together do not share their refusals."""
    await store.append(publication(clock, "everyone", key="k"))
    calls = [
        store.append(
            publication(clock, "everyone", key="k", fingerprint=str(i) if i % 2 else "body")
        )
        for i in range(10)
    ]
    plain = [store.append(publication(clock, "everyone")) for _ in range(10)]
    answers = await asyncio.gather(*calls, *plain, return_exceptions=True)
    assert [isinstance(answer, Conflict) for answer in answers] == [False, True] * 5 + [False] * 10


async def test_a_receipt_outlives_its_entries(store: Store, clock: Clock) -> None:
    """Within a day a retry is answered also when what was published expired long ago."""
    first = await store.append(publication(clock, *AUDIENCES, key="k", lifetime=1))
    await store.purge(clock.advance(DAY - HOUR))
    again = await store.append(publication(clock, *AUDIENCES, key="k", lifetime=1))
    assert again.repeated
    assert [e.ref for e in again.entries] == [e.ref for e in first.entries]


async def test_a_key_is_free_again_after_a_day(store: Store, clock: Clock) -> None:
    """Kept for 24 hours, then the same key means another publish."""
    first = await store.append(publication(clock, "everyone", key="k"))
    await store.purge(clock.advance(DAY))
    second = await store.append(publication(clock, "everyone", key="k", fingerprint="other"))
    assert not second.repeated
    assert second.notification_id != first.notification_id
