"""The way to the reader of a stream, on a real socket, with a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from notifier.http.line import HEARTBEAT, HEARTBEAT_SECONDS, HIGH_WATER, Line

PATIENCE = 10.0


@asynccontextmanager
async def lines(version: str) -> AsyncIterator[tuple[Line, socket.socket]]:
    """A line that was opened for a request of this version of HTTP, and its reader's socket."""
    opened: asyncio.Future[Line] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        line = await Line.open(request, PATIENCE)
        opened.set_result(line)
        await over.wait()
        return line.response

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    loop = asyncio.get_running_loop()
    with socket.socket() as reader:
        reader.setblocking(False)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(reader, runner.addresses[0])
        await loop.sock_sendall(reader, f"GET / HTTP/{version}\r\nHost: x\r\n\r\n".encode())
        try:
            yield await opened, reader
        finally:
            over.set()
            (await opened).cut()
            await runner.cleanup()


async def read_until(reader: socket.socket, end: bytes) -> bytes:
    """What has come, once it ends like this."""
    text = b""
    async with asyncio.timeout(20):
        while not text.endswith(end):
            text += await asyncio.get_running_loop().sock_recv(reader, 65_536)
    return text


async def tick_on(line: Line, now: float) -> None:
    """Let time pass for a hundred times the patience of the line."""
    for _ in range(100):
        now += PATIENCE + 1
        line.tick(now)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("version", "end"), [("1.1", b"3\r\nabc\r\n4\r\ndefg\r\n"), ("1.0", b"\r\n\r\nabcdefg")]
)
async def test_both_ways_to_write_are_framed_alike(version: str, end: bytes) -> None:
    """In chunks where HTTP has them, bare where it has not, in the order of the calls."""
    async with lines(version) as (line, reader):
        await line.write(b"abc")
        line.tell(b"defg")
        await read_until(reader, end)


async def test_a_silent_line_gets_a_heartbeat() -> None:
    """Once it has been silent for long enough, and again after as long."""
    async with lines("1.1") as (line, reader):
        now = asyncio.get_running_loop().time()
        for _ in range(2):
            line.tick(now)
            line.tick(now + HEARTBEAT_SECONDS - 1)
            now += HEARTBEAT_SECONDS + 1
            line.tick(now)
        line.tell(b"end")
        text = await read_until(reader, b"end\r\n")
        assert text.count(HEARTBEAT) == 2


async def test_who_does_not_read_is_given_up() -> None:
    """When nothing at all has gone out for so long; progress, however slow, is patience renewed."""
    async with lines("1.1") as (line, reader):
        for _ in range(200):
            line.tell(b"x" * HIGH_WATER)
        assert not line.is_free
        now = asyncio.get_running_loop().time() + 1000
        line.tick(now)
        line.tick(now + PATIENCE)
        waiting = line._transport.get_write_buffer_size()
        async with asyncio.timeout(20):
            while line._transport.get_write_buffer_size() == waiting:
                await asyncio.get_running_loop().sock_recv(reader, 65_536)
        line.tick(now + PATIENCE + 1)
        line.tick(now + 2 * PATIENCE)
        # What the reader made room for may go out a little later.
        with pytest.raises(TimeoutError):
            await tick_on(line, now + 3 * PATIENCE)


async def test_a_line_that_was_cut_takes_no_more() -> None:
    """It is not free, and says that nobody is there."""
    async with lines("1.1") as (line, _):
        assert line.is_free
        line.cut()
        assert line.is_cut
        assert not line.is_free
        with pytest.raises(ConnectionError):
            await line.write(b"abc")
