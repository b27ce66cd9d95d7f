"""The proxy does what a network does, no more and no less."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable

import pytest

from tests.chaos.proxy import WINDOW, Proxy

PATIENCE = 10.0


async def soon(work: Awaitable[bytes]) -> bytes:
    return await asyncio.wait_for(work, PATIENCE)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy in front of a server that answers what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy = Proxy(lambda: port)
    await proxy.start()
    yield proxy
    await proxy.close()
    server.close()
    await server.wait_closed()


class Line:
    """A connection to the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def __aenter__(self) -> Line:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.writer.close()


async def dial(proxy: Proxy) -> Line:
    return Line(*await asyncio.open_connection("127.0.0.1", proxy.port))


async def test_fair_weather(proxy: Proxy) -> None:
    """Everything passes, both ways, unchanged."""
    async with await dial(proxy) as line:
        sent = bytes(range(256)) * 4_000
        line.writer.write(sent)
        assert await soon(line.reader.readexactly(len(sent))) == sent


async def test_latency(proxy: Proxy) -> None:
    """Each direction takes the latency, and the order stays."""
    async with await dial(proxy) as line:
        proxy.change(latency=0.1)
        began = time.monotonic()
        for part in (b"one", b"two", b"three"):
            line.writer.write(part)
            await line.writer.drain()
        assert await soon(line.reader.readexactly(11)) == b"onetwothree"
        assert time.monotonic() - began >= 0.2


async def test_rate(proxy: Proxy) -> None:
    """No more bytes a second pass than the rate allows."""
    async with await dial(proxy) as line:
        proxy.change(rate=100_000)
        began = time.monotonic()
        line.writer.write(bytes(50_000))
        await soon(line.reader.readexactly(50_000))
        assert time.monotonic() - began >= 0.5


async def test_silence_holds_and_lets_go(proxy: Proxy) -> None:
    """While it is silent nothing passes; afterwards everything does."""
    async with await dial(proxy) as line:
        proxy.change(silent=True)
        line.writer.write(b"hello")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(line.reader.read(1), 0.2)
        proxy.change()
        assert await soon(line.reader.readexactly(5)) == b"hello"


async def test_silence_makes_senders_wait(proxy: Proxy) -> None:
    """What a silent proxy keeps is bounded: the sender's own window fills up."""
    async with await dial(proxy) as line:
        proxy.change(silent=True)
        line.writer.write(bytes(64 * WINDOW))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(line.writer.drain(), 0.5)
        proxy.change()
        assert len(await soon(line.reader.readexactly(64 * WINDOW))) == 64 * WINDOW


async def test_cut(proxy: Proxy) -> None:
    """A cut connection ends, others can be opened."""
    async with await dial(proxy) as line:
        line.writer.write(b"hello")
        await soon(line.reader.readexactly(5))
        proxy.cut()
        assert await soon(line.reader.read()) == b""
    async with await dial(proxy) as line:
        line.writer.write(b"again")
        assert await soon(line.reader.readexactly(5)) == b"again"


async def test_reset(proxy: Proxy) -> None:
    """A reset connection is an error for who reads from it."""
    async with await dial(proxy) as line:
        line.writer.write(b"hello")
        await soon(line.reader.readexactly(5))
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await soon(line.reader.read())
        assert not proxy.links


async def test_a_server_that_is_gone(proxy: Proxy) -> None:
    """Who connects while nobody listens at the target is reset."""
    proxy.target = lambda: 1
    async with await dial(proxy) as line:
        with pytest.raises(ConnectionResetError):
            await soon(line.reader.read())


async def test_the_end_passes(proxy: Proxy) -> None:
    """When the client ends, the server sees the end after all that was sent before."""
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.read())
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        proxy.target = lambda: port
        async with await dial(proxy) as line:
            proxy.change(latency=0.05)
            line.writer.write(b"last words")
        assert await soon(heard) == b"last words"
