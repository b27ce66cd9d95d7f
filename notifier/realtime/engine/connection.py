"""One Engine.IO connection, whatever transport it is on."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from . import reasons
from .errors import ProtocolError
from .heartbeat import Heartbeat
from .packets import CLOSE, MESSAGE, PING_FRAME, PONG, checked
from .polling import Polling
from .throttle import Throttle
from .wheel import NOWHERE

if TYPE_CHECKING:
    from .core import Host
    from .packets import Frame
    from .upgrade import Upgrade
    from .websocket import WebSocket

# Pongs, noops and control frames a client may send between two heartbeats. They are cheap, but
# come before messages and are not throttled.
MOST_CHATTER = 1000


class Connection:
    """A client's session. Created by an engine; applications send to it and close it.

    Messages are handled strictly one after the other, by the connection's one task, which only
    lives while there are any.
    """

    __slots__ = (
        "_chatter", "_closed", "_deadline", "_drained", "_engine", "_heartbeat", "_link",
        "_session", "_task", "_throttle", "claims", "reason", "remote", "sid", "slot", "upgrade",
    )  # fmt: skip

    def __init__(self, engine: Host, sid: str, remote: str) -> None:
        self.sid = sid
        """The Engine.IO session id."""
        self.remote = remote
        """The client's address."""
        self.reason = ""
        """Why the connection was closed; empty while it is open."""
        self.claims: tuple[Hashable, ...] = ()
        """What the connection is counted under, besides its address."""
        self.upgrade: Upgrade | None = None
        """The WebSocket that is probed for this connection."""
        self.slot = NOWHERE
        self._engine = engine
        self._link: Polling | WebSocket = Polling(engine.core, self)
        self._heartbeat = Heartbeat(engine.core.options, self._now())
        self._throttle = Throttle(engine.core.options.packets_per_second)
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._chatter = 0
        self._deadline: tuple[float, str] | None = None
        self._session: dict[str, Any] | None = None
        self._drained: asyncio.Future[None] | None = None
        engine.core.wheel.schedule(self, self._heartbeat.due)

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

    def close(
        self,
        code: int = reasons.GOING_AWAY,
        reason: str = reasons.SERVER_DISCONNECT,
        *,
        drop: bool = False,
    ) -> None:
        """Say goodbye and close. With code 1001 Socket.IO clients reconnect.

        `drop`: what waits for its reader is not sent any more.
        """
        if self._closed:
            return
        self._shut(reason)  # first: a goodbye that overfills the outbox must not close it again
        if drop:
            self._link.outbox.clear()
        self._say_goodbye(reason)
        self._link.close(code, reason)

    def abort(self, reason: str = reasons.SERVER_DISCONNECT) -> None:
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

    def adopt(self, socket: WebSocket) -> None:
        """Move from long-polling to this WebSocket, with everything that waits."""
        former, self._link, self.upgrade = self._link, socket, None
        metrics = self._engine.core.metrics
        metrics.polling_connections -= 1
        metrics.websocket_connections += 1
        frames = former.outbox.take()
        if isinstance(former, Polling):
            socket.posted = former.detach() or None
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
            self._shut(reasons.PARSE_ERROR)
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
        if not self._closed:
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
            self.close(reasons.TRY_AGAIN_LATER, reasons.SLOW_READER, drop=True)

    def chatter(self) -> None:
        """Count what is not a message, and close when there is too much of it."""
        self._chatter += 1
        if self._chatter > MOST_CHATTER:
            self.fail(ProtocolError("too many control packets", reasons.POLICY_VIOLATION))

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
            self.close(reasons.POLICY_VIOLATION, self._deadline[1])
        elif self._heartbeat.due < edge:
            self._beat(edge)
        return None if self._closed else self._next_deadline(age)

    def _next_deadline(self, age: float) -> float:
        deadlines = [self._heartbeat.due]
        if self._deadline is not None:
            deadlines.append(self._deadline[0])
        if (oldest := self._link.outbox.oldest) is not None:
            deadlines.append(oldest + age)
        return min(deadlines)

    # Heartbeat

    def _beat(self, edge: float) -> None:
        if not self._heartbeat.awaiting:
            self._heartbeat.pinged()
            self._link.send(PING_FRAME)
        elif self.busy and self._link.unread:
            # The pong may be among what we have not read yet.
            self._heartbeat.postpone(edge)
        else:
            self.abort(reasons.PING_TIMEOUT)

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
        """Wait until the rate allows one more message; False if the client has gone by then."""
        if delay := self._throttle.delay(self._now()):
            if self._closed:
                return False
            await asyncio.sleep(delay)
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
        if kind == PONG and self._heartbeat.awaiting:
            self._heartbeat.restart(self._now())
            self._chatter = 0
        elif kind == CLOSE and not self._closed:
            self._shut(reasons.CLIENT_DISCONNECT)
            if (polling := self.polling) is not None:
                polling.discard()
            else:
                self._link.close(reasons.NORMAL, "")

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
        if self.upgrade is not None:
            self.upgrade.cancel()
        if self._task is None:
            self._task = asyncio.create_task(self._work(None))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
