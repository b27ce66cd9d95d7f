"""Redis pub/sub: heard is what was confirmed, lost is what is told, and nobody ever waits."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import uvloop
from redis import asyncio as aioredis

from notifier.realtime.channels import (
    CONFIRM_SECONDS,
    MESSAGES_IN_TURN,
    QUEUE_BYTES,
    RedisChannels,
)
from tests.chaos.proxy import Proxy
from tests.realtime.engine.wire import until
from tests.servers import Valkey
from tests.servers import until as eventually


class Ear:
    """Channels of one node, which keeps what it hears."""

    def __init__(self, url: str, prefix: str) -> None:
        self.prefix = prefix
        self.channels = RedisChannels(url, prefix=prefix)
        self.heard: list[tuple[str, bytes]] = []
        self.gaps: list[str] = []
        self.channels.on_message = lambda channel, payload: self.heard.append((channel, payload))
        self.channels.on_gap = self._gap

    def name(self, channel: str) -> str:
        return f"{self.prefix}:room:{channel}"

    async def want(self, *channels: str) -> None:
        await self.channels.want([self.name(channel) for channel in channels])

    def unwant(self, *channels: str) -> None:
        self.channels.unwant([self.name(channel) for channel in channels])

    def send(self, channel: str, payload: bytes) -> None:
        self.channels.send(self.name(channel), payload)

    def payloads(self, channel: str) -> list[bytes]:
        return [payload for name, payload in self.heard if name == self.name(channel)]

    def _gap(self, channels: Collection[str]) -> None:
        self.gaps += [channel.removeprefix(f"{self.prefix}:room:") for channel in channels]


@asynccontextmanager
async def listening(url: str, prefix: str | None = None) -> AsyncIterator[Ear]:
    """Channels that hear and are heard."""
    ear = Ear(url, prefix or uuid4().hex)
    ear.channels.start()
    try:
        await until(lambda: ear.channels.healthy)
        yield ear
    finally:
        await ear.channels.close()


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy in front of Redis, and the address that leads through it."""
    server = urlsplit(url)
    line = Proxy(lambda: server.port or 6379)
    await line.start()
    credentials = "".join(server.netloc.rpartition("@")[:2])
    try:
        yield line, server._replace(netloc=f"{credentials}127.0.0.1:{line.port}").geturl()
    finally:
        await line.close()


@pytest.fixture
async def ear(redis_url: str) -> AsyncIterator[Ear]:
    async with listening(redis_url) as ear:
        yield ear


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[aioredis.Redis]:
    """Redis itself, to be asked."""
    async with aioredis.Redis.from_url(redis_url) as client:
        yield client


async def nobody_listens(redis: aioredis.Redis, channel: str) -> None:
    """Wait until Redis would send a message on this channel to nobody."""

    async def silent() -> bool:
        [(_, count)] = await redis.pubsub_numsub(channel)
        return int(count) == 0

    await eventually(silent, what=f"{channel} to be left")


async def test_what_is_wanted_is_heard_at_once(ear: Ear) -> None:
    """When wanting returns Redis has confirmed: nothing sent afterwards is missed."""
    await ear.want("a", "b")
    ear.send("a", b"1")
    ear.send("b", b"2")
    ear.send("c", b"3")
    ear.send("a", b"\x00\xff")
    await until(lambda: len(ear.heard) == 3)
    assert ear.payloads("a") == [b"1", b"\x00\xff"]
    assert ear.payloads("b") == [b"2"]
    assert ear.gaps == []


async def test_messages_come_in_the_order_they_were_sent(ear: Ear) -> None:
    """Across channels, however many."""
    await ear.want("a", "b")
    for n in range(2000):
        ear.send("ab"[n % 2], str(n).encode())
    await until(lambda: len(ear.heard) == 2000)
    assert [payload for _, payload in ear.heard] == [str(n).encode() for n in range(2000)]


async def test_who_hears_much_lets_everybody_else_have_a_turn(ear: Ear) -> None:
    """Also of messages that came all at once: a read that finds one does not wait."""
    await ear.want("a")
    turns, seen = 0, []

    def hear(channel: str, payload: bytes) -> None:
        seen.append(turns)

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    ear.channels.on_message = hear
    others = asyncio.create_task(take_turns())
    for _ in range(2000):
        ear.send("a", b"x")
    await until(lambda: len(seen) == 2000)
    others.cancel()
    in_a_row = Counter(seen)
    assert max(in_a_row.values()) <= MESSAGES_IN_TURN


