"""A node opens whole or not at all, serves, and leaves in good order."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from notifier.app import create_app, open_node
from notifier.config import Config, load_config
from notifier.core.models import PUBLISH
from notifier.errors import StoreUnavailable
from notifier.http.tokens import TokenRules, sign
from notifier.realtime.messages import NAMESPACE
from tests.conftest import StartNotifier
from tests.realtime.engine.wire import until
from tests.realtime.nodes import SECRET, Client, Running, running, token
from tests.servers import Mongod, free_port
from tests.servers import until as eventually


def settings(store: str, **variables: str) -> Config:
    return load_config(
        {
            "NOTIFIER_ENV": "test",
            "NOTIFIER_STORE": store,
            "NOTIFIER_JWT_SECRET": SECRET,
            **variables,
        }
    )


def publisher() -> dict[str, str]:
    """The headers of somebody who may publish."""
    rules = TokenRules(secrets=(SECRET,))
    return {"Authorization": f"Bearer {sign(rules, 'shop', lifetime=3600, scopes=[PUBLISH])}"}


def traces() -> tuple[set[str], set[str]]:
    """What a node leaves behind if it leaves anything: tasks and threads."""
    tasks = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
    return tasks, {t.name for t in threading.enumerate() if t.name.startswith("sqlite-")}


async def publish(url: str, to: str, title: str = "Hello", **headers: str) -> tuple[int, Any]:
    """Publish by REST; status and body."""
    async with (
        aiohttp.ClientSession(headers={**publisher(), **headers}) as http,
        http.post(f"{url}/v1/notifications", json={"to": to, "title": title}) as answer,
    ):
        return answer.status, await answer.json()


async def readiness(url: str) -> int:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as answer:
        return answer.status


# Opening and closing


async def test_a_node_leaves_nothing_behind(redis_url: str, tmp_path: Path) -> None:
    """Neither a task nor a thread, with Redis or without."""
    before = traces()
    for variables in ({}, {"REDIS_URL": redis_url}):
        async with open_node(settings(f"sqlite:///{tmp_path}/notifier.db", **variables)) as node:
            await node.hub.join(["everyone"])
            assert traces() != before
        await until(lambda: traces() == before)


async def test_a_store_that_cannot_be_opened_opens_nothing(redis_url: str, tmp_path: Path) -> None:
    """The error is that of the store, and nothing was started."""
    (tmp_path / "folder.db").mkdir()
    before = traces()
    with pytest.raises(StoreUnavailable):
        async with open_node(settings(f"sqlite:///{tmp_path}/folder.db", REDIS_URL=redis_url)):
            pytest.fail("it opened")
    await until(lambda: traces() == before)


async def test_a_failure_halfway_closes_what_was_opened(redis_url: str, tmp_path: Path) -> None:
    """The store and Redis are closed again when a later part cannot be built."""
    config = settings(f"sqlite:///{tmp_path}/notifier.db", REDIS_URL=redis_url)
    broken = replace(config, engine=replace(config.engine, ping_interval=-1.0))
    before = traces()
    with pytest.raises(ValueError, match="ping_interval"):
        async with open_node(broken):
            pytest.fail("it opened")
    await until(lambda: traces() == before)


async def test_a_node_opens_without_its_redis(tmp_path: Path) -> None:
    """It serves its own users, and goes on being given work: no other node is better off."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with running(tmp_path, REDIS_URL=url) as site:
        async with site.synced("ada") as ada:
            await site.publish("user:ada")
            await ada.until("notification")
        assert await readiness(site.url) == 200


async def test_a_node_is_part_of_another_application(tmp_path: Path) -> None:
    """Whoever runs aiohttp mounts nothing and closes nothing: it comes with its own routes."""
    before = traces()
    app = await create_app(settings(f"sqlite:///{tmp_path}/notifier.db"))

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="mine")

    app.router.add_get("/mine", hello)
    async with TestServer(app, host="127.0.0.1") as server:
        url = str(server.make_url("/")).rstrip("/")
        async with aiohttp.ClientSession() as http, http.get(f"{url}/mine") as answer:
            assert await answer.text() == "mine"
        async with Client(url, {"token": token("ada")}) as ada:
            await ada.until("synced")
            assert (await publish(url, "user:ada"))[0] == 201
            await ada.until("notification")
    await until(lambda: traces()[1] == before[1])


