"""Connections that end in every rude way leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable

import pytest

from notifier.realtime.engine import Connection
from notifier.realtime.engine.websocket import WebSocket
from tests.realtime.engine.conftest import Site, StartSite
from tests.realtime.engine.wire import until

# The full measure, tens of thousands, is a matter of this number.
ROUNDS = int(os.environ.get("NOTIFIER_LEAK_ROUNDS", "40"))
AT_ONCE = 20
POLLING = "/engine.io/?EIO=4&transport=polling"
SOCKET = "/engine.io/?EIO=4&transport=websocket"


async def mid_request(site: Site) -> None:
    """Ends in the middle of the request line."""
    async with site.rude() as client:
        await client.send(b"GET /engine.io/?EIO=4&tran")


async def after_request(site: Site) -> None:
    """Resets without reading the handshake."""
    async with site.rude() as client:
        await client.request("GET", POLLING)
        client.reset()


async def mid_websocket_handshake(site: Site) -> None:
    """Resets with the WebSocket handshake under way."""
    async with site.rude() as client:
        await client.request(
            "GET", SOCKET, "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )  # fmt: skip
        client.reset()


async def mid_frame(site: Site) -> None:
    """Resets in the middle of a frame."""
    async with site.rude() as client:
        await client.upgrade(SOCKET)
        await client.send(b"\x81\xfe\x10\x00half a fra")
        client.reset()


async def with_messages_on_the_way(site: Site) -> None:
    """Closes with messages that nobody has handled and answers nobody reads."""
    async with site.rude() as client:
        await client.upgrade(SOCKET)
        for _ in range(5):
            await client.packet("4" + "x" * 1000)


async def garbage(site: Site) -> None:
    """Sends something that is not a frame."""
    async with site.rude() as client:
        await client.upgrade(SOCKET)
        await client.send(os.urandom(64))


async def half_open(site: Site) -> None:
    """Closes its sending half and waits."""
    async with site.rude() as client:
        await client.upgrade(SOCKET)
        client.half_close()
        await client.read_all()


async def mid_poll(site: Site) -> None:
    """Drops its poll."""
    sid = await site.wire.sid()
    async with site.rude() as client:
        await client.request("GET", f"{POLLING}&sid={sid}")


async def mid_post(site: Site) -> None:
    """Resets in the middle of a body."""
    sid = await site.wire.sid()
    async with site.rude() as client:
        await client.request("POST", f"{POLLING}&sid={sid}", "Content-Length: 99", body=b"4ab")
        client.reset()


async def mid_upgrade(site: Site) -> None:
    """Resets the probed WebSocket and never polls again."""
    sid = await site.wire.sid()
    async with site.rude() as client:
        await client.upgrade(f"{SOCKET}&sid={sid}")
        await client.packet("2probe")
        client.reset()


async def never_probing(site: Site) -> None:
    """Opens a WebSocket to upgrade and does nothing."""
    sid = await site.wire.sid()
    async with site.rude() as client:
        await client.upgrade(f"{SOCKET}&sid={sid}")
        await asyncio.sleep(0)


async def after_upgrade(site: Site) -> None:
    """Upgrades, with a poll waiting, and resets."""
    sid = await site.wire.sid()
    async with site.rude() as poll, site.rude() as client:
        await poll.request("GET", f"{POLLING}&sid={sid}")
        await client.upgrade(f"{SOCKET}&sid={sid}")
        await client.packet("2probe")
        await client.packet("5")
        client.reset()


async def silent(site: Site) -> None:
    """Opens a session and is never heard of again."""
    await site.wire.sid()


RUDE = [
    mid_request, after_request, mid_websocket_handshake, mid_frame, with_messages_on_the_way,
    garbage, half_open, mid_poll, mid_post, mid_upgrade, never_probing, after_upgrade, silent,
]  # fmt: skip


def open_files() -> int:
    """How many file descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))


def objects(kind: type) -> int:
    """How many objects of a type are alive."""
    gc.collect()
    return sum(isinstance(each, kind) for each in gc.get_objects())


@pytest.mark.parametrize("way", RUDE, ids=lambda way: way.__name__)
async def test_nothing_is_left(start: StartSite, way: Callable[[Site], Awaitable[None]]) -> None:
    """Tasks, timers, file descriptors and objects are as many as before; each end was told."""
    site = await start(ping_interval=0.4, ping_timeout=0.2, upgrade_timeout=0.1, close_timeout=0.1)
    await way(site)
    await until(lambda: not site.engine.connections and not site.engine.core.lingering)
    await until(lambda: not site.runner.server.connections)  # type: ignore[union-attr]
    before = len(asyncio.all_tasks()), open_files()
    for _ in range(ROUNDS // AT_ONCE or 1):
        # A slow machine may find its connection ended by one of the short deadlines: also an end.
        ends = await asyncio.gather(*(way(site) for _ in range(AT_ONCE)), return_exceptions=True)
        assert all(end is None or isinstance(end, ConnectionError) for end in ends), ends
    await until(lambda: not site.engine.connections and not site.engine.core.lingering)
    await until(lambda: not site.runner.server.connections)  # type: ignore[union-attr]
    await until(lambda: (len(asyncio.all_tasks()), open_files()) <= before)
    assert len(site.engine.core.wheel) == 0
    assert site.engine.core.wheel._timer is None
    assert site.engine.core.admission.total == 0
    assert site.engine.core.admission._counts == {}
    metrics = site.engine.metrics
    gauges = metrics.polling_connections, metrics.websocket_connections, metrics.outbox_bytes
    assert gauges == (0, 0, 0)
    assert sorted(sid for sid, _ in site.disconnected) == sorted(site.connected)
    assert (objects(Connection), objects(WebSocket)) == (0, 0)