async def test_wanted_twice_is_unwanted_twice(ear: Ear, redis: aioredis.Redis) -> None:
    """A channel is heard while anybody wants it, and Redis is told when nobody does."""
    await ear.want("a")
    await ear.want("a")
    ear.unwant("a")
    ear.send("a", b"1")
    await until(lambda: ear.payloads("a") == [b"1"])
    ear.unwant("a")
    await nobody_listens(redis, ear.name("a"))
    ear.send("a", b"2")
    await ear.want("last")
    ear.send("last", b"3")
    await until(lambda: ear.payloads("last") == [b"3"])
    assert ear.payloads("a") == [b"1"]


async def test_what_is_unwanted_and_wanted_again_is_heard(ear: Ear) -> None:
    """However quickly the wishes change, wanting ends with hearing."""
    for n in range(30):
        await ear.want("a")
        ear.send("a", str(n).encode())
        await until(lambda n=n: ear.payloads("a")[-1:] == [str(n).encode()])
        ear.unwant("a")
        if n % 3:
            await asyncio.sleep(0)
    assert len(ear.payloads("a")) == 30


async def test_many_wishes_of_one_moment_are_few_commands(ear: Ear, redis: aioredis.Redis) -> None:
    """A thousand who connect at once do not cost a thousand round trips."""

    async def subscribes() -> int:
        stats = await redis.info("commandstats")
        return int(stats["cmdstat_subscribe"]["calls"])

    before = await subscribes()
    await asyncio.gather(*(ear.want(f"user:{n}", "everyone") for n in range(1000)))
    assert await subscribes() - before < 10


async def test_a_channel_with_a_handler_of_its_own(ear: Ear) -> None:
    """Its messages go there and nowhere else."""
    own: list[bytes] = []
    ear.channels.handlers[ear.name("own")] = own.append
    await ear.want("own")
    ear.send("own", b"1")
    await until(lambda: own == [b"1"])
    assert ear.heard == []


async def test_two_nodes_hear_each_other(redis_url: str) -> None:
    """With the same prefix; with another one they are strangers."""
    async with (
        listening(redis_url) as one,
        listening(redis_url, one.prefix) as two,
        listening(redis_url) as stranger,
    ):
        for ear in (one, two, stranger):
            await ear.want("a")
        two.send("a", b"hello")
        await until(lambda: one.payloads("a") == two.payloads("a") == [b"hello"])
        stranger.send("a", b"mine")
        await until(lambda: stranger.payloads("a") == [b"mine"])
        assert len(one.heard) == len(two.heard) == 1


async def test_what_is_queued_is_sent_before_closing(redis_url: str) -> None:
    """A node that leaves says what it has to say."""
    async with listening(redis_url) as ear:
        await ear.want("a")
        async with listening(redis_url, ear.prefix) as leaving:
            for n in range(100):
                leaving.send("a", str(n).encode())
        await until(lambda: len(ear.heard) == 100)


