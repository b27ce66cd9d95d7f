"""The way in for python-socketio users: what a stock Redis manager emits is published."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import orjson
import pytest
import socketio
from redis import asyncio as aioredis

from notifier.core.models import Entry, Publication, Receipt
from notifier.errors import StoreUnavailable
from notifier.realtime.inlet import InletMetrics
from notifier.realtime.messages import NAMESPACE
from notifier.redis import lease
from tests.conftest import StartNotifier
from tests.realtime.engine.wire import until
from tests.realtime.nodes import SECRET, Client, Running, running, token
from tests.servers import NotifierProcess, Valkey, clean_environment
from tests.servers import until as eventually


class Cluster:
    """Nodes that share a store and a Redis."""

    def __init__(self, redis_url: str, nodes: list[Running], channel: str) -> None:
        self.redis_url = redis_url
        self.nodes = nodes
        self.channel = channel

    def metrics(self) -> InletMetrics:
        """Those of all nodes together."""
        parts = [node.node.inlet.metrics for node in self.nodes if node.node.inlet is not None]
        return InletMetrics(
            *(sum(getattr(p, name) for p in parts) for name in InletMetrics.__slots__)
        )

    @property
    def holders(self) -> list[Running]:
        """The nodes that hold the lease."""
        return [n for n in self.nodes if n.node.inlet is not None and n.node.inlet.holds_lease]

    async def stored(self, audience: str) -> list[Entry]:
        found = await self.nodes[0].node.store.after({audience: 0}, limit=100, now=0)
        return found.get(audience, [])

    async def handled(self, count: int) -> None:
        """Wait until so many messages have been accepted or refused."""
        await until(lambda: self.metrics().accepted + self.metrics().refused >= count)


@asynccontextmanager
async def cluster(redis_url: str, folder: Path, size: int) -> AsyncIterator[Cluster]:
    channel = f"test-{uuid4().hex[:12]}"
    variables = {"REDIS_URL": redis_url, "NOTIFIER_REDIS__CHANNEL": channel}
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(running(folder, **variables)) for _ in range(size)]
        together = Cluster(redis_url, nodes, channel)
        await until(lambda: len(together.holders) == 1)
        await until(lambda: all(hears(node, channel) for node in nodes))
        yield together


def hears(site: Running, channel: str) -> bool:
    channels = site.node.channels
    return channels is not None and channels.healthy and channel in channels._heard


@pytest.fixture
async def pair(redis_url: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(redis_url, tmp_path, 2) as together:
        yield together


@pytest.fixture
async def stock(pair: Cluster) -> AsyncIterator[socketio.AsyncRedisManager]:
    """python-socketio's own manager, as an application uses it to emit from elsewhere."""
    manager = socketio.AsyncRedisManager(pair.redis_url, channel=pair.channel, write_only=True)
    yield manager
    await manager.redis.aclose()


HELLO = {"title": "Hello", "type": "message"}


async def test_an_emitted_notification_is_published_once(
    pair: Cluster, stock: socketio.AsyncRedisManager
) -> None:
    """Both nodes hear it, one stores it, both deliver it; the room is the audience."""
    async with pair.nodes[0].synced("ada") as phone, pair.nodes[1].synced("ada") as laptop:
        for n in range(10):
            await stock.emit(
                "notification", {"title": str(n)}, room="user:ada", namespace=NAMESPACE
            )
        for client in (phone, laptop):
            await client.until("notification", 10)
            assert client.titles == [str(n) for n in range(10)]
    assert len(await pair.stored("user:ada")) == 10
    assert (pair.metrics().accepted, pair.metrics().refused) == (10, 0)


SYNC_EMITTER = """
import sys, socketio
manager = socketio.RedisManager(sys.argv[1], channel=sys.argv[2], write_only=True)
manager.emit("notification", {"title": "from another process"}, room="user:ada",
             namespace="/notifications")
"""


async def test_a_synchronous_manager_in_another_process(pair: Cluster) -> None:
    """A script without a loop emits in three lines."""
    async with pair.nodes[0].synced("ada") as ada:
        script = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SYNC_EMITTER, pair.redis_url, pair.channel,
            env=clean_environment(),
        )  # fmt: skip
        assert await script.wait() == 0
        await ada.until("notification")
        assert ada.titles == ["from another process"]


