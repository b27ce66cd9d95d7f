"""The domain on a real store, with a bus that writes down what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from unittest.mock import ANY

import orjson
import pytest

from notifier.core.feed import Feed
from notifier.core.models import ADMIN, PUBLISH, Entry, Principal, Receipt
from notifier.core.ports import Bus, Store
from notifier.core.publishing import Publisher
from notifier.core.types import TypeCatalogue

DAY = 86_400_000

RETENTION = 10 * DAY

SERVICE = Principal("shop", is_service=True, scopes=frozenset({PUBLISH}))
OPERATOR = Principal("operator", scopes=frozenset({ADMIN}))
ADA = Principal("ada", roles=frozenset({"admin"}))
GRACE = Principal("grace")

TYPES = TypeCatalogue.load(
    {
        "info": {"label": "Information"},
        "like": {"label": "Likes", "priority": "low", "ttl": 3_600},
        "alert": {"label": "Alerts", "priority": "high", "roles": ["admin"]},
        "security": {"label": "Security", "mutable": False},
        "guarded": {"label": "Guarded", "scopes": ["guard:send"]},
        "friend": {"label": "Friends", "audiences": ["user"]},
    }
)


class Clock:
    """A wall clock that is moved by hand, in milliseconds since 1970.

    Far ahead of the real one, so that no server removes what is still young here.
    """

    def __init__(self) -> None:
        self.now = 2_000_000_000_000

    def __call__(self) -> int:
        return self.now

    def pass_(self, milliseconds: int) -> None:
        self.now += milliseconds


def remember(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Have the store know this many entries of the end of each log, as if logs were long."""
    monkeypatch.setattr("notifier.store.mongo.ends.KEPT", count)
    monkeypatch.setattr("notifier.store.mongo.tails.KEPT", count)


class Told(NamedTuple):
    """An event for one user."""

    user: str
    event: str
    data: Any
    skip: str | None


@dataclass
class Recorder(Bus):
    """A bus that nobody listens to but the test."""

    announced: list[Entry] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def announce(self, entries: Sequence[Entry]) -> None:
        self.announced += entries

    def tell(self, user: str, event: str, data: Any, *, skip: str | None = None) -> None:
        self.told.append(Told(user, event, orjson.loads(orjson.dumps(data)), skip))


class Domain:
    """A publisher and a feed on one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.bus = Recorder()
        self.publisher = Publisher(store, self.bus, TYPES, retention=RETENTION, clock=clock)
        self.feed = Feed(store, self.bus, TYPES, clock=clock)

    async def publish(
        self, to: str | list[str], title: str = "Hello", *, after: int = 1, **fields: Any
    ) -> Receipt:
        """Publish as a service, ``after`` so many milliseconds."""
        self.clock.pass_(after)
        return await self.publisher.publish({"to": to, "title": title, **fields}, SERVICE)

    async def page(self, user: Principal, **args: Any) -> dict[str, Any]:
        """A page of the feed as a client reads it."""
        return read(await self.feed.page(user, args))

    async def titles(self, user: Principal, **args: Any) -> list[str]:
        """The titles of a page, newest first."""
        return [item["title"] for item in (await self.page(user, **args))["items"]]

    async def counts(self, user: Principal) -> tuple[int, int]:
        """How many are unread, and how many of these unseen."""
        counts = await self.feed.counts(await self.feed.visit(user))
        return counts.unread, counts.unseen


def counted(unread: int, unseen: int) -> dict[str, Any]:
    """The counts as clients get them, whenever the first of the counted ones expires."""
    return {"unread": unread, "unseen": unseen, "until": ANY if unread else None}


def ids(receipt: Receipt) -> list[str]:
    """The public ids of a receipt's entries."""
    return [str(entry.ref) for entry in receipt.entries]


def read(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer as a client reads it."""
    decoded: dict[str, Any] = orjson.loads(orjson.dumps(answer))
    return decoded
