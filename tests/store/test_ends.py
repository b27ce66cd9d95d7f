"""Where logs end, and that what a node knows of the entries there is what the store would say.

Another node changes the logs at random; after each change this one must agree with the store on
everything it believes to know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from random import Random

import pytest

from notifier.core.models import (
    MAX_SEQ,
    Ends,
    Entry,
    Hidden,
    Kind,
    Priority,
    Receipt,
    View,
    encode_content,
)
from notifier.core.ports import Store
from notifier.errors import NotFound
from tests.core.domain import remember
from tests.histories import histories
from tests.store.conftest import OpenNode
from tests.store.samples import DAY, HOUR, Clock, publication

LOGS = ("user:me", "everyone", "role:admin", "topic:news")

TYPES = ("info", "like", "alert")

HISTORIES = 3
STEPS = 40
"""120 changes on each store, for each depth of what is known."""


async def test_heads_come_with_the_ends(store: Store, clock: Clock) -> None:
    """Of every log that was asked for, empty ones with 0."""
    await store.append(publication(clock, "user:me", "everyone"))
    await store.append(publication(clock, "everyone", "user:you"))
    ends = await store.ends(LOGS)
    assert ends.heads == await store.heads(LOGS)
    assert list(ends.heads) == list(LOGS)
    assert set(ends.tails) <= set(LOGS)
    assert await store.ends([]) == Ends({})


async def test_many_ask_at_once(store: Store, clock: Clock) -> None:
    """Each is told of its own logs, however many there are."""
    await store.append(publication(clock, *(f"user:{i}" for i in range(0, 300, 2)), "everyone"))
    callers = [await store.ends([f"user:{i}", "everyone", f"topic:{i}"]) for i in range(3)]
    asked = [[f"user:{i + n}" for n in range(200)] + ["everyone"] for i in range(100)]
    for names in (asked[0], asked[99]):
        assert (await store.ends(names)).heads == await store.heads(names)
    assert [set(ends.heads) for ends in callers] == [
        {f"user:{i}", "everyone", f"topic:{i}"} for i in range(3)
    ]


@dataclass
class Histories:
    """Logs that one node changes in every way there is."""

    node: Store
    clock: Clock
    dice: Random
    alive: list[Entry] = field(default_factory=list)

    async def change(self) -> None:
        """Do one of them, new entries more often than anything else."""
        changes = [self.publish, self.publish, self.publish, self.withdraw, self.replace, self.wait]
        await self.dice.choice(changes)()

    async def publish(self) -> None:
        dice = self.dice
        for _ in range(dice.choice([1, 1, 1, 5])):
            sent = publication(
                self.clock,
                *dice.sample(LOGS, dice.randint(1, 3)),
                type=dice.choice(TYPES),
                priority=dice.choice(list(Priority)),
                kind=dice.choice([Kind.NOTIFICATION, Kind.NOTIFICATION, Kind.DIGEST]),
                excluded=dice.choice([[], [], ["me"], ["you"]]),
                lifetime=dice.choice([1, HOUR, DAY]),
                silent=dice.choice([[], LOGS]),
            )
            self._note(await self.node.append(sent))

    async def withdraw(self) -> None:
        if self.alive:
            chosen = self._chosen()
            self.alive = [e for e in self.alive if e.notification.id != chosen.notification.id]
            try:
                id, now = chosen.notification.id, self.clock()
                await self.node.withdraw(id, publisher=None, now=now)
            except NotFound:
                return  # it had expired

    async def replace(self) -> None:
        """As a card replaces what it sums up."""
        if self.alive:
            chosen = self._chosen()
            card = publication(self.clock, chosen.audience, lifetime=HOUR)
            content = encode_content({"title": "2", "replaces": [str(chosen.ref)]})
            notification = replace(card.notification, content=content)
            receipt = await self.node.append(replace(card, notification=notification))
            await self.node.end([chosen.ref], now=self.clock())
            self.alive.remove(chosen)
            self._note(receipt)

    async def wait(self) -> None:
        self.clock.advance(self.dice.choice([1, HOUR // 2, DAY]))
        if self.dice.random() < 0.5:
            await self.node.purge(self.clock())

    def _chosen(self) -> Entry:
        """One of the newest, mostly."""
        return self.alive[-1 - min(int(self.dice.expovariate(0.2)), len(self.alive) - 1)]

    def _note(self, receipt: Receipt) -> None:
        self.alive += receipt.entries


def views(heads: dict[str, int], dice: Random) -> Iterator[View]:
    """Users who came early or late, and to whom more or less is hidden."""
    hidden = (
        Hidden(),
        Hidden(frozenset({"alert"}), frozenset({("info", Priority.LOW)}), frozenset({"like"})),
    )
    for user, hides in product(("me", "you"), hidden):
        floors = {a: max(0, head - dice.choice([0, 2, 9, head])) for a, head in heads.items()}
        yield View(user, floors, hides)


async def agree(store: Store, ends: Ends, view: View, dice: Random, now: int) -> None:
    """What is known of the pages and of what counting needs is what the store finds."""
    before = {a: head + dice.choice([1, 0, -3]) for a, head in ends.heads.items()}
    limit, type = dice.randint(1, 6), dice.choice([None, *TYPES])
    known = ends.page(view, before, limit=limit, now=now, type=type)
    found = await store.page(view, before, limit=limit, now=now, type=type)
    assert known == {audience: found.get(audience, []) for audience in known}
    assert {a for a, floor in view.floors.items() if ends.reach(a, floor)} <= known.keys()
    behind = {a: max(0, head - dice.choice([0, 1, 4, head])) for a, head in ends.heads.items()}
    rows = ends.outline(view, behind, limit=MAX_SEQ, now=now)
    all_rows = await store.outline(view, behind, limit=1_000, now=now)
    for audience, part in rows.items():
        whole = all_rows.get(audience, [])
        assert part == whole[: len(part)]
        assert len(part) == len(whole) or not ends.reach(audience, behind[audience])


@pytest.mark.parametrize("kept", [1, 3, 32])
async def test_what_is_known_is_what_the_store_says(
    open_node: OpenNode, clock: Clock, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """After anything that another node did, at once; however little is known of a log."""
    remember(monkeypatch, kept)
    writer, reader = [await open_node() for _ in range(2)]
    for seed in histories(HISTORIES):
        dice = Random(seed)
        history = Histories(writer, clock, dice)
        for _ in range(STEPS):
            await history.change()
            if dice.random() < 0.3:
                continue  # several changes at once
            ends = await reader.ends(LOGS)
            assert ends.heads == await writer.heads(LOGS)
            for view in views(dict(ends.heads), dice):
                await agree(writer, ends, view, dice, clock())