@pytest.mark.parametrize(
    ("room", "data", "audiences"),
    [
        ("everyone", HELLO, ["everyone"]),
        (["user:ada", "role:admin"], HELLO, ["role:admin", "user:ada"]),
        (None, {**HELLO, "to": ["user:ada", "topic:x"]}, ["topic:x", "user:ada"]),
        ("user:ada", {**HELLO, "to": "everyone"}, ["user:ada"]),
    ],
    ids=["a room", "several rooms", "no room but to", "a room wins over to"],
)
async def test_the_room_says_to_whom(
    pair: Cluster,
    stock: socketio.AsyncRedisManager,
    room: Any,
    data: dict[str, Any],
    audiences: list[str],
) -> None:
    """As in python-socketio; without a room the notification names its audiences itself."""
    await stock.emit("notification", data, room=room, namespace=NAMESPACE)
    await pair.handled(1)
    everywhere = ["everyone", "user:ada", "role:admin", "topic:x"]
    heads = await pair.nodes[0].node.store.heads(everywhere)
    assert sorted(audience for audience, seq in heads.items() if seq) == audiences


REFUSED = {
    "not valid": ("notification", {"title": "SECRET", "url": "javascript:SECRET"}, NAMESPACE),
    "unknown field": ("notification", {"title": "SECRET", "oops\n": 1}, NAMESPACE),
    "unknown type": ("notification", {"title": "SECRET", "type": "SECRET"}, NAMESPACE),
    "many unknown fields": ("notification", dict.fromkeys(map(str, range(9999)), 1), NAMESPACE),
    "no object": ("notification", "SECRET", NAMESPACE),
    "two arguments": ("notification", ({"title": "SECRET"}, 1), NAMESPACE),
    "no argument": ("notification", None, NAMESPACE),
    "binary": ("notification", {"title": b"SECRET"}, NAMESPACE),
    "other event": ("message", {"title": "SECRET"}, NAMESPACE),
    "other namespace": ("notification", {"title": "SECRET"}, "/"),
}


@pytest.mark.parametrize(("event", "data", "namespace"), REFUSED.values(), ids=REFUSED.keys())
async def test_anything_else_is_refused_and_noted_without_its_content(
    pair: Cluster,
    stock: socketio.AsyncRedisManager,
    caplog: pytest.LogCaptureFixture,
    event: str,
    data: Any,
    namespace: str,
) -> None:
    """One short line in the log says why; nothing is stored, and the next one is published."""
    await stock.emit(event, data, room="user:ada", namespace=namespace)
    await stock.emit("notification", HELLO, room="user:ada", namespace=NAMESPACE)
    await pair.handled(2)
    assert (pair.metrics().accepted, pair.metrics().refused) == (1, 1)
    [entry] = await pair.stored("user:ada")
    assert orjson.loads(entry.wire())["title"] == "Hello"
    [record] = [r for r in caplog.records if r.name == "notifier.realtime.inlet"]
    assert record.levelno == logging.WARNING
    line = record.getMessage()
    assert "SECRET" not in line
    assert "\n" not in line
    assert len(line) < 400


async def test_a_store_that_is_away_for_a_moment_loses_nothing(
    pair: Cluster, stock: socketio.AsyncRedisManager
) -> None:
    """What was heard waits and is tried again."""
    [holder] = pair.holders
    append = holder.node.store.append
    failures = 0

    async def failing(*args: Any) -> Any:
        nonlocal failures
        failures += 1
        if failures < 3:
            raise StoreUnavailable("away")
        return await append(*args)

    holder.node.store.append = failing  # type: ignore[method-assign]
    await stock.emit("notification", HELLO, room="user:ada", namespace=NAMESPACE)
    await pair.handled(1)
    assert len(await pair.stored("user:ada")) == 1


async def test_another_node_takes_over_when_the_holder_leaves(
    redis_url: str, tmp_path: Path
) -> None:
    """At once when it says so: nothing emitted afterwards is lost or stored twice."""
    async with cluster(redis_url, tmp_path, 2) as together:
        [holder] = together.holders
        [other] = [node for node in together.nodes if node is not holder]
        assert holder.node.inlet is not None
        assert other.node.inlet is not None
        await holder.node.inlet.close()
        await until(lambda: other in together.holders)
        manager = socketio.AsyncRedisManager(redis_url, channel=together.channel, write_only=True)
        await manager.emit("notification", HELLO, room="user:ada", namespace=NAMESPACE)
        await until(lambda: other.node.inlet.metrics.accepted == 1)
        assert len(await together.stored("user:ada")) == 1
        await manager.redis.aclose()


