"""One Engine.IO connection, whatever transport it is on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Hashable
from typing import TYPE_CHECKING, Any, Protocol

from .errors import ProtocolError
from .packets import (
    CLOSE,
    MESSAGE,
    PING_FRAME,
    PONG,
    checked,
)
from .polling import Polling
from .wheel import NOWHERE

if TYPE_CHECKING:
    from .core import Core
    from .packets import Frame
    from .upgrade import Upgrade
    from .websocket import WebSocket

# Why a connection ended, as its disconnect handler is told; the words of python-engineio, and two
# of ours.
CLIENT_DISCONNECT = "client disconnect"
PING_TIMEOUT = "ping timeout"
TRANSPORT_CLOSE = "transport close"
PARSE_ERROR = "parse error"
SLOW_READER = "slow reader"

GOING_AWAY, POLICY_VIOLATION, TRY_AGAIN_LATER = 1001, 1008, 1013

# Pings are sent up to this fraction early: a thousand clients that came together drift apart.
JITTER = 0.1

# Pongs, noops and control frames a client may send between two heartbeats. They are cheap, but
# come before messages and are not throttled.
MOST_CHATTER = 1000


class Host(Protocol):
    """What a connection needs of its engine."""

    core: Core

    def handle(self, connection: Connection, message: str | bytes) -> Awaitable[None]:
        """Run the message handler."""

    def ended(self, connection: Connection) -> Awaitable[None]:
        """Run the disconnect handler and forget the connection."""

    def closed(self, connection: Connection) -> None:
        """The connection is closed; `ended` follows."""

    def farewell(self, connection: Connection, reason: str) -> Frame | None:
        """What to send last before the server closes the connection."""


class Connection:
    """A client's session. Created by an engine; applications send to it and close it.

    Messages are handled strictly one after the other, by the connection's one task, which only
    lives while there are any.
    """

    __slots__ = (
        "_awaiting_pong", "_chatter", "_claims", "_closed", "_deadline", "_drained", "_due",
        "_engine", "_link", "_session", "_spent", "_task", "_upgrade", "reason", "remote", "sid",
        "slot",
    )  # fmt: skip

    def __init__(self, engine: Host, sid: str, remote: str) -> None:
        self._engine = engine
        self.sid = sid
        """The Engine.IO session id."""
        self.remote = remote
        """The client's address."""
        self.reason = ""
        """Why the connection was closed; empty while it is open."""
        self.slot = NOWHERE
        self._link: Polling | WebSocket = Polling(engine.core, self)
        self._upgrade: Upgrade | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._awaiting_pong = False
        self._chatter = 0
        self._deadline: tuple[float, str] | None = None
        self._spent = 0.0
        self._session: dict[str, Any] | None = None
        self._claims: tuple[Hashable, ...] = ()
        self._drained: asyncio.Future[None] | None = None
        self._due = self._now() + self._interval()
        engine.core.wheel.schedule(self, self._due)

    # What applications use

    @property
    def transport(self) -> str:
        """`"websocket"` or `"polling"`."""
        return self._link.name

    @property
    def closed(self) -> bool:
        """True once nothing can be sent any more."""
        return self._closed

    @property
    def session(self) -> dict[str, Any]:
        """A place for the application's own data about this connection."""
        if self._session is None:
            self._session = {}
        return self._session

    @session.setter
    def session(self, session: dict[str, Any]) -> None:
        self._session = session

    def send(self, frame: Frame) -> None:
        """Write the frame, without waiting. A closed connection ignores it."""
        if not self._closed:
            self._engine.core.metrics.packets_out += 1
            self._link.send(frame)

    async def drained(self) -> None:
        """Wait until nothing waits in the outbox, or the connection is closed."""
        while self._link.outbox and not self._closed:
            if self._drained is None or self._drained.done():
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)

    def close(self, code: int = GOING_AWAY, reason: str = "server disconnect") -> None:
        """Say goodbye and close. With code 1001 Socket.IO clients reconnect."""
        if self._closed:
            return
        self._say_goodbye(reason)
        self._shut(reason)
        self._link.close(code, reason)

    def abort(self, reason: str = "server disconnect") -> None:
        """Cut the connection; what waits for its reader is dropped."""
        if not self._closed:
            self._shut(reason)
            self._link.abort()

    def close_after(self, seconds: float, reason: str) -> None:
        """Close the connection with this reason unless `keep` is called in time."""
        self._deadline = (self._now() + seconds, reason)
        if not self._closed:
            self._engine.core.wheel.schedule(self, self._deadline[0])

    def keep(self) -> None:
        """Take `close_after` back."""
        self._deadline = None

    # What the engine uses

    @property
    def polling(self) -> Polling | None:
        """The long-polling transport, None on WebSocket."""
        return self._link if isinstance(self._link, Polling) else None

    @property
    def upgrading(self) -> bool:
        """True while a WebSocket is probed for this connection."""
        return self._upgrade is not None

    @property
    def claims(self) -> tuple[Hashable, ...]:
        """What this connection is counted under, besides its address."""
        return self._claims

    def add_claim(self, key: Hashable) -> None:
        """Remember that the connection is counted under this key."""
        self._claims = (*self._claims, key)

    def begin_upgrade(self, upgrade: Upgrade) -> None:
        """A WebSocket for this connection was opened and is going to be probed."""
        self._upgrade = upgrade

    def end_upgrade(self) -> None:
        """The probe was given up; the connection stays on long-polling."""
        self._upgrade = None
        if (polling := self.polling) is not None:
            polling.probing = False

    def adopt(self, socket: WebSocket) -> None:
        """Move from long-polling to this WebSocket, with everything that waits."""
        former, self._link, self._upgrade = self._link, socket, None
        frames = former.outbox.take()
        if isinstance(former, Polling):
            former.detach()
        for frame in frames:
            socket.send(frame)
        self.emptied()

    def stop(self) -> asyncio.Task[None] | None:
        """Cancel the handler that still runs; returns its task."""
        if self._task is not None:
            self._task.cancel()
        return self._task

    def fail(self, error: ProtocolError) -> None:
        """Close because the client broke the protocol."""
        if not self._closed:
            self._shut(PARSE_ERROR)
            self._link.close(error.code, error.reason)

    # What its transport tells it

    @property
    def busy(self) -> bool:
        """True while a message is being handled."""
        return self._task is not None

    def readable(self) -> None:
        """Handle what has come, unless that is being done."""
        if self._task is None and (message := self._next_message()) is not None:
            self._task = asyncio.create_task(self._work(message))

    def waiting(self) -> None:
        """The outbox holds a frame that must be gone in time."""
        options = self._engine.core.options
        self._engine.core.wheel.schedule(self, self._now() + options.outbox_seconds)

    def emptied(self) -> None:
        """Nothing waits in the outbox any more."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def too_slow(self) -> None:
        """Close because the outbox is too large or too old."""
        if not self._closed:
            self._engine.core.metrics.slow_closes += 1
            self._link.outbox.clear()
            self.close(TRY_AGAIN_LATER, SLOW_READER)

    def chatter(self) -> None:
        """Count what is not a message, and close when there is too much of it."""
        self._chatter += 1
        if self._chatter > MOST_CHATTER:
            self.fail(ProtocolError("too many control packets", POLICY_VIOLATION))

    def broken(self, error: ProtocolError) -> None:
        """The client broke the WebSocket protocol."""
        self.fail(error)

    def lost(self, reason: str) -> None:
        """The client or the network has gone; what came before is still handled."""
        if not self._closed:
            self._shut(reason)
            if (polling := self.polling) is not None:
                polling.outbox.clear()
                polling.detach()

    def expire(self, edge: float) -> float | None:
        """Act on the deadlines before `edge`: slow reader, application, heartbeat."""
        if self._closed:
            return None
        age = self._engine.core.options.outbox_seconds
        oldest = self._link.outbox.oldest
        if oldest is not None and oldest + age < edge:
            self.too_slow()
        elif self._deadline is not None and self._deadline[0] < edge:
            self.close(POLICY_VIOLATION, self._deadline[1])
        elif self._due < edge:
            self._beat(edge)
        return None if self._closed else self._next_deadline(age)

    def _next_deadline(self, age: float) -> float:
        deadlines = [self._due]
        if self._deadline is not None:
            deadlines.append(self._deadline[0])
        if (oldest := self._link.outbox.oldest) is not None:
            deadlines.append(oldest + age)
        return min(deadlines)

    # Heartbeat

    def _beat(self, edge: float) -> None:
        timeout = self._engine.core.options.ping_timeout
        if not self._awaiting_pong:
            self._awaiting_pong = True
            self._due += timeout
            self._link.send(PING_FRAME)
        elif self.busy and self._link.unread:
            # The pong may be among what we have not read yet.
            self._due = edge + timeout
        else:
            self.abort(PING_TIMEOUT)

    def _interval(self) -> float:
        interval = self._engine.core.options.ping_interval
        return interval * (1 - JITTER * random.random())  # noqa: S311

    # Messages

    async def _work(self, message: str | bytes | None) -> None:
        try:
            while message is not None and await self._may_handle():
                await self._engine.handle(self, message)
                message = self._next_message()
            if self._closed:
                await self._engine.ended(self)
        finally:
            self._task = None

    async def _may_handle(self) -> bool:
        """Wait until the rate limit allows one more message; False if that comes too late."""
        rate = self._engine.core.options.packets_per_second
        if rate:
            now = self._now()
            # `_spent` is the time at which everything handled so far has been paid for; one
            # second's worth may be handled at once.
            self._spent = max(self._spent, now - 1) + 1 / rate
            if self._spent > now:
                if self._closed:
                    return False
                await asyncio.sleep(self._spent - now)
        return True

    def _next_message(self) -> str | bytes | None:
        metrics = self._engine.core.metrics
        while (packet := self._link.take()) is not None:
            if isinstance(packet, bytes) or packet.startswith(MESSAGE):
                metrics.packets_in += 1
                return packet if isinstance(packet, bytes) else packet[1:]
            self._control(packet)
        return None

    def _control(self, packet: str) -> None:
        try:
            kind = checked(packet)[0]
        except ProtocolError as error:
            self.fail(error)
            return
        self.chatter()
        if kind == PONG and self._awaiting_pong:
            self._awaiting_pong = False
            self._chatter = 0
            self._due = self._now() + self._interval()
        elif kind == CLOSE and not self._closed:
            self._shut(CLIENT_DISCONNECT)
            if (polling := self.polling) is not None:
                polling.discard()
            else:
                self._link.close(1000, "")

    # The end

    def _say_goodbye(self, reason: str) -> None:
        if (frame := self._engine.farewell(self, reason)) is not None:
            self._link.send(frame)

    def _shut(self, reason: str) -> None:
        self._closed = True
        self.reason = reason
        self._engine.core.wheel.cancel(self)
        self._engine.closed(self)
        self.emptied()
        if self._upgrade is not None:
            self._upgrade.cancel()
        if self._task is None:
            self._task = asyncio.create_task(self._work(None))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
