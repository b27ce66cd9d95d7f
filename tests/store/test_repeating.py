"""What is appended again, ended early, or read by type: what jobs build on."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from notifier.core.models import Publication
from notifier.core.ports import Store
from notifier.errors import Conflict
from tests.store.conftest import OpenNode
from tests.store.samples import HOUR, Clock, publication, view


def fixed(one: Publication, *audiences: str) -> Publication:
    """The same publish, of which this call names other logs."""
    return replace(one, audiences=audiences, fixed=True)


async def test_a_notification_is_in_a_log_once(open_node: OpenNode, clock: Clock) -> None:
    """Appended again by anybody, without a key: the entry that is there is returned."""
    nodes = [await open_node() for _ in range(2)]
    one = publication(clock, "user:1", "everyone")
    first = await nodes[0].append(one)
    racing = await asyncio.gather(*(nodes[n % 2].append(one) for n in range(6)))
    for receipt in racing:
        assert [e.ref for e in receipt.entries] == [e.ref for e in first.entries]
    found = await nodes[0].after({"user:1": 0, "everyone": 0}, limit=9, now=clock())
    assert {log: len(entries) for log, entries in found.items()} == {"user:1": 1, "everyone": 1}


async def test_appending_again_completes_what_is_missing(store: Store, clock: Clock) -> None:
    """The logs that have it keep it, the others get it."""
    one = publication(clock, "user:1")
    [there] = (await store.append(one)).entries
    receipt = await store.append(replace(one, audiences=("everyone", "user:1")))
    assert [e.audience for e in receipt.entries] == ["everyone", "user:1"]
    assert receipt.entries[1].ref == there.ref


async def test_appending_again_does_not_bring_back_what_has_ended(
    store: Store, clock: Clock
) -> None:
    """Ended or withdrawn, it stays so."""
    one = publication(clock, "user:1")
    [entry] = (await store.append(one)).entries
    await store.end([entry.ref], now=clock())
    [again] = (await store.append(one)).entries
    assert again.ref == entry.ref
    assert await store.after({"user:1": 0}, limit=9, now=clock()) == {}


async def test_a_fixed_publish_is_repeated_where_it_was_first(
    open_node: OpenNode, clock: Clock
) -> None:
    """Whatever logs the retry names, also when both race."""
    nodes = [await open_node() for _ in range(2)]
    one = publication(clock, "user:1", "gather:x", key="k")
    first = await nodes[0].append(fixed(one, "user:1", "gather:x"))
    again = await nodes[1].append(fixed(publication(clock, "user:1", key="k"), "gather:y"))
    assert again.repeated
    assert {e.ref for e in again.entries} == {e.ref for e in first.entries}
    calls = [fixed(publication(clock, "a", key="race"), f"topic:{n}") for n in range(6)]
    racing = await asyncio.gather(*(nodes[n % 2].append(call) for n, call in enumerate(calls)))
    assert len({tuple(e.ref for e in receipt.entries) for receipt in racing}) == 1
    logs = await nodes[0].heads([f"topic:{n}" for n in range(6)])
    assert sum(head > 0 for head in logs.values()) == 1


async def test_a_key_can_be_taken_before_there_is_any_entry(store: Store, clock: Clock) -> None:
    """What is scheduled has an id at once, and no log; a retry gets the id and no log either."""
    one = fixed(publication(clock, "user:1", key="k"))
    first = await store.append(one)
    assert (first.entries, first.repeated) == ((), False)
    again = await store.append(publication(clock, "user:1", key="k"))
    assert (again.notification_id, again.entries) == (first.notification_id, ())
    assert again.repeated
    assert await store.heads(["user:1"]) == {"user:1": 0}


async def test_what_is_ended_is_gone_untold(store: Store, clock: Clock) -> None:
    """No withdrawal; the others stay."""
    receipts = [await store.append(publication(clock, "everyone")) for _ in range(3)]
    refs = [receipt.entries[0].ref for receipt in receipts]
    await store.end(refs[:2], now=clock())
    await store.end(refs[:1], now=clock() + 1)
    await store.end([], now=clock())
    found = await store.after({"everyone": 0}, limit=9, now=clock())
    assert [e.ref for e in found["everyone"]] == refs[2:]
    page = await store.page(view("me", "everyone"), {}, limit=9, now=clock())
    assert [e.ref for e in page["everyone"]] == refs[2:]


async def test_ending_never_gives_life(store: Store, clock: Clock) -> None:
    """What has expired earlier keeps its time."""
    [entry] = (await store.append(publication(clock, "everyone", lifetime=HOUR))).entries
    clock.advance(HOUR)
    await store.end([entry.ref], now=clock() + HOUR)
    assert await store.entries([entry.ref], now=clock()) == []


async def test_a_log_can_be_read_by_type(store: Store, clock: Clock) -> None:
    """Only entries of the type, which the limit counts."""
    for number in range(6):
        await store.append(publication(clock, "everyone", type=f"t{number % 2}"))
    found = await store.after({"everyone": 0}, limit=2, now=clock(), type="t1")
    assert [e.notification.type for e in found["everyone"]] == ["t1", "t1"]
    rest = await store.after(
        {"everyone": found["everyone"][-1].seq}, limit=9, now=clock(), type="t1"
    )
    assert len(rest["everyone"]) == 1


async def test_what_another_publisher_has_put_there_is_a_conflict(
    store: Store, clock: Clock
) -> None:
    """Under the same id into the same log: it is refused, not taken for the same."""
    one = publication(clock, "user:1")
    await store.append(one)
    other = replace(one, notification=replace(one.notification, publisher="other"))
    with pytest.raises(Conflict):
        await store.append(other)
    found = await store.after({"user:1": 0}, limit=9, now=clock())
    assert [e.notification.publisher for e in found["user:1"]] == [one.notification.publisher]
