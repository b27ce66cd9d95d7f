"""The way to the reader of a stream: text goes out in time, or not at all."""

from __future__ import annotations

import asyncio
import socket
from typing import Self

from aiohttp import web

SILENCE_MILLISECONDS = 30_000
"""A peer that acknowledges nothing for so long, not even heartbeats, is gone."""

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would collect the events
}


class Line:
    """An answer that has begun, of the type ``text/event-stream``.

    ``patience`` is in seconds; 0: without end.
    """

    def __init__(
        self, response: web.StreamResponse, transport: asyncio.Transport, patience: float
    ) -> None:
        self.response = response
        self._transport = transport
        self._patience = patience or None

    @classmethod
    async def open(cls, request: web.Request, patience: float) -> Self:
        """Answer the request with a stream. Raises ``ConnectionError`` if nobody is there."""
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        if request.transport is None:
            raise ConnectionResetError
        _notice_silence(request.transport)
        return cls(response, request.transport, patience)

    async def write(self, text: bytes) -> None:
        """Raises ``TimeoutError`` if the reader does not read, ``ConnectionError`` if gone."""
        async with asyncio.timeout(self._patience):
            await self.response.write(text)

    async def end(self) -> None:
        await self.response.write_eof()

    def cut(self) -> None:
        """End the connection without waiting for anything."""
        self._transport.abort()


def _notice_silence(transport: asyncio.Transport) -> None:
    """A peer that vanished answers nothing; by itself TCP would wait a quarter of an hour."""
    peer = transport.get_extra_info("socket")
    if peer is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_MILLISECONDS)
