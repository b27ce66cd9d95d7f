"""The way from long-polling to WebSocket: the client probes the socket, then moves over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import reasons
from .errors import ProtocolError
from .packets import PROBE, PROBE_ANSWER, UPGRADE
from .wheel import NOWHERE

if TYPE_CHECKING:
    from .connection import Connection
    from .core import Core
    from .websocket import WebSocket


class Upgrade:
    """Owns a WebSocket until the client has proved that it works both ways."""

    __slots__ = ("_connection", "_core", "_probed", "slot", "socket")
    busy = False

    def __init__(self, core: Core, connection: Connection) -> None:
        self._core = core
        self._connection = connection
        self._probed = False
        self.socket: WebSocket | None = None
        self.slot = NOWHERE

    def begin(self, socket: WebSocket) -> None:
        """The socket is open; its probe has to come in time."""
        self.socket = socket
        self._connection.upgrade = self
        now = asyncio.get_running_loop().time()
        self._core.lingering.add(socket)
        self._core.wheel.schedule(self, now + self._core.options.upgrade_timeout)

    def readable(self) -> None:
        """Follow the probe: `2probe`, answered by `3probe`, then `5`."""
        while self.socket is not None and (packet := self.socket.take()) is not None:
            if packet == PROBE and not self._probed:
                self._answer_probe(self.socket)
            elif packet == UPGRADE and self._probed:
                self._finish(self.socket)
            else:
                self.fail(ProtocolError("invalid upgrade"))

    def waiting(self) -> None:
        """Nothing but the probe's answer is written here."""

    def emptied(self) -> None:
        """Nothing but the probe's answer is written here."""

    def too_slow(self) -> None:
        """Nothing but the probe's answer is written here."""

    def chatter(self) -> None:
        """Nobody who probes has reason for control frames."""
        self.fail(ProtocolError("invalid upgrade"))

    def fail(self, error: ProtocolError) -> None:
        """The client broke the protocol on this socket; the connection goes on without it."""
        socket = self._leave()
        if socket is not None:
            socket.close(error.code, error.reason)

    def lost(self, reason: str) -> None:
        """The socket is gone; the connection goes on without it."""
        self._leave()

    def cancel(self) -> None:
        """The connection has ended."""
        socket = self._leave()
        if socket is not None:
            socket.close(reasons.NORMAL, "")

    def expire(self, edge: float) -> None:
        """The client took too long."""
        self.fail(ProtocolError("upgrade timeout"))

    def _answer_probe(self, socket: WebSocket) -> None:
        self._probed = True
        socket.send(PROBE_ANSWER)
        if (polling := self._connection.polling) is not None:
            polling.probing = True
            polling.release()

    def _finish(self, socket: WebSocket) -> None:
        polling = self._connection.polling
        if polling is None or polling.posting:
            self.fail(ProtocolError("upgrade before the last post was answered"))
            return
        self._core.wheel.cancel(self)
        self._core.lingering.discard(socket)
        self._core.metrics.upgraded += 1
        self.socket = None
        socket.owner = self._connection
        self._connection.adopt(socket)
        self._connection.readable()

    def _leave(self) -> WebSocket | None:
        self._core.wheel.cancel(self)
        self._connection.upgrade = None
        if (polling := self._connection.polling) is not None:
            polling.probing = False
        socket, self.socket = self.socket, None
        if socket is not None:
            socket.owner = None
        return socket
