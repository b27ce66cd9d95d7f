"""Server-Sent Events: a user's logs as a stream, readable by ``EventSource`` and by ``curl -N``.

The events are those of Socket.IO. The ``id`` of each is the reader's cursor after it, so that a
browser that reconnects by itself (``Last-Event-ID``) goes on exactly where it was cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from notifier.core.counts import Counts
from notifier.core.feed import Feed, Replay, synced
from notifier.core.loading import load
from notifier.core.models import Cursor, Entry, Principal, Standing
from notifier.core.schemas import STREAM
from notifier.core.views import Visit
from notifier.errors import RequestError
from notifier.http.calls import CALLER, arguments
from notifier.http.line import Line
from notifier.http.problems import REQUEST_ID
from notifier.http.readers import Event, OutboxLimits, Reader, Readers
from notifier.http.services import SERVICES

logger = logging.getLogger(__name__)

RETRY_MILLISECONDS = (1000, 3000)
"""When a browser that was cut comes back: spread, so that a node's readers do not come at once."""

CHUNK = 65_536
"""Bytes written at a time: as many as aiohttp buffers before it waits for the reader."""

LAST_WORDS_SECONDS = 0.5
"""How long a stream that has to end may take for its goodbye before it is cut."""

_PAUSES = {"shutdown": 1.0}
"""Seconds to stay away after an end, by its reason."""

_AT_ONCE = {"slow_reader", "revoked"}
"""Reasons not to send what still waits: there is too much of it, or it must not be seen."""


async def stream(request: web.Request) -> web.StreamResponse:
    """What was missed since a cursor, then whatever comes, until one side ends it."""
    services = request.app[SERVICES]
    since = _since(request)
    reader = Stream(request[CALLER], services.readers, services.feed, services.outbox)
    async with services.readers.admit(request, reader):
        opening = await reader.open(since)
        line = await Line.open(request, reader.limits.seconds)
        with _closing(request, reader):
            await reader.run(line, opening)
    return line.response


def _since(request: web.Request) -> Cursor | None:
    """Where the reader stands. A browser that was cut repeats the address, and says in a header
    what it has got since."""
    args = arguments(request)
    if last := request.headers.get("Last-Event-ID"):
        args["since"] = last
    since: Cursor | None = load(STREAM, args)["since"]
    return since


@contextlib.contextmanager
def _closing(request: web.Request, reader: Stream) -> Iterator[None]:
    """Note how it ended. A reader that has gone is no error."""
    logger.info("stream %s opened", request[REQUEST_ID])
    try:
        with contextlib.suppress(ConnectionError):
            yield
    finally:
        reader.close()
        logger.info("stream %s closed: %s", request[REQUEST_ID], reader.reason or "client left")


@dataclass(frozen=True, slots=True)
class Opening:
    """What a stream begins with: where the reader stands, and what it has missed."""

    since: Cursor
    visit: Visit
    replay: Replay
    counts: Counts