# Leaving


async def test_a_leaving_node_refuses_the_new_and_sends_the_old_away(tmp_path: Path) -> None:
    """While one client is slow to go: readiness fails, connections are refused, publishing works.

    What is published is stored, and read on another node.
    """
    async with running(tmp_path) as site, site.synced("ada") as ada, lingering(site) as slow:
        leaving = asyncio.create_task(site.node.drain())
        [goodbye] = await ada.until("goodbye")
        assert goodbye["reason"] == "shutdown"
        assert goodbye["reconnect_after"] > 0
        await until(lambda: not ada.connected)
        assert not leaving.done()
        assert await readiness(site.url) == 503
        assert await site.wire.refused(site.wire.address("websocket")) == 503
        assert (await publish(site.url, "user:ada"))[0] == 201
        slow.transport.abort()
        await asyncio.wait_for(leaving, 10)


@asynccontextmanager
async def lingering(site: Running) -> AsyncIterator[asyncio.StreamWriter]:
    """A WebSocket whose client never says goodbye, for as long as the server allows."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.wire.port)
    writer.write(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    try:
        yield writer
    finally:
        writer.close()


async def test_sigterm_ends_a_server_in_good_order(
    start_notifier: StartNotifier, tmp_path: Path
) -> None:
    """Clients are told and closed with 1001, on which they reconnect; the exit status is 0."""
    server = await start_notifier(
        NOTIFIER_ENV="test",
        NOTIFIER_JWT_SECRET=SECRET,
        NOTIFIER_STORE=f"sqlite:///{tmp_path}/notifier.db",
    )
    async with (
        Client(server.url, {"token": token("ada")}) as ada,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{server.url}/socket.io/?EIO=4&transport=websocket") as socket,
    ):
        await ada.until("synced")
        await socket.send_str(f'40{NAMESPACE},{{"token":"{token("grace")}"}}')
        await said(socket, "synced")
        assert (await publish(server.url, "everyone", "last words"))[0] == 201
        began = time.monotonic()
        ending = asyncio.create_task(server.stop())
        assert (await ada.until("goodbye"))[0]["reason"] == "shutdown"
        await said(socket, "goodbye")
        assert (await socket.receive()).data == 1001
        assert await ending == 0
        assert time.monotonic() - began < 10
        assert ada.titles == ["last words"]


async def said(socket: aiohttp.ClientWebSocketResponse, event: str) -> None:
    """Read until the server sends this event."""
    async with asyncio.timeout(20):
        while f'"{event}"' not in (await socket.receive_str()):
            pass


# The store is away


async def test_without_the_store_nothing_is_accepted_and_nobody_is_cut_off(mongod: Mongod) -> None:
    """Not ready, 503 with the time to wait, sockets open; afterwards nothing was half stored."""
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(running(mongod.uri))
        ada = await stack.enter_async_context(site.synced("ada"))
        await mongod.kill()
        assert await readiness(site.url) == 503
        status, problem = await publish(site.url, "user:ada", "never")
        assert (status, problem["code"]) == (503, "store_unavailable")
        assert (await ada.refused("feed"))["code"] == "store_unavailable"
        assert ada.connected
        await mongod.start()
        await eventually(lambda: ready(site), what="readiness")
        assert (await publish(site.url, "user:ada", "after"))[0] == 201
        await ada.until("notification")
        assert ada.titles == ["after"]
        page = await ada.call("feed")
        assert [item["title"] for item in page["items"]] == ["after"]


async def ready(site: Running) -> bool:
    return await readiness(site.url) == 200


async def test_the_cursor_of_many_topics_passes(start_notifier: StartNotifier) -> None:
    """Streams and polls carry it in their address."""
    server = await start_notifier(NOTIFIER_JWT_SECRET=SECRET)
    since = ";".join(f"topic:{number:0>100}=0" for number in range(100))
    assert len(since) > 8_190
    headers = {"Authorization": f"Bearer {token('ada')}"}
    query = {"since": since, "wait": "0"}
    async with (
        aiohttp.ClientSession(server.url, headers=headers) as session,
        session.get("/v1/feed/poll", params=query) as response,
    ):
        assert response.status == 200, await response.text()
