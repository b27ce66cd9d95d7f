"""Requests that follow a user's logs: what streams and polls have in common.

A ``Sink`` of the hub, as the Socket.IO namespace is. The order of steps is the same: first the logs
are joined, then what was missed is read from the store, then what came meanwhile is let through.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import orjson
from aiohttp import web

from notifier.core.feed import Feed
from notifier.core.models import (
    Entry,
    Kind,
    Principal,
    Revocation,
    Standing,
    View,
    now_ms,
    topics_among,
)
from notifier.core.ports import Authenticator
from notifier.core.validity import remaining
from notifier.core.views import Visit
from notifier.errors import TokenExpired, Unauthenticated
from notifier.realtime.hub import Hub

Found = TypeVar("Found")

Seat = Callable[[web.Request, str], AbstractContextManager[None]]
"""Counts a request of this user among the node's open connections for as long as it is held.

Raises ``Overloaded`` when there are too many, or when the node is leaving."""

FEW = 100
"""Leaving fewer readers takes no longer than leaving so many would take for each of them."""

TICK_SECONDS = 1.0
"""How often every reader looks after itself: one timer for all of them."""

_LONGEST_TIMER = 86_400.0
"""Seconds. The wall clock may be set: it is read again at least so often."""


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """What may wait for one reader: bytes, and seconds without any progress."""

    bytes: int = 1_048_576
    seconds: float = 10.0


class Event:
    """What several readers are told, encoded once."""

    __slots__ = ("block",)

    def __init__(self, name: str, data: bytes) -> None:
        self.block = b"event: %b\ndata: %b\n" % (name.encode(), data)
        """The event as text/event-stream, but for the reader's own cursor and the empty line."""

    @classmethod
    def of(cls, entry: Entry) -> Event:
        gone = entry.notification.kind is Kind.WITHDRAWAL
        return cls("removed" if gone else "notification", entry.wire())

    @classmethod
    def telling(cls, name: str, data: object) -> Event:
        return cls(name, orjson.dumps(data))


