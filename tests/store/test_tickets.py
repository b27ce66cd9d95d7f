"""Tickets on both stores."""

from __future__ import annotations

import asyncio

from notifier.core.models import PUBLISH, Principal
from notifier.core.ports import Store
from tests.store.conftest import OpenNode
from tests.store.samples import Clock

ADA = Principal(
    "ada",
    name="Ada ❤",
    roles=frozenset({"admin", "a b;=%"}),
    scopes=frozenset({PUBLISH}),
    expires_at=2_000_000_000_000,
    issued_at=1_900_000_000_000,
)


async def test_a_ticket_stands_for_the_whole_principal(store: Store, clock: Clock) -> None:
    """Name, roles, scopes and times come back as they were."""
    now = clock()
    await store.add_ticket("digest", ADA, now + 1)
    assert await store.take_ticket("digest", now=now) == ADA


async def test_a_ticket_is_good_once_on_whatever_node(open_node: OpenNode, clock: Clock) -> None:
    """Of many who show it at once, one gets in."""
    nodes = [await open_node() for _ in range(3)]
    now = clock()
    await nodes[0].add_ticket("digest", ADA, now + 1)
    taken = await asyncio.gather(*(node.take_ticket("digest", now=now) for node in nodes * 3))
    assert [principal for principal in taken if principal is not None] == [ADA]


async def test_an_old_ticket_is_no_good(store: Store, clock: Clock) -> None:
    """From the moment it expires, removed or not; and it is used up by the attempt."""
    now = clock()
    await store.add_ticket("digest", ADA, now + 1)
    assert await store.take_ticket("digest", now=now + 1) is None
    assert await store.take_ticket("digest", now=now) is None


async def test_an_unknown_ticket_is_no_good(store: Store, clock: Clock) -> None:
    """Nobody stands behind it."""
    assert await store.take_ticket("digest", now=clock()) is None


async def test_old_tickets_are_purged(store: Store, clock: Clock) -> None:
    """Those that nobody showed do not stay; the others do."""
    now = clock()
    await store.add_ticket("old", ADA, now)
    await store.add_ticket("new", ADA, now + 60_000)
    await store.purge(now)
    assert await store.take_ticket("old", now=0) is None
    assert await store.take_ticket("new", now=now) == ADA
