"""Readers that do not read: what waits for them is bounded, and nothing is lost to them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from notifier.core.models import Cursor
from notifier.realtime.messages import NAMESPACE
from tests.realtime.nodes import Running, running, token
from tests.servers import until
from tests.transports.clients import TRANSPORTS, Client, titles_of
from tests.transports.conftest import UNRATIONED

LARGE = {
    "body": "🔔" * 2000,
    "url": "/" + "x" * 2000,
    "data": {"x": "x" * 4000},
    "actions": [{"label": "x", "url": "/" + "x" * 2000}] * 3,
}
"""About as large as a notification can be: 20 KB."""

MISSED = 290
"""So many of them do not fit into what lies between (a system buffers 4 MiB and more), and are not
too many to be replayed."""


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    limits = {"NOTIFIER_LIMITS__OUTBOX_BYTES": "100000", **UNRATIONED}
    async with running(tmp_path, **limits) as node:
        yield node


def narrow(address: object) -> socket.socket:
    """A socket into which little fits."""
    narrow = socket.socket()
    narrow.setblocking(False)
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return narrow


@contextlib.asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(socket_factory=narrow)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=1024) as http:
        yield http


@contextlib.asynccontextmanager
async def deaf_websocket(url: str, auth: dict[str, str]) -> AsyncIterator[None]:
    """Connects and reads no more."""
    address = urlsplit(url)
    packet = b"40%b,%b" % (NAMESPACE.encode(), orjson.dumps(auth))
    upgrade = [
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
        "Host: node",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ]
    # A text frame of 126 bytes or more, under a mask that changes nothing.
    frame = b"\x81\xfe" + len(packet).to_bytes(2, "big") + bytes(4) + packet
    loop = asyncio.get_running_loop()
    with narrow(None) as deaf:
        await loop.sock_connect(deaf, (address.hostname, address.port))
        await loop.sock_sendall(deaf, ("\r\n".join(upgrade) + "\r\n\r\n").encode())
        assert b" 101 " in await loop.sock_recv(deaf, 1024)
        await loop.sock_sendall(deaf, frame)
        yield


@contextlib.asynccontextmanager
async def deaf_engine_polling(url: str, auth: dict[str, str]) -> AsyncIterator[None]:
    """Connects and polls no more."""
    path = f"{url}/socket.io/?EIO=4&transport=polling"
    async with session() as http:
        async with http.get(path) as opened:
            sid = orjson.loads((await opened.text())[1:])["sid"]
        packet = f"40{NAMESPACE},{orjson.dumps(auth).decode()}"
        async with http.post(f"{path}&sid={sid}", data=packet) as connected:
            assert connected.status == 200
        yield


@contextlib.asynccontextmanager
async def deaf_stream(url: str, auth: dict[str, str]) -> AsyncIterator[None]:
    """Asks for a stream and does not read it."""
    async with session() as http:
        path = f"{url}/v1/feed/stream"
        async with http.get(
            path,
            params={"since": auth["since"]},
            headers={"Authorization": f"Bearer {auth['token']}"},
        ) as response:
            assert response.status == 200
            yield


Deaf = Callable[[str, dict[str, str]], AbstractAsyncContextManager[None]]


@pytest.mark.parametrize("deaf", [deaf_websocket, deaf_engine_polling, deaf_stream])
async def test_a_deaf_reader_is_cut_and_complete_when_it_comes_back(
    node: Running, deaf: Deaf
) -> None:
    """On any transport, from its cursor; meanwhile everybody else is served."""
    caller = await node.node.authenticator.user(token("ada"))
    await node.publish("user:ada", "First")
    since = str(Cursor.parse((await node.node.feed.page(caller, {}))["cursor"]))
    async with deaf(node.url, {"token": token("ada"), "since": since}):
        await until(lambda: _is_here(node), what="the reader to be connected")
        for number in range(MISSED):
            await node.publish("user:ada", f"{number}", **LARGE)
        await until(lambda: _is_gone(node), what="the reader to be cut")
    for transport in TRANSPORTS:
        assert await come_back(transport, node, since) == MISSED, transport.name


async def _is_here(node: Running) -> bool:
    return "ada" in node.node.hub.users


async def _is_gone(node: Running) -> bool:
    return not await _is_here(node)


async def come_back(transport: type[Client], node: Running, since: str) -> int:
    """How many notifications a reader gets, all of them in a row."""
    reader = transport([node.url], lambda: token("ada"), Cursor.parse(since))
    try:
        past = await reader.visit()
        assert past[-1].data["recovered"] is True
        assert reader.cursor is not None
        return len(titles_of(past))
    finally:
        await reader.close()
