"""What may stand between a browser and the server: something that lets only some ways through."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

HEAD = 65_536
"""Bytes of a request's head that are read at most."""


class Proxy:
    """Passes requests on to a server, each on a connection of its own, but for blocked ways.

    The ways are ``websocket``, ``sse`` and ``http`` for the rest. A blocked stream is swallowed, as
    by a proxy that collects answers; any other blocked way is reset.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        """The server's port, for requests to come."""
        self._blocked: set[str] = set()
        self._open: dict[asyncio.Task[None], str] = {}
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HEAD)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.block("websocket", "sse", "http")
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def block(self, *ways: str) -> None:
        """Let these ways through no more, and cut what is open on them."""
        self._blocked.update(ways)
        for task, way in self._open.items():
            if way in ways:
                task.cancel()

    def unblock(self) -> None:
        """Let everything through again."""
        self._blocked.clear()
        for task, way in self._open.items():
            if way == "swallowed":
                task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = "http"
        try:
            with contextlib.suppress(asyncio.CancelledError, OSError, EOFError):
                await self._serve(task, reader, writer)
        finally:
            writer.transport.abort()
            del self._open[task]

    async def _serve(
        self,
        task: asyncio.Task[None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        way = _way(head)
        self._open[task] = way
        if way not in self._blocked:
            await self._connect(way, head, reader, writer)
        elif way == "sse":
            self._open[task] = "swallowed"
            await reader.read()

    async def _connect(
        self,
        way: str,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if way != "websocket":
            head = head.replace(b"Connection: keep-alive", b"Connection: close")
        answers, server = await asyncio.open_connection("127.0.0.1", self.target)
        server.write(head)
        asking = asyncio.create_task(_pump(reader, server))
        try:
            await _pump(answers, writer)
        finally:
            asking.cancel()
            server.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(HEAD):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _way(head: bytes) -> str:
    if b"upgrade: websocket" in head.lower():
        return "websocket"
    return "sse" if b"/v1/feed/stream" in head.split(b"\r\n", 1)[0] else "http"
