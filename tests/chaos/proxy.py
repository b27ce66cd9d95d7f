"""A TCP proxy that does to connections what networks do: delay, slow down, swallow, cut, reset."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import cast

WINDOW = 262_144
"""Bytes that may wait in one direction before the sender is made to wait."""

ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset instead of an orderly end."""


@dataclass(slots=True)
class Weather:
    """What the network is like, for all connections of a proxy and both directions.

    ``latency`` in seconds, ``rate`` in bytes a second of each direction (0: as fast as it goes).
    ``silent``: nothing passes and nothing is refused, like a cable that was pulled out; what was
    sent meanwhile passes afterwards, as the retransmissions of TCP would.
    """

    latency: float = 0.0
    rate: float = 0.0
    silent: bool = False

    @property
    def fair(self) -> bool:
        return not (self.latency or self.rate or self.silent)


class Proxy:
    """Connects clients with the server at ``target()`` (a port, asked at every connection)."""

    def __init__(self, target: Callable[[], int]) -> None:
        self.target = target
        self.weather = Weather()
        self.refusing = False
        self.port = 0
        self.accepted = 0
        self.links: set[Link] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Link(self).near, "127.0.0.1", 0, backlog=8192
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self.reset()
            await self._server.wait_closed()

    def change(self, *, latency: float = 0.0, rate: float = 0.0, silent: bool = False) -> None:
        """Change the weather for all connections, those that are open included."""
        self.weather = Weather(latency, rate, silent)
        for link in list(self.links):
            link.near.flush()
            link.far.flush()

    def cut(self, links: Collection[Link] | None = None) -> None:
        """End connections (all, if none are named) in an orderly way, on both sides."""
        for link in list(self.links if links is None else links):
            link.close()

    def reset(self, links: Collection[Link] | None = None) -> None:
        """End connections (all, if none are named) with a reset, losing what is under way."""
        for link in list(self.links if links is None else links):
            link.abort()


class Link:
    """One connection: its side near the client and its side at the server."""

    __slots__ = ("far", "near", "proxy", "task")

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.near = _Side(self)
        self.far = _Side(self)
        self.near.peer, self.far.peer = self.far, self.near
        self.task: asyncio.Task[None] | None = None

    def opened(self) -> None:
        self.proxy.accepted += 1
        self.proxy.links.add(self)
        if self.proxy.refusing:
            self.abort()
        else:
            self.task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.far, "127.0.0.1", self.proxy.target())
        except OSError:
            self.abort()

    def close(self) -> None:
        self.proxy.links.discard(self)
        for side in (self.near, self.far):
            if side.transport is not None:
                side.transport.close()

    def abort(self) -> None:
        self.proxy.links.discard(self)
        if self.task is not None:
            self.task.cancel()
        for side in (self.near, self.far):
            side.abort()


class _Side(asyncio.Protocol):
    """One end of a link. What it receives goes to its peer, late if the weather is bad."""

    __slots__ = ("_due", "_link", "_size", "_timer", "_waiting", "peer", "transport")

    peer: _Side

    def __init__(self, link: Link) -> None:
        self._link = link
        self.transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        self._size = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # those of uvloop only act like one
        if self is self._link.near:
            self._link.opened()
        elif self._link not in self._link.proxy.links:
            self.abort()
        else:
            self.peer.flush()

    def data_received(self, data: bytes) -> None:
        peer = self.peer.transport
        if not self._waiting and self._link.proxy.weather.fair and peer is not None:
            _write(peer, data)
        else:
            self._put(data)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._link.abort()
        else:
            self._put(None)

    def pause_writing(self) -> None:
        """The receiver is slow: let the sender wait."""
        self.peer.listen(False)

    def resume_writing(self) -> None:
        self.peer.listen(self.peer._size < WINDOW)

    # What waits for its time

    def _put(self, data: bytes | None) -> None:
        now = asyncio.get_running_loop().time()
        weather, size = self._link.proxy.weather, len(data or b"")
        start = max(now, self._due) if weather.rate else now
        self._due = start + (size / weather.rate if weather.rate else 0.0)
        self._waiting.append((self._due + weather.latency, data))
        self._size += size
        self.listen(self._size < WINDOW)
        self.flush()

    def flush(self) -> None:
        """Pass on what is due now, and come back for the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop, peer = asyncio.get_running_loop(), self.peer.transport
        weather = self._link.proxy.weather
        if weather.silent or peer is None:
            return
        while self._waiting and (weather.fair or self._waiting[0][0] <= loop.time()):
            data = self._waiting.popleft()[1]
            if data is None:
                self._link.close()
                return
            self._size -= len(data)
            _write(peer, data)
        if self._waiting:
            self._timer = loop.call_at(self._waiting[0][0], self.flush)
        self.listen(self._size < WINDOW)

    def listen(self, on: bool) -> None:
        """Read on, or let the sender wait."""
        if self.transport is None or self.transport.is_closing():
            return
        if on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def abort(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        transport = self.transport
        if transport is not None and not transport.is_closing():
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            transport.abort()


def _write(transport: asyncio.Transport, data: bytes) -> None:
    """Write to a transport; whoever has gone gets nothing (uvloop would raise an error)."""
    if not transport.is_closing():
        transport.write(data)
