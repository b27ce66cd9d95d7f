"""Publishing over Redis: checked first, handed over once, waited for with patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest
from redis import asyncio as aioredis

from notifier import Publisher
from notifier.core.models import Priority
from notifier.errors import (
    ConfigurationError,
    Conflict,
    InvalidRequest,
    NotFound,
    QueueUnavailable,
    TooLarge,
)
from notifier.publisher import redis as way
from notifier.publisher.drafts import Draft
from notifier.queue.names import QueueNames
from tests.servers import Valkey, free_port

NOWHERE = f"redis://:SECRET@127.0.0.1:{free_port()}/0"


class Queue:
    """What stands in the streams of one channel."""

    def __init__(self, url: str, channel: str) -> None:
        self.url = url
        self.names = QueueNames(channel)
        self.redis: Any = aioredis.Redis.from_url(url)

    async def items(self, lane: Priority = Priority.NORMAL) -> list[dict[str, Any]]:
        rows = await self.redis.xrange(self.names.lanes[lane])
        return [{name.decode(): value.decode() for name, value in row.items()} for _, row in rows]

    async def titles(self, lane: Priority = Priority.NORMAL) -> list[str]:
        return [orjson.loads(item["body"])["title"] for item in await self.items(lane)]


@pytest.fixture
def channel() -> str:
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
async def queue(redis_url: str, channel: str) -> AsyncIterator[Queue]:
    queue = Queue(redis_url, channel)
    yield queue
    await queue.redis.aclose()


@pytest.fixture
async def shop(redis_url: str, channel: str) -> AsyncIterator[Publisher]:
    async with Publisher(redis_url, name="shop", channel=channel) as publisher:
        yield publisher


@pytest.mark.parametrize(
    ("url", "options", "told"),
    [
        ("amqp://x", {}, "url"),
        ("https://notifier.example", {}, "key"),
        ("https://notifier.example", {"key": "nk_read_from_a_file\n"}, "key"),
        ("redis://x", {"name": "two words"}, "name"),
        ("redis://x?unheard_of=1", {}, "url"),
    ],
    ids=["no such way", "no key", "a key that fits in no header", "no name", "no such option"],
)
def test_wrong_settings_are_told_at_once(url: str, options: dict[str, Any], told: str) -> None:
    """Not at the first notification."""
    with pytest.raises(ConfigurationError) as caught:
        Publisher(url, **options)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [told]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"to": "nobody"}, "to.0"),
        ({"title": ""}, "title"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"colour": "red"}, "colour"),
        ({"data": {"x": object()}}, ""),
        ({"except_": "role:admin"}, "except"),
        ({"idempotency_key": "not ascii: ü"}, "idempotency_key"),
        ({"idempotency_key": "a line\n"}, "idempotency_key"),
    ],
)
async def test_what_is_wrong_is_told_before_anything_is_sent(
    fields: dict[str, Any], field: str
) -> None:
    """By the schema of the server, with its errors; there need not be a Redis."""
    async with Publisher(NOWHERE) as publisher:
        with pytest.raises(InvalidRequest) as caught:
            await publisher.publish(**{"to": "user:ada", "title": "Hello", **fields})
    assert field in caught.value.errors


async def test_what_is_too_long_is_told_before_anything_is_sent() -> None:
    """A thousand long audiences are more than a request may hold."""
    crowd = [f"user:{'x' * 120}{number}" for number in range(9_000)]
    async with Publisher(NOWHERE) as publisher:
        with pytest.raises(TooLarge):
            await publisher.publish(crowd, "Hello")


async def test_a_notification_stands_in_the_stream_of_its_priority(
    shop: Publisher, queue: Queue
) -> None:
    """With its id, the name of the service, and exactly what was said."""
    notification_id = await shop.publish(
        ["user:ada", "role:admin"], "Hello", priority="critical", body=None, except_="user:bob"
    )
    [item] = await queue.items(Priority.CRITICAL)
    assert (item["op"], item["id"], item["by"]) == ("publish", notification_id, "shop")
    assert orjson.loads(item["body"]) == {
        "to": ["user:ada", "role:admin"],
        "title": "Hello",
        "priority": "critical",
        "except": "user:bob",
    }


async def test_an_idempotency_key_counts_once(shop: Publisher, queue: Queue) -> None:
    """The same call gets the first id; with another notification it is a conflict."""
    first = await shop.publish("user:ada", "Shipped", idempotency_key="order-17")
    assert await shop.publish("user:ada", "Shipped", idempotency_key="order-17") == first
    with pytest.raises(Conflict):
        await shop.publish("user:ada", "Lost", idempotency_key="order-17")
    assert await shop.publish("user:ada", "Shipped", idempotency_key="order-18") != first
    assert len(await queue.items()) == 2


async def test_handing_over_again_changes_nothing(
    redis_url: str, channel: str, queue: Queue
) -> None:
    """As after an answer that was lost on the way back."""
    sender = way.RedisSender(redis_url, by="shop", channel=channel, verify_tls=True, patience=10)
    draft = Draft.of({"to": "user:ada", "title": "Hello"})
    assert await sender.send([draft]) == await sender.send([draft]) == [draft.id]
    await sender.close()
    assert await queue.titles() == ["Hello"]


async def test_handing_over_again_takes_no_key_that_was_given_back(
    redis_url: str, channel: str, queue: Queue
) -> None:
    """What came first may be a dead letter by then, and the key another one's."""
    sender = way.RedisSender(redis_url, by="shop", channel=channel, verify_tls=True, patience=10)
    draft = Draft.of({"to": "user:ada", "title": "Hello", "idempotency_key": "order-17"})
    await sender.send([draft])
    key = queue.names.key("shop", "order-17")
    assert await queue.redis.delete(key) == 1
    await sender.send([draft])
    await sender.close()
    assert not await queue.redis.exists(key)


