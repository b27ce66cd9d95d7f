"""Logs and receipts through elections and rollbacks of a replica set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from notifier.core.models import Ends, Entry, Ref
from notifier.core.ports import Store
from notifier.errors import StoreUnavailable
from notifier.store import open_store
from tests.servers import PATIENCE, MongoMember, ReplicaSet, fresh_database, until
from tests.store.samples import Clock, publication

LOG = "everyone"

WRITERS = 6


@pytest.fixture
async def replica_set(tmp_path: Path) -> AsyncIterator[ReplicaSet]:
    members = ReplicaSet(tmp_path)
    await members.start()
    yield members
    await members.kill()


class Witness:
    """Writers who never give up and a reader who never looks back, on two nodes."""

    def __init__(self, nodes: list[Store], clock: Clock) -> None:
        self.nodes = nodes
        self.clock = clock
        self.accepted: list[list[Entry]] = [[] for _ in range(WRITERS)]
        self.refused = 0
        self.seen: list[Entry] = []
        self.known: dict[Ref, Entry] = {}
        self.ending = False
        self.written = False

    @property
    def count(self) -> int:
        return sum(map(len, self.accepted))

    @property
    def accepted_refs(self) -> set[Ref]:
        return {entry.ref for own in self.accepted for entry in own}

    async def run(self) -> None:
        reading = asyncio.create_task(self.read())
        await asyncio.gather(*map(self.write, range(WRITERS)))
        self.written = True
        await reading

    async def write(self, number: int) -> None:
        own = self.accepted[number]
        while not self.ending:
            node = self.nodes[(number + len(own) // 5) % len(self.nodes)]
            sent = publication(self.clock, LOG, key=f"{number}-{len(own)}")
            try:
                own += (await node.append(sent)).entries
            except StoreUnavailable:
                self.refused += 1

    async def read(self) -> None:
        """Fails at the first number that does not follow the one before."""
        while not (self.written and self.accepted_refs <= {entry.ref for entry in self.seen}):
            try:
                position = {LOG: self.seen[-1].seq if self.seen else 0}
                found = await self.nodes[0].after(position, limit=100, now=self.clock())
                ends = await self.nodes[1].ends([LOG])
            except StoreUnavailable:
                continue
            for entry in found.get(LOG, []):
                assert not self.seen or entry.seq == self.seen[-1].seq + 1
                self.seen.append(entry)
            self.remember(ends)

    def remember(self, ends: Ends) -> None:
        """What a node knows of the end of the log has no hole and reaches the head."""
        tail = ends.tails.get(LOG)
        if tail is not None and tail.entries:
            places = [entry.seq for entry in tail.entries]
            assert places == list(range(places[0], places[-1] - 1, -1))
            assert places[0] >= ends.heads[LOG]
            assert places[-1] == tail.low + 1 or not tail.low
            self.known |= {entry.ref: entry for entry in tail.entries}

    async def more(self) -> None:
        """Wait until something more was accepted."""
        goal = self.count + 20

        async def reached() -> bool:
            return self.count >= goal

        await until(reached, what="writes to be accepted")


async def roll_back(members: ReplicaSet, witness: Witness) -> None:
    """Let the primary write what nobody else gets, then elect another one without it."""
    primary = await members.primary()
    assert primary is not None
    others = [member for member in members.members if member is not primary]
    refused = witness.refused
    await asyncio.gather(*(member.kill() for member in others))

    async def has_written_in_vain() -> bool:
        return witness.refused > refused

    await until(has_written_in_vain, what="a write without a majority")
    primary.freeze()
    await asyncio.gather(*(member.start() for member in others))
    await until(lambda: is_replaced(members, primary), what="another primary")
    await witness.more()
    primary.thaw()

    async def has_rolled_back() -> bool:
        return "Rollback complete" in primary.output

    await until(has_rolled_back, what="the old primary to roll back")


async def is_replaced(members: ReplicaSet, old: MongoMember) -> bool:
    primary = await members.primary()
    return primary is not None and primary is not old


@pytest.fixture
async def witness(replica_set: ReplicaSet, clock: Clock) -> AsyncIterator[Witness]:
    uri = fresh_database(replica_set.uri)
    nodes = [await open_store(uri, clock=clock) for _ in range(2)]
    await nodes[0].migrate()
    yield Witness(nodes, clock)
    for node in nodes:
        await node.close()


async def test_failover_and_rollback_neither_lose_nor_repeat_a_number(
    replica_set: ReplicaSet, witness: Witness
) -> None:
    """Receipts stay true, readers see no hole, and nothing that was ever seen is another later, nor
    anything that a node remembers."""
    running = asyncio.create_task(witness.run())
    await witness.more()
    await roll_back(replica_set, witness)
    await witness.more()
    killed = await replica_set.primary()
    assert killed is not None
    await killed.kill()
    await until(lambda: is_replaced(replica_set, killed), what="another primary")
    await witness.more()
    await killed.start()
    await roll_back(replica_set, witness)
    await witness.more()
    witness.ending = True
    await asyncio.wait_for(running, PATIENCE)
    for own in witness.accepted:
        assert [entry.seq for entry in own] == sorted(entry.seq for entry in own)
    accepted = {entry.ref: entry for own in witness.accepted for entry in own}
    assert len(accepted) == witness.count
    seen = {entry.ref: entry for entry in witness.seen}
    assert {ref: seen[ref] for ref in accepted} == accepted
    assert witness.known
    for told in (seen, witness.known):
        stored = await witness.nodes[1].entries(list(told), now=witness.clock())
        assert {entry.ref: entry for entry in stored} == told