class Stream(Reader):
    """One reader's stream.

    What the hub tells is written at once while the reader keeps up. Otherwise it waits in a bounded
    outbox for the task that writes, which decides at the last moment what of it is still new and
    may be shown. While that task looks up what was missed, it takes nothing out: so nothing falls
    between the past and the present, or comes twice.
    """

    kind = "stream"

    def __init__(
        self, principal: Principal, readers: Readers, feed: Feed, limits: OutboxLimits
    ) -> None:
        super().__init__(principal)
        self.limits = limits
        self.reason = ""
        """Why the server ended it; empty while it lasts."""
        self._readers = readers
        self._feed = feed
        self._cursor = Cursor()
        self._version = 0
        """Of the preferences that the reader has been told."""
        self._outbox: deque[tuple[Entry | None, Event]] = deque()
        self._waiting = 0
        self._moved = False
        self._synced = False
        self._idle = False
        self._wake = asyncio.Event()
        self._line: Line | None = None
        self._deadline: asyncio.TimerHandle | None = None

    # What the hub tells

    def take(self, entry: Entry, event: Event) -> None:
        self._pass_on(event, entry)

    def told(self, name: str, data: Any) -> None:
        moves = "joined" in data or "left" in data
        if not moves:
            self._pass_on(Event.telling(name, data))
        if name == "preferences":
            self._version = max(self._version, data["version"])
        if moves or name == "preferences":
            self.move()

    def differs(self, standing: Standing) -> bool:
        behind = self._synced and self._version < standing.version
        return behind or super().differs(standing)

    def move(self) -> None:
        self._moved = True
        self._wake.set()

    def end(self, reason: str) -> None:
        if self.reason:
            return
        self.reason = reason
        if reason in _AT_ONCE:
            self._outbox.clear()
        self._deadline = asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self._cut)
        self._wake.set()

    def tick(self, now: float) -> None:
        if self._line is None:
            return
        if self._line.is_cut:
            self._wake.set()
            return
        try:
            self._line.tick(now)
        except TimeoutError:
            self.end("slow_reader")

    def close(self) -> None:
        """Nothing is written any more."""
        self._line = None
        if self._deadline is not None:
            self._deadline.cancel()

    def _pass_on(self, event: Event, entry: Entry | None = None) -> None:
        """Write the event now if the task has nothing to do and the reader keeps up."""
        if self.reason:
            return
        if self._line is None or not self._idle or self._wake.is_set() or not self._line.is_free:
            self._put(event, entry)
        elif entry is None or self._advance(entry):
            self._line.tell(self._signed(event))

    def _put(self, event: Event, entry: Entry | None) -> None:
        self._outbox.append((entry, event))
        self._waiting += len(event.block)
        self._wake.set()
        # A task that sleeps takes it in the next turn of the loop, however much comes in this one.
        if self._waiting > self.limits.bytes and not self._idle:
            self.end("slow_reader")

    def _cut(self) -> None:
        if self._line is not None:
            self._line.cut()

    # The task that writes

    async def open(self, since: Cursor | None) -> Opening:
        """Find the reader's place and what was missed. Raises what a refused request raises."""
        return await self._readers.settle(self, lambda visit: self._missed(visit, since))

    async def run(self, line: Line, opening: Opening) -> None:
        """Write until the reader is gone or the stream has to end."""
        self._line = line
        await line.write(b"retry: %d\n\n" % random.randint(*RETRY_MILLISECONDS))  # noqa: S311
        await self._replay(line, opening)
        while not self.reason and not line.is_cut:
            if self._moved:
                await self._look_again(line)
            elif self._outbox:
                await self._send(line)
            else:
                await self._wait()
        while self._outbox:
            await self._send(line)
        goodbye = {"reason": self.reason, "reconnect_after": _PAUSES.get(self.reason, 0.0)}
        await line.write(self._text("goodbye", goodbye))
        await line.end()

    async def _missed(self, visit: Visit, since: Cursor | None) -> Opening:
        replay, counts = await asyncio.gather(
            self._feed.replay(visit, since), self._feed.counts(visit)
        )
        start = replay.cursor if since is None or not replay.recovered else since
        return Opening(start, visit, replay, counts)

    async def _look_again(self, line: Line) -> None:
        """Follow the logs that the user belongs to by now, new ones from where they begin."""
        self._moved = False
        try:
            opening = await self._readers.settle(
                self, lambda visit: self._missed(visit, self._place_in(visit))
            )
        except RequestError as error:
            self.end(error.code)
            return
        if not opening.replay.recovered:
            self.end("resync")
            return
        moves = _moves(self._cursor, opening.since)
        self._cursor = Cursor(opening.since)
        if moves and self._synced:
            await line.write(self._text("state", {**moves, "counts": opening.counts.as_dict()}))
        preferences = opening.visit.subscriber.preferences
        if self._synced and preferences.version > self._version:
            self._version = preferences.version
            await line.write(self._text("preferences", preferences.as_dict()))
        await self._replay(line, opening)

    def _place_in(self, visit: Visit) -> Cursor:
        """Where the reader stands in the logs of its user by now: in new ones where they begin."""
        floors = visit.view.floors.items()
        return Cursor({a: self._cursor.get(a, floor) for a, floor in floors})

    async def _replay(self, line: Line, opening: Opening) -> None:
        """The past, at the reader's pace; after the first time, ``synced``."""
        self._cursor = Cursor(opening.since)
        for entry in opening.replay.entries:
            if self.reason or self._moved:
                return  # the rest is looked up again, or of no use
            self._cursor[entry.audience] = entry.seq
            await line.write(self._signed(Event.of(entry)))
        self._cursor = Cursor(opening.replay.cursor)
        if not self._synced:
            self._synced = True
            self._version = max(self._version, opening.visit.subscriber.preferences.version)
            told = synced(opening.visit, opening.replay, opening.counts)
            await line.write(self._text("synced", told))

    async def _send(self, line: Line) -> None:
        """Write some of what waits, and of that only what is new and may be shown."""
        texts: list[bytes] = []
        size = 0
        while self._outbox and size < CHUNK:
            entry, event = self._outbox.popleft()
            self._waiting -= len(event.block)
            if entry is None or self._advance(entry):
                texts.append(self._signed(event))
                size += len(texts[-1])
        if texts:
            await line.write(b"".join(texts))

    def _advance(self, entry: Entry) -> bool:
        """Move the cursor over an entry; whether it is new and may be shown."""
        position = self._cursor.get(entry.audience)
        if position is None or entry.seq <= position:
            return False
        self._cursor[entry.audience] = entry.seq
        return self.view is not None and self.view.shows(entry)

    async def _wait(self) -> None:
        self._wake.clear()
        self._idle = True
        await self._wake.wait()
        self._idle = False

    def _text(self, name: str, data: object) -> bytes:
        return self._signed(Event.telling(name, data))

    def _signed(self, event: Event) -> bytes:
        """The event with the reader's cursor after it."""
        return b"%bid: %b\n\n" % (event.block, str(self._cursor).encode())


def _moves(before: Cursor, now: Cursor) -> dict[str, Any]:
    """Which logs the user has joined, and from where on, and which the user has left."""
    joined = Cursor({a: seq for a, seq in now.items() if a not in before})
    left = sorted(before.keys() - now.keys())
    moves = {"joined": str(joined), "left": left}
    return {name: value for name, value in moves.items() if value}
