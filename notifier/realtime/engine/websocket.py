"""A WebSocket, as one protocol object on the socket that aiohttp accepted.

aiohttp reads the HTTP request; then the socket is taken over, and aiohttp's request, response,
parser and two tasks are gone: an idle connection is this object and its transport.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from . import frames, reasons
from .errors import ProtocolError
from .outbox import Outbox
from .wheel import NOWHERE

if TYPE_CHECKING:
    from .core import Core
    from .packets import Frame

# Above it frames wait in the outbox, where they are shared and counted, not in the transport.
HIGH_WATER = 65_536
# A busy connection reads ahead this much, then its client has to wait.
READ_AHEAD = 65_536


class Owner(Protocol):
    """Whom a WebSocket tells what happens to it."""

    @property
    def busy(self) -> bool:
        """True while a message is being handled, and nothing is read."""

    def readable(self) -> None:
        """Bytes have come; `take` may have a packet."""

    def waiting(self) -> None:
        """A frame had to wait, the first in an empty outbox."""

    def emptied(self) -> None:
        """The outbox is empty again."""

    def too_slow(self) -> None:
        """The outbox has grown beyond its limit."""

    def chatter(self) -> None:
        """A frame came that carries no packet."""

    def fail(self, error: ProtocolError) -> None:
        """The client broke the protocol."""

    def lost(self, reason: str) -> None:
        """The socket was closed by the client or the network."""


class WebSocket(asyncio.Protocol):
    """Writes frames and reads packets; see `Owner` for what it reports."""

    __slots__ = (
        "_behind", "_closing", "_core", "_lost", "_paused", "_reader", "_transport", "outbox",
        "owner", "posted", "slot",
    )  # fmt: skip
    name = "websocket"

    def __init__(self, core: Core, owner: Owner | None, transport: asyncio.Transport) -> None:
        self._core = core
        self.owner = owner
        self._transport = transport
        self._reader = frames.FrameReader(core.options.max_payload)
        self._behind = False
        self._closing = False
        self._lost = False
        self._paused = False
        self.outbox = Outbox(core.metrics)
        self.posted: deque[str | bytes] | None = None
        """Packets that were posted before the client moved to this socket: they come first."""
        self.slot = NOWHERE
        transport.set_write_buffer_limits(high=HIGH_WATER)

    @property
    def unread(self) -> bool:
        """True if bytes of the client wait in here because its owner is busy."""
        return self._paused or self._reader.unread > 0 or bool(self.posted)

    def send(self, frame: Frame) -> None:
        """Write the frame, or keep it in the outbox while the client is behind."""
        if not self._behind:
            self._transport.write(frame.websocket)
            return
        first = not self.outbox
        self.outbox.put(frame, asyncio.get_running_loop().time())
        if self.owner is None:
            return
        if self.outbox.size > self._core.options.outbox_bytes:
            self.owner.too_slow()
        elif first:
            self.owner.waiting()

    def take(self) -> str | bytes | None:
        """The next packet; None if there is none, or the socket is closing.

        What came before the client or the network closed the socket can still be taken.
        """
        while not self._closing:
            if self.posted:
                return self.posted.popleft()
            try:
                if (frame := self._reader.next()) is None:
                    self._resume()
                    return None
                if frame[0] in frames.DATA:
                    return frame[1]
                self._control(frame[0], frame[1])
            except ProtocolError as error:
                self._fail(error)
        return None

    def close(self, code: int, reason: str) -> None:
        """Write what waits, then the close frame; cut the socket if the client takes too long."""
        if self._closing:
            return
        self._closing = True
        self._reader.clear()
        for frame in self.outbox.take():
            self._write(frame.websocket)
        self._write(frames.encode_close(code, reason))
        self._resume()
        self._linger()

    def abort(self) -> None:
        """Cut the socket and forget what waits."""
        self._closing = True
        self.outbox.clear()
        self._transport.abort()

    def expire(self, edge: float) -> None:
        """The time to say goodbye is over."""
        self.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of the protocol interface; the transport was made before."""

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        if self._closing:
            self._await_close()
        elif self.owner is not None:
            self.owner.readable()
            if self._reader.unread > READ_AHEAD and self.owner is not None and self.owner.busy:
                self._paused = True
                self._transport.pause_reading()

    def eof_received(self) -> None:
        # asyncio closes the transport once its buffer is written; a client that does not read
        # either would keep it for ever.
        self._linger()

    def pause_writing(self) -> None:
        self._behind = True

    def resume_writing(self) -> None:
        self._behind = False
        while self.outbox and not self._behind:
            self._transport.write(self.outbox.pop().websocket)
        if not self.outbox and self.owner is not None:
            self.owner.emptied()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._core.wheel.cancel(self)
        self._core.lingering.discard(self)
        self.outbox.clear()
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.lost(reasons.TRANSPORT_CLOSE if exc is None else reasons.TRANSPORT_ERROR)

    def _control(self, opcode: int, payload: str | bytes) -> None:
        data = payload if isinstance(payload, bytes) else payload.encode()
        if opcode == frames.CLOSE:
            self._answer_close(frames.close_code(data))
            return
        if opcode == frames.PING:
            self._write(frames.encode(frames.PONG, data))
        if self.owner is not None:
            self.owner.chatter()

    def _fail(self, error: ProtocolError) -> None:
        if self.owner is not None:
            self.owner.fail(error)
        self.close(error.code, error.reason)

    def _answer_close(self, code: int) -> None:
        self._closing = True
        self._write(frames.encode_close(code))
        self._transport.close()
        self._linger()
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.lost(reasons.TRANSPORT_CLOSE)

    def _await_close(self) -> None:
        try:
            while (frame := self._reader.next()) is not None:
                if frame[0] == frames.CLOSE:
                    self._transport.close()
                    return
        except ProtocolError:
            self.abort()

    def _write(self, data: bytes) -> None:
        if not self._lost:
            self._transport.write(data)

    def _linger(self) -> None:
        if self._lost:
            return
        now = asyncio.get_running_loop().time()
        self._core.lingering.add(self)
        self._core.wheel.schedule(self, now + self._core.options.close_timeout)

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            if not self._lost:
                self._transport.resume_reading()


