"""The way to the reader of a stream: text goes out in time, or not at all."""

from __future__ import annotations

import asyncio
import socket
from typing import Self

from aiohttp import HttpVersion11, web

HEARTBEAT_SECONDS = 15.0
"""Proxies of the Heroku kind cut after 55 s without a byte, others after 30 s."""

HEARTBEAT = b":\n\n"

HIGH_WATER = 65_536
"""Bytes that may wait in the transport. The rest waits where it is shared with other readers."""

SILENCE_MILLISECONDS = 30_000
"""A peer that acknowledges nothing for so long, not even heartbeats, is gone."""

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would collect the events
}


class Line:
    """An answer that has begun, of the type ``text/event-stream``.

    ``patience`` is in seconds.
    """

    def __init__(
        self, response: web.StreamResponse, transport: asyncio.Transport, patience: float
    ) -> None:
        self.response = response
        self._transport = transport
        self._patience = patience
        self._written = 0
        # What was seen at the last change, and when that was.
        self._gone_out = 0
        self._is_behind = False
        self._changed_at = asyncio.get_running_loop().time()

    @classmethod
    async def open(cls, request: web.Request, patience: float) -> Self:
        """Answer the request with a stream. Raises ``ConnectionError`` if nobody is there."""
        response = web.StreamResponse(headers=HEADERS)
        if request.version >= HttpVersion11:
            response.enable_chunked_encoding()
        await response.prepare(request)
        if request.transport is None:
            raise ConnectionResetError
        _notice_silence(request.transport)
        return cls(response, request.transport, patience)

    @property
    def is_cut(self) -> bool:
        """Whether nobody is there any more."""
        return self._transport.is_closing()

    @property
    def is_free(self) -> bool:
        """Whether ``tell`` may be used: the reader is there and not far behind."""
        return self._transport.get_write_buffer_size() < HIGH_WATER and not self.is_cut

    def tell(self, text: bytes) -> None:
        """Write at once, without waiting for the reader."""
        self._written += len(text)
        framed = b"%x\r\n%b\r\n" % (len(text), text) if self.response.chunked else text
        self._transport.write(framed)

    async def write(self, text: bytes) -> None:
        """Write at the reader's pace. Raises ``ConnectionError`` if nobody is there any more."""
        self._written += len(text)
        await self.response.write(text)

    def tick(self, now: float) -> None:
        """Break a long silence. Raises ``TimeoutError`` if the reader has long stopped reading.

        ``now`` is in seconds, as the loop counts them.
        """
        waiting = self._transport.get_write_buffer_size()
        gone_out, is_behind = self._written - waiting, waiting > 0
        if (gone_out, is_behind) != (self._gone_out, self._is_behind):
            self._gone_out, self._is_behind, self._changed_at = gone_out, is_behind, now
        elif is_behind and now - self._changed_at > self._patience:
            raise TimeoutError
        elif not is_behind and now - self._changed_at > HEARTBEAT_SECONDS:
            self.tell(HEARTBEAT)

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
