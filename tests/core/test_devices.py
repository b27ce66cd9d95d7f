"""What a device knows plus what it is told is what a fresh device finds.

Random histories again, seen by a device that loaded the feed once and from then on only applies the
events of the protocol, as every client does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from notifier.core.models import Cursor, Entry, Kind, Principal, Ref, from_rfc3339
from notifier.errors import NotFound
from tests.core.domain import OPERATOR, Domain, read
from tests.histories import histories

HISTORIES = 5
STEPS = 50


@dataclass
class Device:
    """A client that keeps the whole feed."""

    domain: Domain
    principal: Principal
    items: dict[Ref, dict[str, Any]] = field(default_factory=dict)
    cursor: Cursor = field(default_factory=Cursor)
    heard: int = 0
    told: int = 0

    async def load(self) -> None:
        """Read the feed anew; what was announced until now is in it."""
        self.heard, self.told = len(self.domain.bus.announced), len(self.domain.bus.told)
        self.items, before = {}, None
        while True:
            page = read(await self.domain.feed.page(self.principal, {"before": before}))
            if before is None:
                self.cursor = Cursor.parse(page["cursor"])
            self.items |= {Ref.parse(item["id"]): item for item in page["items"]}
            before = page["next"]
            if before is None:
                return

    async def follow(self) -> None:
        """Apply what has been announced and told since."""
        bus = self.domain.bus
        view = (await self.domain.feed.visit(self.principal)).view
        entries, self.heard = bus.announced[self.heard :], len(bus.announced)
        for entry in entries:
            self._hear(entry, shown=view.shows(entry))
        events, self.told = bus.told[self.told :], len(bus.told)
        for told in events:
            if told.user == self.principal.id and told.event == "preferences":
                await self.load()  # what had been hidden may be shown now
                return
            if told.user == self.principal.id:
                self._change(told.data)
        now = self.domain.clock()
        self.items = {
            ref: item for ref, item in self.items.items() if from_rfc3339(item["expires_at"]) > now
        }

    def _hear(self, entry: Entry, *, shown: bool) -> None:
        if entry.seq <= self.cursor.get(entry.audience, entry.seq):
            return
        self.cursor[entry.audience] = entry.seq
        fields = orjson.loads(entry.wire())
        if not shown:
            return
        if entry.notification.kind is Kind.WITHDRAWAL:
            for id in fields["ids"]:
                self.items.pop(Ref.parse(id), None)
        else:
            self.items[entry.ref] = {**fields, "read": False, "seen": False}

    def _change(self, state: dict[str, Any]) -> None:
        for audience in state.get("left", ()):
            self.cursor.pop(audience, None)
            self.items = {r: item for r, item in self.items.items() if r.audience != audience}
        self.cursor |= Cursor.parse(state.get("joined", ""))
        for name, cursor in state.get("through", {}).items():
            places = Cursor.parse(cursor)
            self._mark(name, [r for r in self.items if r.seq <= places.get(r.audience, 0)])
        for name in ("read", "unread", "dismissed"):
            self._mark(name, [Ref.parse(id) for id in state.get(name, ())])

    def _mark(self, name: str, refs: list[Ref]) -> None:
        for ref in refs:
            if name == "dismissed":
                self.items.pop(ref, None)
            elif ref in self.items:
                self.items[ref]["seen" if name == "seen" else "read"] = name != "unread"

    @property
    def counts(self) -> tuple[int, int]:
        unread = [item for item in self.items.values() if not item["read"]]
        return len(unread), sum(1 for item in unread if not item["seen"])


class History:
    """What happens to one user with a device."""

    def __init__(self, domain: Domain, number: int) -> None:
        self.domain = domain
        self.feed = domain.feed
        self.device = Device(domain, Principal(f"ada{number}"))
        self.role, self.topic = f"editor{number}", f"news{number}"
        self.logs = ["everyone", f"user:ada{number}", f"role:{self.role}", f"topic:{self.topic}"]
        self.sent: list[str] = []

    @property
    def user(self) -> Principal:
        return self.device.principal

    async def publish(self, dice: Random) -> None:
        fields = {
            "type": dice.choice(["info", "like", "alert", "security"]),
            "priority": dice.choice(["low", "normal", "high", "critical"]),
            "ttl": dice.choice([None, None, 30]),
        }
        receipt = await self.domain.publish(dice.choice(self.logs), "Hello", **fields)
        self.sent.append(receipt.notification_id)

    async def withdraw(self, dice: Random) -> None:
        try:
            if self.sent:
                await self.domain.publisher.withdraw(dice.choice(self.sent), OPERATOR)
        except NotFound:
            return  # expired before

    async def mark(self, dice: Random) -> None:
        if self.device.items:
            ids = [str(ref) for ref in dice.choices(list(self.device.items), k=2)]
            call = dice.choice([self.feed.mark_read, self.feed.mark_unread, self.feed.dismiss])
            await call(self.user, {"ids": ids})

    async def mark_all(self, dice: Random) -> None:
        everything = {"cursor": str(self.device.cursor)}
        call = dice.choice([self.feed.mark_read, self.feed.mark_seen, self.feed.dismiss])
        all_of_it = {} if call == self.feed.mark_seen else {"all": True}
        await call(self.user, {**everything, **all_of_it})

    async def change_topic(self, dice: Random) -> None:
        topic = {"topic": self.topic}
        if f"topic:{self.topic}" in self.device.cursor:
            await self.feed.unsubscribe_topic(self.user, topic)
        else:
            await self.feed.subscribe_topic(self.user, topic)

    async def change_preferences(self, dice: Random) -> None:
        type = dice.choice(["info", "like"])
        wishes: dict[str, Any] = dice.choice(
            [
                {"types": {type: {"bell": dice.choice([True, False])}}},
                {"minimum": {"bell": dice.choice([None, "normal", "high"])}},
                {"digests": {type: dice.choice([None, "daily"])}},
            ]
        )
        await self.feed.set_preferences(self.user, wishes)

    async def change_roles(self, dice: Random) -> None:
        """The device comes back with another token; its old cursor is of other logs."""
        roles = frozenset(dice.sample([self.role, "admin"], dice.randint(0, 2)))
        old, self.device.principal = self.device.cursor, Principal(self.user.id, roles=roles)
        replay = await self.feed.replay(await self.feed.visit(self.user), old)
        assert replay.recovered is (old.keys() == replay.cursor.keys())
        await self.device.load()

    async def pass_time(self, dice: Random) -> None:
        self.domain.clock.pass_(dice.choice([1, 10_000, 40_000]))

    async def agree(self) -> None:
        """The device knows what a fresh one finds."""
        await self.device.follow()
        fresh = Device(self.domain, self.user)
        await fresh.load()
        assert self.device.items == fresh.items
        assert self.device.cursor == fresh.cursor
        counts = await self.feed.counts(await self.feed.visit(self.user))
        assert self.device.counts == (counts.unread, counts.unseen)


WEIGHTS: dict[Callable[..., Any], int] = {
    History.publish: 30,
    History.mark: 20,
    History.mark_all: 8,
    History.withdraw: 6,
    History.change_topic: 5,
    History.change_preferences: 8,
    History.change_roles: 3,
    History.pass_time: 5,
}
"""How often each of it happens."""


async def test_what_it_is_told_keeps_a_device_up_to_date(domain: Domain) -> None:
    """Whatever is published, taken back, read, cleared, chosen, or expires."""
    for seed in histories(HISTORIES):
        history, dice = History(domain, seed), Random(seed)
        await history.device.load()
        try:
            for step in dice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=STEPS):
                await step(history, dice)
                await history.agree()
        except AssertionError as error:
            error.add_note(f"In the history of seed {seed}.")
            raise