async def test_concurrent_calls_share_pipelines_in_order(shop: Publisher, queue: Queue) -> None:
    """Callers who begin one after another are queued one after another."""
    titles = [f"number {number}" for number in range(1_000)]
    await asyncio.gather(*(shop.publish("user:ada", title) for title in titles))
    assert await queue.titles() == titles


async def test_many_are_taken_from_any_iterable(shop: Publisher, queue: Queue) -> None:
    """Lists, generators and asynchronous ones; the ids come in order."""

    async def some() -> AsyncIterator[dict[str, Any]]:
        for number in range(3):
            yield {"to": "user:ada", "title": f"async {number}"}

    ids = await shop.publish_many({"to": "user:ada", "title": str(n)} for n in range(1_200))
    ids += await shop.publish_many(some())
    assert [item["id"] for item in await queue.items()] == ids
    assert (await queue.titles())[-2:] == ["async 1", "async 2"]


async def test_a_wrong_one_among_many_is_named(shop: Publisher, queue: Queue) -> None:
    """Those before it have been handed over; it and those behind it have not."""
    many = [{"to": "user:ada", "title": str(number)} for number in range(1_000)]
    many[700] = {"to": "user:ada"}
    with pytest.raises(InvalidRequest) as caught:
        await shop.publish_many(many)
    assert list(caught.value.errors) == ["700.title"]
    assert await queue.titles() == [str(number) for number in range(700)]


async def test_a_conflict_among_many_is_named(shop: Publisher, queue: Queue) -> None:
    """By its index in the iterable; all others of its chunk have been handed over."""
    await shop.publish("user:ada", "first", idempotency_key="used")
    many = [{"to": "user:ada", "title": str(number)} for number in range(1_000)]
    many[700]["idempotency_key"] = "used"
    with pytest.raises(Conflict, match=r"^700: ") as caught:
        await shop.publish_many(many)
    assert caught.value.index == 700
    assert len(await queue.titles()) == 1_000


async def test_a_withdrawal_is_queued_behind_its_notification(
    shop: Publisher, queue: Queue
) -> None:
    """In the same stream; one of something that is not in the queue goes first."""
    wrong = await shop.publish("user:ada", "a mistake", priority="low")
    await shop.withdraw(wrong)
    await shop.withdraw("0190b2a0-0000-7000-8000-000000000000")
    assert [item["op"] for item in await queue.items(Priority.LOW)] == ["publish", "withdraw"]
    assert [item["op"] for item in await queue.items(Priority.HIGH)] == ["withdraw"]
    with pytest.raises(NotFound):
        await shop.withdraw("no id")


async def test_redis_is_waited_for(valkey: Valkey) -> None:
    """A call that began while it was away ends when it is back, and counts once."""
    queue = Queue(valkey.url, "notifier")
    async with Publisher(valkey.url) as publisher:
        await publisher.publish("user:ada", "first")
        await valkey.kill()
        waiting = asyncio.create_task(publisher.publish("user:ada", "second"))
        await asyncio.sleep(0)
        assert not waiting.done()
        await valkey.start()
        await waiting
    assert await queue.titles() == ["first", "second"]
    await queue.redis.aclose()


