"""Counts and pages equal a plain recomputation, whatever happened before, on whichever node.

The model keeps everything in lists and dictionaries and looks at all of it each time. Thousands of
random operations are done to it and to the real feed; after each of them, both must say the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from notifier.core import pages
from notifier.core.counts import Counts
from notifier.core.explain import Explainer
from notifier.core.feed import Feed
from notifier.core.models import (
    Cursor,
    Entry,
    Kind,
    Mark,
    Notification,
    Principal,
    Priority,
    Publication,
    Ref,
    encode_content,
    new_id,
)
from notifier.errors import NotFound
from tests.core.domain import DAY, OPERATOR, TYPES, Domain, read, remember
from tests.histories import histories

HISTORIES = 12
STEPS = 60
"""720 operations on each store."""

PUBLISHED = ("alert", "info", "like", "security")


@dataclass
class ModelUser:
    """What one user has said so far, kept in the simplest way."""

    name: str
    roles: set[str] = field(default_factory=set)
    topics: set[str] = field(default_factory=set)
    muted: set[str] = field(default_factory=set)
    minimum: Priority | None = None
    digested: set[str] = field(default_factory=set)
    floors: dict[str, int] = field(default_factory=dict)
    watermarks: dict[str, dict[str, int]] = field(default_factory=dict)
    marks: dict[Ref, Mark] = field(default_factory=dict)

    @property
    def principal(self) -> Principal:
        return Principal(self.name, roles=frozenset(self.roles))

    @property
    def logs(self) -> set[str]:
        roles = (f"role:{role}" for role in self.roles)
        topics = (f"topic:{topic}" for topic in self.topics)
        return {f"user:{self.name}", "everyone", *roles, *topics}

    def watermark(self, name: str, log: str) -> int:
        return self.watermarks.get(name, {}).get(log, 0)

    def sees(self, entry: Entry, now: int) -> bool:
        notification = entry.notification
        return (
            entry.audience in self.logs
            and entry.seq > self.floors.get(entry.audience, 0)
            and notification.expires_at > now
            and self.name not in notification.excluded
            and self.may_get(notification)
            and (self.must_get(notification) or self.wants(notification))
        )

    def may_get(self, notification: Notification) -> bool:
        roles = TYPES[notification.type].roles
        return roles is None or bool(roles & self.roles)

    def must_get(self, notification: Notification) -> bool:
        return notification.priority is Priority.CRITICAL or notification.type == "security"

    def wants(self, notification: Notification) -> bool:
        order = list(Priority)
        lowest = 0 if self.minimum is None else order.index(self.minimum)
        summed_up = notification.type in self.digested and notification.kind is not Kind.DIGEST
        return (
            notification.type not in self.muted
            and order.index(notification.priority) >= lowest
            and not summed_up
        )

    def mark(self, entry: Entry) -> Mark:
        return self.marks.get(entry.ref, Mark())

    def has_dismissed(self, entry: Entry) -> bool:
        through = self.watermark("dismissed", entry.audience)
        return self.mark(entry).dismissed or entry.seq <= through

    def has_read(self, entry: Entry) -> bool:
        marked = self.mark(entry).read
        return entry.seq <= self.watermark("read", entry.audience) if marked is None else marked

    def has_seen(self, entry: Entry) -> bool:
        return entry.seq <= self.watermark("seen", entry.audience)

    def raise_watermark(self, name: str, positions: Cursor) -> None:
        for log, seq in positions.items():
            if log not in self.logs:
                continue
            watermarks = self.watermarks.setdefault(name, {})
            watermarks[log] = max(seq, watermarks.get(log, 0))
            for ref, mark in list(self.marks.items()):
                ends = name == "dismissed" or (name == "read" and not mark.dismissed)
                if ends and ref.audience == log and ref.seq <= seq:
                    del self.marks[ref]


class Histories:
    """The real feed and the model side by side; every operation is done to both.

    ``domain`` is the node where the next one is done.
    """

    def __init__(self, domain: Domain, number: int) -> None:
        self.domain = domain
        self.entries: list[Entry] = []
        self.users = {name: ModelUser(f"{name}{number}") for name in ("ada", "grace")}
        self.role, self.topic = f"editor{number}", f"news{number}"
        self.audiences = [
            "everyone",
            f"role:{self.role}",
            f"topic:{self.topic}",
            *(f"user:{user.name}" for user in self.users.values()),
        ]

    @property
    def feed(self) -> Feed:
        return self.domain.feed

    async def begin(self) -> None:
        for user in self.users.values():
            visit = await self.feed.visit(user.principal)
            user.floors = dict(visit.view.floors)

    def head(self, log: str) -> int:
        return max((e.seq for e in self.entries if e.audience == log), default=0)

    # What may happen

    async def publish(
        self, audiences: list[int], type: str, priority: str, ttl: int | None, excluded: list[str]
    ) -> None:
        to = [self.audiences[i] for i in audiences]
        names = [f"user:{self.users[name].name}" for name in excluded]
        fields = {"type": type, "priority": priority, "ttl": ttl, "except": names}
        receipt = await self.domain.publish(to, "Hello", **fields)
        self.entries += receipt.entries

    async def sum_up(self, name: str, type: str, priority: str) -> None:
        """A digest comes to a user, whatever it sums up."""
        self.domain.clock.pass_(1)
        now = self.domain.clock()
        id = new_id(now)
        digest = Notification(
            id=id,
            kind=Kind.DIGEST,
            type=type,
            priority=Priority(priority),
            publisher="system:digests",
            created_at=now,
            expires_at=now + DAY,
            content=encode_content({"notification_id": id, "title": "Some"}),
        )
        to = (f"user:{self.users[name].name}",)
        self.entries += (await self.domain.store.append(Publication(digest, to))).entries

    async def withdraw(self, index: int) -> None:
        notifications = list(dict.fromkeys(e.notification.id for e in self.entries))
        if not notifications:
            return
        chosen = notifications[-1 - index % len(notifications)]
        try:
            await self.domain.publisher.withdraw(chosen, OPERATOR)
        except NotFound:
            return  # expired before, or withdrawn and expired
        now = self.domain.clock()
        for i, entry in enumerate(self.entries):
            if entry.notification.id == chosen and entry.notification.expires_at > now:
                self.entries[i] = _ended(entry, now)

    async def replace(self, index: int) -> None:
        """A card takes the place of a notification, in one of its logs."""
        now = self.domain.clock()
        alive = [e for e in self.entries if e.notification.expires_at > now]
        if not alive:
            return
        chosen = alive[-1 - index % len(alive)]
        self.domain.clock.pass_(1)
        now = self.domain.clock()
        content = {"notification_id": (id := new_id(now)), "replaces": [str(chosen.ref)]}
        card = replace(
            chosen.notification, id=id, created_at=now, copies=1, content=encode_content(content)
        )
        receipt = await self.domain.store.append(Publication(card, (chosen.audience,)))
        await self.domain.store.end([chosen.ref], now=now)
        self.entries[self.entries.index(chosen)] = _ended(chosen, now)
        self.entries += receipt.entries

    async def pass_time(self, milliseconds: int, purge: bool) -> None:
        self.domain.clock.pass_(milliseconds)
        if purge:
            await self.domain.store.purge(self.domain.clock())

    async def change(self, name: str, action: str, chosen: list[int]) -> None:
        user = self.users[name]
        own = [e for e in self.entries if e.audience in user.logs]
        if not own:
            return
        refs = [own[-1 - i % len(own)].ref for i in chosen]
        call = {"read": self.feed.mark_read, "unread": self.feed.mark_unread}
        await call.get(action, self.feed.dismiss)(
            user.principal, {"ids": [str(ref) for ref in refs]}
        )
        now = self.domain.clock()
        meant = {e.notification.id for e in own if e.ref in refs and user.sees(e, now)}
        for entry in own:
            if entry.notification.id in meant and user.sees(entry, now):
                old = user.mark(entry)
                user.marks[entry.ref] = {
                    "read": Mark(True, old.dismissed),
                    "unread": Mark(False, old.dismissed),
                    "dismissed": Mark(old.read, True),
                }[action]

    async def change_all(self, name: str, field: str, chosen: list[int]) -> None:
        user = self.users[name]
        own = [e.ref for e in self.entries if e.audience in user.logs]
        if not own:
            return
        cursor = Cursor(own[-1 - i % len(own)] for i in chosen)
        args: dict[str, Any] = {"cursor": dict(cursor)}
        if field == "seen":
            await self.feed.mark_seen(user.principal, args)
        else:
            call = self.feed.mark_read if field == "read" else self.feed.dismiss
            await call(user.principal, {**args, "all": True})
        user.raise_watermark(field, cursor)

    async def toggle_role(self, name: str, role: str) -> None:
        self.users[name].roles ^= {self.role if role == "editor" else role}

    async def toggle_topic(self, name: str) -> None:
        user = self.users[name]
        args = {"topic": self.topic}
        if self.topic in user.topics:
            await self.feed.unsubscribe_topic(user.principal, args)
        else:
            await self.feed.subscribe_topic(user.principal, args)
            user.floors[f"topic:{self.topic}"] = self.head(f"topic:{self.topic}")
        user.topics ^= {self.topic}

    async def toggle_type(self, name: str, type: str) -> None:
        user = self.users[name]
        user.muted ^= {type}
        args = {"types": {type: {"bell": type not in user.muted}}}
        await self.feed.set_preferences(user.principal, args)

    async def choose_minimum(self, name: str, priority: str | None) -> None:
        user = self.users[name]
        user.minimum = None if priority is None else Priority(priority)
        await self.feed.set_preferences(user.principal, {"minimum": {"bell": priority}})

    async def toggle_digest(self, name: str, type: str) -> None:
        user = self.users[name]
        user.digested ^= {type}
        often = "daily" if type in user.digested else None
        await self.feed.set_preferences(user.principal, {"digests": {type: often}})

    # What both must agree on

    async def agree_on_counts(self) -> None:
        for user in self.users.values():
            shown = [e for e in self.shown_to(user) if not user.has_read(e)]
            unread = {e.notification.id for e in shown}
            unseen = {e.notification.id for e in shown if not user.has_seen(e)}
            until = min((e.notification.expires_at for e in shown), default=None)
            counted = await self.feed.counts(await self.feed.visit(user.principal))
            assert counted == Counts(len(unread), len(unseen), until)

    async def agree_on_pages(self, name: str, limit: int, unread: bool, type: str | None) -> None:
        user = self.users[name]
        shown = {
            str(e.ref): e
            for e in self.shown_to(user)
            if not (unread and user.has_read(e)) and type in (None, e.notification.type)
        }
        newest = sorted(shown.values(), key=lambda e: e.notification.created_at, reverse=True)
        items = [item async for item in self.walk(user, limit=limit, unread=unread, type=type)]
        assert [item["notification_id"] for item in items] == list(
            dict.fromkeys(e.notification.id for e in newest)
        )
        for item in items:
            entry = shown[item["id"]]
            assert item["read"] == user.has_read(entry)
            assert item["seen"] == user.has_seen(entry)

    async def agree_on_why(self, name: str, places: list[int]) -> None:
        """Whoever asks why gets the same answer as who looks."""
        user = self.users[name]
        explainer = Explainer(self.domain.store, TYPES, clock=self.domain.clock)
        shown = {entry.ref for entry in self.shown_to(user)}
        await self.feed.visit(user.principal)
        for entry in [self.entries[-1 - i % len(self.entries)] for i in places if self.entries]:
            try:
                found = await explainer.explain(entry.ref, user.name)
            except NotFound:  # expired long ago, and removed
                assert entry.ref not in shown
            else:
                assert found.shown is (entry.ref in shown)

    def shown_to(self, user: ModelUser) -> Iterator[Entry]:
        now = self.domain.clock()
        return (e for e in self.entries if user.sees(e, now) and not user.has_dismissed(e))

    async def walk(self, user: ModelUser, **args: Any) -> AsyncIterator[dict[str, Any]]:
        """All pages of the feed, one item after the other."""
        before: str | None = None
        while True:
            page = read(await self.feed.page(user.principal, {**args, "before": before}))
            for item in page["items"]:
                yield item
            before = page["next"]
            if before is None:
                return


def _ended(entry: Entry, now: int) -> Entry:
    return replace(entry, notification=replace(entry.notification, expires_at=now))


def random_user(dice: Random) -> str:
    return dice.choice(["ada", "grace"])


def random_places(dice: Random) -> list[int]:
    """Some entries, counted from the newest: what is new is what people deal with."""
    return [int(dice.expovariate(0.25)) for _ in range(dice.randint(1, 4))]


def random_publishing(dice: Random) -> tuple[object, ...]:
    to = dice.sample(range(5), dice.randint(1, 3))
    ttl = dice.choice([None, None, None, 5, 60])
    excluded: list[str] = dice.choice([[], [], [random_user(dice)]])
    return to, dice.choice(PUBLISHED), random_priority(dice), ttl, excluded


def random_priority(dice: Random) -> str:
    return dice.choices(["low", "normal", "high", "critical"], [3, 4, 2, 1])[0]


OPERATIONS: dict[str, tuple[int, Callable[[Random], tuple[object, ...]]]] = {
    "publish": (30, random_publishing),
    "change": (
        20,
        lambda dice: (
            random_user(dice),
            dice.choice(["read", "unread", "dismissed"]),
            random_places(dice),
        ),
    ),
    "change_all": (
        10,
        lambda dice: (
            random_user(dice),
            dice.choice(["seen", "read", "read", "dismissed"]),
            random_places(dice),
        ),
    ),
    "agree_on_pages": (
        10,
        lambda dice: (
            random_user(dice),
            dice.randint(1, 4),
            dice.choice([True, False]),
            dice.choice([None, None, *PUBLISHED]),
        ),
    ),
    "agree_on_why": (5, lambda dice: (random_user(dice), random_places(dice))),
    "sum_up": (
        3,
        lambda dice: (
            random_user(dice),
            dice.choice(["info", "like", "alert"]),
            random_priority(dice),
        ),
    ),
    "withdraw": (3, lambda dice: random_places(dice)[:1]),
    "replace": (3, lambda dice: random_places(dice)[:1]),
    "toggle_role": (3, lambda dice: (random_user(dice), dice.choice(["editor", "admin"]))),
    "toggle_topic": (3, lambda dice: (random_user(dice),)),
    "toggle_type": (3, lambda dice: (random_user(dice), dice.choice(["info", "like", "alert"]))),
    "choose_minimum": (
        2,
        lambda dice: (random_user(dice), dice.choice([None, None, "normal", "high", "critical"])),
    ),
    "toggle_digest": (3, lambda dice: (random_user(dice), dice.choice(["info", "like"]))),
    "pass_time": (3, lambda dice: (dice.choice([1, 5_000, 60_000, DAY]), dice.random() < 0.3)),
}
"""How often each is done, of 101 times, and with what."""


async def test_counts_and_pages_equal_a_plain_recomputation(
    domain: Domain, second_node: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is published, read, cleared, taken back, replaced, expires, whoever may or wants to
    see it, and on whichever of two nodes.

    Every other history is read as if its logs were long ones, and of half of them little is known.
    """
    for seed in histories(HISTORIES):
        with monkeypatch.context() as patch:
            if seed % 2:
                patch.setattr(pages, "SCAN_LIMIT", 4)
            if seed % 4 > 1:
                remember(patch, 3)
            try:
                await live(Histories(domain, seed), [domain, second_node], Random(seed))
            except AssertionError as error:
                error.add_note(f"In the history of seed {seed}.")
                raise


async def live(both: Histories, nodes: Sequence[Domain], dice: Random) -> None:
    weights = [weight for weight, _ in OPERATIONS.values()]
    await both.begin()
    for name in dice.choices(list(OPERATIONS), weights, k=STEPS):
        arguments = OPERATIONS[name][1](dice)
        both.domain = dice.choice(nodes)
        await getattr(both, name)(*arguments)
        both.domain = dice.choice(nodes)
        await both.agree_on_counts()
    for name in both.users:
        await both.agree_on_pages(name, limit=2, unread=False, type=None)
