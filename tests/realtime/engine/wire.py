"""A real server on a free port, and a client that speaks Engine.IO by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

PATIENCE = 10.0


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; fail after a generous time."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


class Wire:
    """Requests to one path of one server."""

    def __init__(self, http: aiohttp.ClientSession, runner: web.AppRunner, path: str) -> None:
        self.http = http
        self.runner = runner
        self.port: int = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}{path}"

    def address(self, transport: str = "polling", sid: str | None = None) -> str:
        """The URL of a request."""
        return f"{self.url}?EIO=4&transport={transport}" + (f"&sid={sid}" if sid else "")

    async def open(self) -> dict[str, Any]:
        """Open a long-polling session; returns its handshake."""
        status, text = await self.get(self.address())
        assert (status, text[0]) == (200, "0")
        return json.loads(text[1:])  # type: ignore[no-any-return]

    async def sid(self) -> str:
        """The id of a new long-polling session."""
        return str((await self.open())["sid"])

    async def get(self, url: str, **options: Any) -> tuple[int, str]:
        """Status and body of a GET."""
        async with self.http.get(url, **options) as response:
            return response.status, await response.text()

    async def poll(self, sid: str) -> tuple[int, str]:
        """Status and body of a poll."""
        return await self.get(self.address(sid=sid))

    async def post(self, sid: str, body: str | bytes) -> tuple[int, str]:
        """Status and body of a POST."""
        async with self.http.post(self.address(sid=sid), data=body) as response:
            return response.status, await response.text()

    @asynccontextmanager
    async def socket(self, sid: str | None = None) -> AsyncIterator[Socket]:
        """A WebSocket, of a new session (its handshake still unread) or to upgrade `sid`."""
        async with self.http.ws_connect(self.address("websocket", sid), max_msg_size=0) as ws:
            yield Socket(ws)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Socket]:
        """A WebSocket of a new session, whose handshake is read."""
        async with self.socket() as socket:
            assert (await socket.text())[0] == "0"
            yield socket

    async def refused(self, url: str) -> int:
        """The status with which a WebSocket is refused."""
        try:
            async with self.http.ws_connect(url):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status


class Socket:
    """One WebSocket."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def send(self, *packets: str | bytes) -> None:
        """Send packets."""
        for packet in packets:
            await (
                self.ws.send_str(packet) if isinstance(packet, str) else self.ws.send_bytes(packet)
            )

    async def receive(self) -> str | bytes:
        """The next packet."""
        message = await self.ws.receive(PATIENCE)
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        return message.data  # type: ignore[no-any-return]

    async def text(self) -> str:
        """The next packet, which is text; pings are answered on the way."""
        while (packet := await self.receive()) == "2":
            await self.send("3")
        assert isinstance(packet, str)
        return packet

    async def closed(self) -> int | None:
        """Read until the socket is closed; returns the close code."""
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await self.ws.receive()
                if message.type in CLOSED:
                    return self.ws.close_code


CLOSED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


@asynccontextmanager
async def serving(
    app: web.Application, path: str = "/engine.io/", *, handler_cancellation: bool = True
) -> AsyncIterator[Wire]:
    """The application on a free port of 127.0.0.1, and a wire to it."""
    runner = web.AppRunner(app, handler_cancellation=handler_cancellation)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    try:
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
            yield Wire(http, runner, path)
    finally:
        await runner.cleanup()