async def test_the_queue_is_bounded(valkey: Valkey) -> None:
    """What does not fit is lost and counted; memory is not spent on it."""
    async with listening(valkey.url) as ear:
        valkey.freeze()
        for _ in range(40):
            ear.send("a", bytes(QUEUE_BYTES // 16))
        assert ear.channels._queued_bytes <= QUEUE_BYTES
        assert ear.channels.metrics.lost >= 20
        valkey.thaw()


async def test_after_a_crash_of_redis_all_channels_are_heard_again(valkey: Valkey) -> None:
    """And each of them is told as a gap: messages may have been lost."""
    async with listening(valkey.url) as ear:
        await ear.want("a", "b")
        await valkey.kill()
        await until(lambda: not ear.channels.healthy)
        await valkey.start()
        await until(lambda: set(ear.gaps) == {"a", "b"})
        await until(lambda: ear.channels.healthy)
        ear.send("a", b"heard")
        await until(lambda: ear.payloads("a")[-1:] == [b"heard"])
        assert ear.channels.metrics.reconnects >= 1


async def test_only_what_others_miss_counts_as_lost(valkey: Valkey) -> None:
    """Not the heartbeats by which a node without Redis finds out whether it is back."""
    async with listening(valkey.url) as ear:
        await valkey.kill()
        await until(lambda: not ear.channels._sending_works)
        assert ear.channels.metrics.lost == 0
        ear.send("a", b"lost")
        await until(lambda: ear.channels.metrics.lost == 1)


async def test_without_redis_wanting_takes_a_moment_and_goes_on(valkey: Valkey) -> None:
    """Readers are served from the store meanwhile; the late confirmation is told as a gap."""
    async with listening(valkey.url) as ear:
        await valkey.kill()
        await until(lambda: not ear.channels.healthy)
        began = time.monotonic()
        await ear.want("a")
        assert CONFIRM_SECONDS * 0.9 < time.monotonic() - began < CONFIRM_SECONDS + 1
        await valkey.start()
        await until(lambda: ear.gaps == ["a"])


async def test_a_node_starts_without_redis(valkey: Valkey) -> None:
    """And hears as soon as Redis is there."""
    await valkey.kill()
    ear = Ear(valkey.url, "x")
    ear.channels.start()
    await ear.want("a")
    assert not ear.channels.healthy
    await valkey.start()
    await until(lambda: ear.channels.healthy and ear.gaps == ["a"])
    await ear.channels.close()


async def test_a_node_is_deaf_when_redis_takes_its_messages_and_it_hears_none(
    valkey: Valkey,
) -> None:
    """Without Redis it is not: all nodes are alike then, and should go on being given work."""
    async with listening(valkey.url) as ear, aioredis.Redis.from_url(valkey.url) as admin:
        await until(lambda: ear.channels.healthy)
        await admin.execute_command("ACL", "SETUSER", "default", "-subscribe")
        await admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await until(lambda: ear.channels.deaf)
        await admin.execute_command("ACL", "SETUSER", "default", "+subscribe")
        await until(lambda: ear.channels.healthy)
        await valkey.kill()
        await until(lambda: not ear.channels.healthy and not ear.channels.deaf)


async def test_a_frozen_redis_is_noticed_and_forgotten(valkey: Valkey) -> None:
    """Sending never waits, the node knows that it is not well, and recovers by itself."""
    async with listening(valkey.url) as ear:
        await ear.want("a")
        valkey.freeze()
        ear.send("a", b"lost")
        await until(lambda: not ear.channels.healthy)
        valkey.thaw()
        await until(lambda: ear.channels.healthy)
        ear.send("a", b"heard")
        await until(lambda: ear.payloads("a")[-1:] == [b"heard"])


async def test_who_could_not_send_tells_so_afterwards(redis_url: str) -> None:
    """A node that heard all the time learns that another one could not be heard."""
    prefix = uuid4().hex
    async with (
        proxied(redis_url) as (line, url),
        listening(redis_url, prefix) as hearer,
        listening(url, prefix) as sender,
    ):
        await hearer.want("a", "b")
        line.change(silent=True)
        sender.send("a", b"1")
        sender.send("a", b"2")
        await until(lambda: sender.channels.metrics.lost >= 2)
        assert hearer.gaps == []
        line.reset()
        line.change()
        await until(lambda: hearer.gaps == ["a"])


def test_sending_survives_a_reset_at_any_moment(redis_url: str) -> None:
    """Also at the one when uvloop knows already and redis-py does not yet."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_send_through_resets(redis_url))


async def _send_through_resets(redis_url: str) -> None:
    async with proxied(redis_url) as (line, url), listening(url) as ear:
        await ear.want("a")
        for turns in range(10):
            line.reset()
            for _ in range(turns):
                await asyncio.sleep(0)
            ear.send("a", b"1")
            await until(lambda: not ear.channels._queue)
        ear.heard.clear()
        await until(lambda: ear.channels.healthy)
        ear.send("a", b"2")
        await until(lambda: b"2" in ear.payloads("a"))


async def test_one_connection_listens_however_it_was_lost(redis_url: str) -> None:
    """Also when it was needed for reading and for wishes in the same moment."""
    async with proxied(redis_url) as (line, url), listening(url) as ear:
        for turns in range(20):
            await ear.want(f"{turns}")
            line.reset()
            ear.channels.hear([ear.name(f"{turns} more")])
            for _ in range(turns % 5):
                await asyncio.sleep(0)
            ear.channels.hear([ear.name(f"{turns} even more")])
            await until(lambda: not ear.channels.healthy)
            await until(lambda: ear.channels.healthy)
        await until(lambda: len(line.links) <= 2)


async def test_closing_without_redis_is_quick(valkey: Valkey) -> None:
    """A deploy does not wait for what cannot be sent."""
    ear = Ear(valkey.url, "x")
    ear.channels.start()
    await until(lambda: ear.channels.healthy)
    valkey.freeze()
    ear.send("a", b"never")
    began = time.monotonic()
    await ear.channels.close()
    assert time.monotonic() - began < 5
    valkey.thaw()