async def test_patience_ends_with_an_error_that_says_what_to_do() -> None:
    """It may be in the queue or not; no address and no password is told."""
    async with Publisher(NOWHERE, patience=0.2) as publisher:
        with pytest.raises(QueueUnavailable) as caught:
            await publisher.publish("user:ada", "Hello")
    assert caught.value.retry_after
    assert "SECRET" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


async def test_a_full_buffer_makes_callers_wait(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held for a Redis that is away is bounded; who waited is served when it is back."""
    monkeypatch.setattr(way, "BUFFER_BYTES", 5_000)
    await valkey.kill()
    async with Publisher(valkey.url) as publisher:
        calls = [asyncio.create_task(publisher.publish("user:ada", str(n))) for n in range(100)]
        await asyncio.sleep(0.05)
        with publisher._using() as sender:
            assert isinstance(sender, way.RedisSender)
            assert 0 < len(sender._queue) < 20
        await valkey.start()
        await asyncio.gather(*calls)
    queue = Queue(valkey.url, "notifier")
    assert sorted(await queue.titles(), key=int) == [str(number) for number in range(100)]
    await queue.redis.aclose()


async def test_closing_waits_for_those_who_wait(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for who had no room yet; no connection is left."""
    monkeypatch.setattr(way, "BUFFER_BYTES", 5_000)
    publisher = Publisher(f"{valkey.url}?client_name=closed")
    calls = [asyncio.create_task(publisher.publish("user:ada", str(n))) for n in range(100)]
    await asyncio.sleep(0)
    await publisher.close()
    assert all(call.done() and call.result() for call in calls)
    queue = Queue(valkey.url, "notifier")
    assert not [one for one in await queue.redis.client_list() if one["name"] == "closed"]
    await queue.redis.aclose()


async def test_a_refused_password_is_told_without_waiting(redis_url: str) -> None:
    """Patience does not help against it."""
    url = redis_url.replace("redis://", "redis://nobody:wrong@")
    async with Publisher(url, patience=600) as publisher:
        with pytest.raises(QueueUnavailable):
            await publisher.publish("user:ada", "Hello")


async def test_what_waiting_does_not_help_is_told_at_once(redis_url: str) -> None:
    """Of each call; nobody waits for ever, however many there are."""
    async with Publisher(f"{redis_url}?encoding=unheard_of") as publisher:
        for _ in range(2):
            calls = [publisher.publish("user:ada", "Hello") for _ in range(3)]
            failures = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)
            assert [type(failure) for failure in failures] == [QueueUnavailable] * 3


async def test_the_keys_of_two_services_are_apart(
    redis_url: str, channel: str, queue: Queue
) -> None:
    """Also when the name of one and a key of the other could be read as either."""
    for name, key in (("shop", "eu:17"), ("shop:eu", "17")):
        async with Publisher(redis_url, channel=channel, name=name) as publisher:
            await publisher.publish("user:ada", name, idempotency_key=key)
    assert await queue.titles() == ["shop", "shop:eu"]


async def test_a_full_redis_keeps_nothing_of_what_it_refuses(valkey: Valkey, channel: str) -> None:
    """The same key is accepted once there is room."""
    redis: Any = aioredis.Redis.from_url(valkey.url)
    patient = Publisher(valkey.url, channel=channel, patience=0.5)
    async with patient, redis:
        await redis.config_set("maxmemory", "1")
        with pytest.raises(QueueUnavailable):
            await patient.publish("user:ada", "Hello", idempotency_key="order-17")
        assert await redis.keys(f"{channel}:*") == []
        await redis.config_set("maxmemory", "0")
        await patient.publish("user:ada", "Hello", idempotency_key="order-17")
        assert await redis.xlen(QueueNames(channel).lanes[Priority.NORMAL]) == 1


async def test_a_key_is_kept_only_of_what_is_queued(channel: str, queue: Queue) -> None:
    """Whatever keeps the stream from taking it: the same key is accepted afterwards."""
    stream = queue.names.lanes[Priority.NORMAL]
    await queue.redis.set(stream, "no stream")
    patient = Publisher(queue.url, channel=channel, patience=0.5)
    async with patient:
        with pytest.raises(QueueUnavailable):
            await patient.publish("user:ada", "Hello", idempotency_key="order-17")
        assert await queue.redis.keys(f"{channel}:*") == [stream.encode()]
        await queue.redis.delete(stream)
        await patient.publish("user:ada", "Hello", idempotency_key="order-17")
    assert await queue.titles() == ["Hello"]