async def test_the_lease_is_lost_with_redis_and_found_again(valkey: Valkey, tmp_path: Path) -> None:
    """Nobody holds it while Redis is away; exactly one node does when it is back."""
    async with cluster(valkey.url, tmp_path, 2) as together:
        await valkey.kill()
        await until(lambda: not together.holders)
        await valkey.start()
        await until(lambda: len(together.holders) == 1)
        await until(lambda: all(hears(node, together.channel) for node in together.nodes))
        async with aioredis.Redis.from_url(valkey.url) as redis:
            message = {"method": "emit", "event": "notification", "data": [HELLO]}
            target = {"room": "everyone", "namespace": NAMESPACE}
            await redis.publish(together.channel, orjson.dumps(message | target))
        await together.handled(1)
        assert len(await together.stored("everyone")) == 1


async def test_a_redis_that_lost_its_data_has_one_holder(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who held the lease before, and was not asked again yet, leaves it to who has got it now."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", 60.0)
    async with cluster(valkey.url, tmp_path, 2) as together:
        [holder] = together.holders
        [other] = [node for node in together.nodes if node is not holder]
        assert holder.node.inlet is not None
        renewing = holder.node.inlet._lease._task
        assert renewing is not None
        renewing.cancel()
        await valkey.kill()
        shutil.rmtree(valkey.folder / "appendonlydir")
        await valkey.start()
        await until(lambda: all(hears(node, together.channel) for node in together.nodes))
        await until(lambda: together.holders == [other])


async def test_a_store_that_fails_after_it_has_written_keeps_it_once(pair: Cluster) -> None:
    """What is tried again is the same notification."""
    [holder] = pair.holders
    store = holder.node.store
    append, failures = store.append, 1

    async def failing(publication: Publication) -> Receipt:
        nonlocal failures
        receipt = await append(publication)
        failures -= 1
        if failures >= 0:
            raise StoreUnavailable("The answer was lost.")
        return receipt

    store.append = failing  # type: ignore[method-assign]
    manager = socketio.AsyncRedisManager(pair.redis_url, channel=pair.channel, write_only=True)
    await manager.emit("notification", HELLO, room="user:ada", namespace=NAMESPACE)
    await pair.handled(1)
    assert failures == -1
    assert len(await pair.stored("user:ada")) == 1
    await manager.redis.aclose()


async def test_the_lease_passes_on_from_a_killed_node(
    start_notifier: StartNotifier, valkey: Valkey, tmp_path: Path
) -> None:
    """After kill -9 of the holder the other node publishes what is emitted, within seconds."""
    env = {
        "REDIS_URL": valkey.url,
        "NOTIFIER_ENV": "test",
        "NOTIFIER_STORE": f"sqlite:///{tmp_path}/shared.db",
        "NOTIFIER_JWT_SECRET": SECRET,
    }
    nodes = await asyncio.gather(*(start_notifier(**env) for _ in range(2)))
    manager = socketio.AsyncRedisManager(valkey.url, channel="notifier", write_only=True)
    async with aioredis.Redis.from_url(valkey.url) as redis:

        async def holder_is_known() -> bool:
            return await redis.get("notifier:inlet") is not None

        await eventually(holder_is_known, what="a holder")
        first = await redis.get("notifier:inlet")
        victim, survivor = await who_publishes(nodes, manager)
        await victim.kill()

        async def passed_on() -> bool:
            return await redis.get("notifier:inlet") not in (None, first)

        await eventually(passed_on, what="another holder")
        async with Client(survivor.url, {"token": token("ada")}) as ada:
            await ada.until("synced")
            await manager.emit("notification", HELLO, room="user:ada", namespace=NAMESPACE)
            await ada.until("notification")
            assert ada.titles == ["Hello"]
    await manager.redis.aclose()


ACCEPTED_NONE = "notifier_inlet_accepted_total 0.0"


async def who_publishes(
    nodes: list[NotifierProcess], manager: socketio.AsyncRedisManager
) -> tuple[NotifierProcess, NotifierProcess]:
    """The node that holds the lease, told by its metrics, and the other one.

    What is emitted before a node knows that it holds the lease is nobody's: it is emitted again.
    """
    found: list[NotifierProcess] = []

    async def told() -> bool:
        await manager.emit("notification", HELLO, room="user:nobody", namespace=NAMESPACE)
        found.extend([n for n in nodes if ACCEPTED_NONE not in await metrics(n)])
        return bool(found)

    await eventually(told, what="one node to publish")
    [other] = [node for node in nodes if node is not found[0]]
    return found[0], other


async def metrics(node: NotifierProcess) -> str:
    async with aiohttp.ClientSession() as http, http.get(f"{node.url}/metrics") as answer:
        return await answer.text()