class TakenOver(web.StreamResponse):
    """What aiohttp is given for a request whose socket now belongs to a WebSocket."""

    def __init__(self) -> None:
        super().__init__(status=101)

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing: the answer has been written."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing: the socket is in use."""


def handshake_key(request: web.Request) -> str:
    """The Sec-WebSocket-Accept of a valid upgrade request, else a ProtocolError."""
    headers = request.headers
    connection = [part.strip() for part in headers.get("Connection", "").lower().split(",")]
    if request.method != "GET" or headers.get("Upgrade", "").lower() != "websocket":
        raise ProtocolError("not a WebSocket request")
    if "upgrade" not in connection or headers.get("Sec-WebSocket-Version") != "13":
        raise ProtocolError("invalid WebSocket request")
    return frames.accept(headers.get("Sec-WebSocket-Key", ""))


def take_over(
    request: web.Request, accept: str, core: Core, owner: Owner | None, greeting: bytes = b""
) -> WebSocket | None:
    """Answer the handshake and move the socket from aiohttp to a WebSocket; None if it is gone.

    The greeting, a frame, is written together with the answer: one system call, one segment.
    """
    transport, former = request.transport, request.protocol
    if transport is None or transport.is_closing():
        return None
    socket = WebSocket(core, owner, transport)
    transport.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n" + greeting
    )
    transport.set_protocol(socket)
    # For aiohttp the connection ends here: it forgets the socket instead of closing it. Not before
    # this turn of the loop is over, because it may cancel the request handler we are called from.
    former.transport = None
    asyncio.get_running_loop().call_soon(former.connection_lost, None)
    return socket
