"""What is done to a cluster: each fault breaks something, lasts, and is mended."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from random import Random

from redis import asyncio as aioredis

from tests.chaos.clients import Client
from tests.chaos.cluster import Cluster
from tests.chaos.evidence import Trouble
from tests.servers import MongoMember, until

SHORTEST, LONGEST = 2.0, 6.0
"""Seconds that a fault lasts."""

PAIRED = 0.25
"""The share of episodes in which two faults come together."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What faults can reach."""

    cluster: Cluster
    clients: Sequence[Client]
    chance: Random


Strike = Callable[[Scene], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """``strike`` breaks something on entering and has mended it on leaving."""

    name: str
    trouble: Trouble
    strike: Strike


@dataclass(frozen=True, slots=True)
class Episode:
    """Faults that come together, once so many messages have been accepted."""

    after: int
    faults: tuple[Fault, ...]
    seconds: float
    seed: str

    @property
    def what(self) -> str:
        return " + ".join(fault.name for fault in self.faults)

    @property
    def troubles(self) -> frozenset[Trouble]:
        return frozenset(fault.trouble for fault in self.faults)


def schedule(
    seed: int, count: int, messages: int, pool: Sequence[Fault] | None = None
) -> list[Episode]:
    """The episodes of a run: every fault of the pool in a random order, then again.

    Without a pool all there are, and some come in pairs.
    """
    chance = Random(f"{seed}/schedule")
    pairs, pool = pool is None, pool or FAULTS
    deck: list[Fault] = []
    episodes = []
    for number in range(count):
        if not deck:
            deck = chance.sample(pool, len(pool))
        faults = [deck.pop()]
        others = [fault for fault in FAULTS if fault.trouble != faults[0].trouble]
        if pairs and chance.random() < PAIRED:
            faults.append(chance.choice(others))
        after = messages * (number + 1) // (count + 2)
        seconds = round(chance.uniform(SHORTEST, LONGEST), 1)
        episodes.append(Episode(after, tuple(faults), seconds, f"{seed}/episode {number}"))
    return episodes


# Nodes


@asynccontextmanager
async def node_killed(scene: Scene) -> AsyncIterator[None]:
    node = scene.chance.choice(scene.cluster.nodes)
    await node.kill()
    yield
    await node.start()


@asynccontextmanager
async def node_frozen(scene: Scene) -> AsyncIterator[None]:
    node = scene.chance.choice(scene.cluster.nodes)
    node.freeze()
    yield
    node.thaw()


@asynccontextmanager
async def nodes_restarted(scene: Scene) -> AsyncIterator[None]:
    """One after the other, as a deploy does."""
    for node in scene.cluster.nodes:
        await node.stop()
        await node.start()
    yield


# Clients


@asynccontextmanager
async def storm(scene: Scene) -> AsyncIterator[None]:
    """All connections of a node are reset at once."""
    scene.chance.choice(scene.cluster.doors).reset()
    yield


@asynccontextmanager
async def silence(scene: Scene) -> AsyncIterator[None]:
    """A node is out of reach, but nobody is told. Afterwards its connections are gone."""
    door = scene.chance.choice(scene.cluster.doors)
    door.change(silent=True)
    yield
    door.reset()
    door.change()


@asynccontextmanager
async def slow_network(scene: Scene) -> AsyncIterator[None]:
    door = scene.chance.choice(scene.cluster.doors)
    door.change(latency=scene.chance.uniform(0.05, 0.5), rate=20_000)
    yield
    door.change()


@asynccontextmanager
async def flapping(scene: Scene) -> AsyncIterator[None]:
    """Connections are cut again and again, each time some of them."""
    for _ in range(10):
        for door in scene.cluster.doors:
            links = [link for link in door.links if scene.chance.random() < 0.2]
            scene.chance.choice([door.cut, door.reset])(links)
        await asyncio.sleep(0.3)
    yield


@asynccontextmanager
async def slow_readers(scene: Scene) -> AsyncIterator[None]:
    clients = _some(scene, 0.1)
    for client in clients:
        client.reading.clear()
    yield
    for client in clients:
        client.reading.set()


@asynccontextmanager
async def sleepers(scene: Scene) -> AsyncIterator[None]:
    """Some go offline, long enough for the readers of a busy log to miss too much of it."""
    clients = _some(scene, 0.3)
    for client in clients:
        client.sleep()
    await asyncio.sleep(LONGEST)
    yield
    for client in clients:
        client.wake()


# Redis


@asynccontextmanager
async def redis_killed(scene: Scene) -> AsyncIterator[None]:
    await scene.cluster.redis.kill()
    yield
    await scene.cluster.redis.start()


@asynccontextmanager
async def redis_frozen(scene: Scene) -> AsyncIterator[None]:
    scene.cluster.redis.freeze()
    yield
    scene.cluster.redis.thaw()


@asynccontextmanager
async def redis_emptied(scene: Scene) -> AsyncIterator[None]:
    """It is lost with all it had; another one takes its place."""
    redis = scene.cluster.redis
    await redis.kill()
    shutil.rmtree(redis.folder / "appendonlydir", ignore_errors=True)
    await redis.start()
    yield


@asynccontextmanager
async def redis_silent(scene: Scene) -> AsyncIterator[None]:
    """One node is cut off from Redis without being told."""
    link = scene.chance.choice(scene.cluster.redis_links)
    link.change(silent=True)
    yield
    link.change()


@asynccontextmanager
async def redis_reset(scene: Scene) -> AsyncIterator[None]:
    """The nodes lose their connections to Redis, again and again."""
    for _ in range(5):
        scene.chance.choice(scene.cluster.redis_links).reset()
        await asyncio.sleep(0.3)
    yield


@asynccontextmanager
async def redis_poisoned(scene: Scene) -> AsyncIterator[None]:
    """Everybody who can reach Redis may write what they like to any channel."""
    async with aioredis.Redis.from_url(scene.cluster.redis.url) as redis:
        channels = await redis.pubsub_channels("notifier*")
        chosen = [c for c in channels if b"room:user:" not in c or scene.chance.random() < 0.2]
        for channel in chosen:
            for poison in POISONS:
                await redis.publish(channel, poison)
        for channel in chosen[:HEAPS]:
            await redis.publish(channel, b"x" * 1_000_000)
    yield


HEAPS = 20
"""Channels on which a megabyte comes. On all of them it would be a flood of bytes: how long these
take through Redis and the proxies says nothing about the nodes."""

POISONS: Sequence[bytes] = (
    b"",
    b"1",
    b'"method"',
    b"\x80\x05\x95",
    b"{}\n{}",
    b"[" * 10_000,
    b'{"node":"x","what":"close_room"}\n{}',
    b'{"node":"x","what":"entry","seq":"one"}\n{}',
    b'{"method":"disconnect","sid":"x","namespace":"/notifications"}',
    b'{"method":"enter_room","sid":"x","room":"everyone","namespace":"/notifications"}',
)


# The store


@asynccontextmanager
async def primary_killed(scene: Scene) -> AsyncIterator[None]:
    primary = await _primary(scene)
    await primary.kill()
    yield
    await primary.start()
    await _mended(scene)


@asynccontextmanager
async def primary_frozen(scene: Scene) -> AsyncIterator[None]:
    primary = await _primary(scene)
    primary.freeze()
    yield
    primary.thaw()
    await _mended(scene)


@asynccontextmanager
async def primary_silent(scene: Scene) -> AsyncIterator[None]:
    """The primary is out of reach of everybody, but can reach the others itself."""
    primary = await _primary(scene)
    link = scene.cluster.mongo_links[scene.cluster.mongo.members.index(primary)]
    link.change(silent=True)
    yield
    link.change()
    await _mended(scene)


@asynccontextmanager
async def primary_reset(scene: Scene) -> AsyncIterator[None]:
    """All connections to the primary are reset, again and again, in the middle of writes."""
    primary = await _primary(scene)
    link = scene.cluster.mongo_links[scene.cluster.mongo.members.index(primary)]
    for _ in range(5):
        link.reset()
        await asyncio.sleep(0.3)
    yield
    await _mended(scene)


@asynccontextmanager
async def majority_killed(scene: Scene) -> AsyncIterator[None]:
    """Only one member is left: nothing can be confirmed."""
    killed = scene.chance.sample(scene.cluster.mongo.members, 2)
    await asyncio.gather(*(member.kill() for member in killed))
    yield
    await asyncio.gather(*(member.start() for member in killed))
    await _mended(scene)


@asynccontextmanager
async def secondary_killed(scene: Scene) -> AsyncIterator[None]:
    primary = await _primary(scene)
    others = [member for member in scene.cluster.mongo.members if member is not primary]
    secondary = scene.chance.choice(others)
    await secondary.kill()
    yield
    await secondary.start()


@asynccontextmanager
async def store_slow(scene: Scene) -> AsyncIterator[None]:
    for link in scene.cluster.mongo_links:
        link.change(latency=0.1)
    yield
    for link in scene.cluster.mongo_links:
        link.change()


async def _primary(scene: Scene) -> MongoMember:
    found: list[MongoMember] = []

    async def elected() -> bool:
        primary = await scene.cluster.mongo.primary()
        found.extend([primary] if primary is not None else [])
        return primary is not None

    await until(elected, what="the replica set to have a primary")
    return found[0]


async def _mended(scene: Scene) -> None:
    await until(scene.cluster.mongo.has_majority, what="the replica set to take writes")


def _some(scene: Scene, share: float) -> list[Client]:
    return [client for client in scene.clients if scene.chance.random() < share]


FAULTS = (
    Fault("a node is killed", Trouble.NODES, node_killed),
    Fault("a node is frozen", Trouble.NODES, node_frozen),
    Fault("the nodes are restarted one by one", Trouble.NODES, nodes_restarted),
    Fault("a node loses all its clients at once", Trouble.CLIENTS, storm),
    Fault("a node cannot be reached", Trouble.CLIENTS, silence),
    Fault("a slow network", Trouble.CLIENTS, slow_network),
    Fault("clients are cut again and again", Trouble.CLIENTS, flapping),
    Fault("clients that do not read", Trouble.CLIENTS, slow_readers),
    Fault("clients go away for long", Trouble.CLIENTS, sleepers),
    Fault("Redis is killed", Trouble.REDIS, redis_killed),
    Fault("Redis is frozen", Trouble.REDIS, redis_frozen),
    Fault("Redis loses all its data", Trouble.REDIS, redis_emptied),
    Fault("a node is cut off from Redis", Trouble.REDIS, redis_silent),
    Fault("connections to Redis are reset", Trouble.REDIS, redis_reset),
    Fault("Redis is poisoned", Trouble.REDIS, redis_poisoned),
    Fault("the primary is killed", Trouble.STORE, primary_killed),
    Fault("the primary is frozen", Trouble.STORE, primary_frozen),
    Fault("the primary cannot be reached", Trouble.STORE, primary_silent),
    Fault("connections to the primary are reset", Trouble.STORE, primary_reset),
    Fault("two of three members are killed", Trouble.STORE, majority_killed),
    Fault("a secondary is killed", Trouble.STORE, secondary_killed),
    Fault("the store is slow", Trouble.SLOW_STORE, store_slow),
)