class Reader(ABC):
    """One request that lasts. What it is told by the hub it takes without waiting."""

    kind: ClassVar[str]
    """The word of the metrics."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.view: View | None = None
        """What may be shown; None until it was read first."""
        self.logs: set[str] = set()
        """The logs that are followed. Kept by ``Readers``."""

    @abstractmethod
    def take(self, entry: Entry, event: Event) -> None:
        """An entry of one of the logs, in the order of the log."""

    @abstractmethod
    def told(self, name: str, data: Any) -> None:
        """Something about the user: ``state`` or ``preferences``."""

    @abstractmethod
    def move(self) -> None:
        """The user may see more, or less: settle again before anything else is sent."""

    def differs(self, standing: Standing) -> bool:
        """Whether something of the user has not been heard of."""
        return self.view is not None and topics_among(self.logs) != standing.topics

    @abstractmethod
    def end(self, reason: str) -> None:
        """Come to an end soon, and say why if that is possible."""

    @abstractmethod
    def tick(self, now: float) -> None:
        """Look after what depends on time; ``now`` is that of the loop, in seconds."""


class Readers:
    """This node's readers, by log and by user."""

    def __init__(
        self,
        hub: Hub,
        feed: Feed,
        authenticator: Authenticator,
        seat: Seat,
        *,
        drain_seconds: float,
    ) -> None:
        self._hub = hub
        self._feed = feed
        self._authenticator = authenticator
        self._seat = seat
        self._drain_seconds = drain_seconds
        self._by_log: dict[str, set[Reader]] = defaultdict(set)
        self._by_user: dict[str, set[Reader]] = defaultdict(set)
        hub.sinks.append(self)

    @property
    def kinds(self) -> Mapping[str, int]:
        """How many readers there are of each kind."""
        return Counter(reader.kind for reader in self._all())

    async def run(self) -> None:
        """Let time pass for the readers, until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = asyncio.get_running_loop().time()
            for reader in self._all():
                reader.tick(now)

    def _all(self) -> list[Reader]:
        return [reader for readers in self._by_user.values() for reader in readers]

    # One reader

    @contextlib.asynccontextmanager
    async def admit(self, request: web.Request, reader: Reader) -> AsyncIterator[None]:
        """Count and keep a reader within the block; it hears of its user from the beginning.

        Raises ``Overloaded``, ``TokenExpired`` or ``StoreUnavailable``.
        """
        user = reader.principal.id
        with self._seat(request, user), _until_expiry(reader):
            self._by_user[user].add(reader)
            try:
                # What changes about the user from here on is heard of; what changed before will
                # be found when the user is read.
                await self.in_turn(lambda: self._follow(reader, {f"user:{user}"}))
                yield
            finally:
                self._leave(reader, reader.logs)
                _discard(self._by_user, user, reader)

    async def settle(self, reader: Reader, look: Callable[[Visit], Awaitable[Found]]) -> Found:
        """Follow exactly the logs that the user belongs to by now, then look at what there is.

        ``look`` gets the user as of now. Whoever comes with many others waits for a turn. Raises
        ``Unauthenticated`` for a revoked token, or ``StoreUnavailable``.
        """

        async def settle() -> Found:
            return await look(await self._visit(reader))

        return await self.in_turn(settle)

    async def in_turn(self, look: Callable[[], Awaitable[Found]]) -> Found:
        """Look something up in the store that thousands of readers may want at the same time."""
        async with self._hub.arrivals:
            return await look()

    async def _visit(self, reader: Reader) -> Visit:
        reader.principal = await self._authenticator.recheck(reader.principal)
        visit = await self._feed.visit(reader.principal)
        await self._follow(reader, visit.view.audiences)
        reader.view = visit.view
        return visit

    async def _follow(self, reader: Reader, audiences: Collection[str]) -> None:
        self._leave(reader, reader.logs.difference(audiences))
        new = set(audiences) - reader.logs
        await self._hub.join(new)
        reader.logs |= new
        for audience in new:
            self._by_log[audience].add(reader)

    def _leave(self, reader: Reader, audiences: Collection[str]) -> None:
        left = set(audiences)
        reader.logs -= left
        for audience in left:
            _discard(self._by_log, audience, reader)
        self._hub.leave(left)

    # What the hub delivers

    def deliver(self, entry: Entry) -> None:
        """Hand the entry, encoded once, to every reader of its log."""
        readers = self._by_log.get(entry.audience)
        if readers:
            event = Event.of(entry)
            for reader in readers:
                reader.take(entry, event)

    def tell(self, user: str, event: str, data: Any, skip: str | None) -> None:
        for reader in self._by_user.get(user, ()):
            reader.told(event, data)

    def restrict(self, user: str, revocation: Revocation) -> None:
        for reader in list(self._by_user.get(user, ())):
            try:
                left = remaining(reader.principal, revocation)
            except Unauthenticated:
                reader.end("revoked")
            else:
                if left != reader.principal:
                    reader.move()

    def compare(self, user: str, standing: Standing) -> None:
        for reader in self._by_user.get(user, ()):
            if reader.differs(standing):
                reader.move()

    # The end

    async def drain(self) -> None:
        """Send everybody away, in random order, spread over ``drain_seconds``."""
        readers = self._all()
        random.shuffle(readers)
        for reader in readers:
            reader.end("shutdown")
            await asyncio.sleep(self._drain_seconds / max(len(readers), FEW))


def _discard(index: dict[str, set[Reader]], key: str, reader: Reader) -> None:
    index[key].discard(reader)
    if not index[key]:
        del index[key]


@contextlib.contextmanager
def _until_expiry(reader: Reader) -> Iterator[None]:
    """End the reader when its token expires. Raises ``TokenExpired`` if it has already."""
    timer: asyncio.TimerHandle | None = None

    def check() -> None:
        nonlocal timer
        left = _seconds_left(reader.principal)
        if left <= 0:
            reader.end("expired")
        else:
            timer = asyncio.get_running_loop().call_later(min(left, _LONGEST_TIMER), check)

    if _seconds_left(reader.principal) <= 0:
        raise TokenExpired("The token has expired; get a new one.")
    check()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


def _seconds_left(principal: Principal) -> float:
    if principal.expires_at is None:
        return float("inf")
    return (principal.expires_at - now_ms()) / 1000
