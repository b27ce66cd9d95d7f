"""From a service through the queue to the page: once, in order, whatever happens on the way."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from notifier import Publisher
from notifier.core.models import Kind, Priority, Publication, Receipt, new_id, now_ms
from notifier.errors import Conflict, NotFound, StoreUnavailable
from notifier.queue import consumer as consumers
from notifier.queue import lane, reader
from notifier.queue.messages import Message
from notifier.queue.names import GROUP
from notifier.queue.reader import MAX_DELIVERIES
from tests.queue.site import Site, consumer, stored, titled
from tests.realtime.engine.wire import until
from tests.realtime.nodes import Running
from tests.servers import Valkey
from tests.servers import until as eventually

Queued = dict[str, Any]


def numbered(count: int, start: int = 0, **fields: Any) -> list[Queued]:
    return [{"to": "user:ada", "title": title, **fields} for title in titled(count, start)]


async def test_what_is_handed_over_is_shown_once_and_in_order(site: Site, shop: Publisher) -> None:
    """Two nodes read one queue; the page on either shows all of it."""
    nodes = [await site.open_node() for _ in range(2)]
    async with nodes[0].synced("ada") as phone, nodes[1].synced("ada") as laptop:
        await shop.publish_many(numbered(200))
        for client in (phone, laptop):
            await client.until("notification", 200)
            assert client.titles == titled(200)
    await site.empty()
    assert await stored(nodes[0], "user:ada") == titled(200)


async def test_what_is_settled_leaves_the_streams(site: Site, shop: Publisher) -> None:
    """Acknowledged and deleted: nothing grows."""
    await site.open_node()
    await shop.publish_many(numbered(100))
    await site.empty()
    stream = site.names.lanes[Priority.NORMAL]
    assert await site.redis.xlen(stream) == 0
    assert (await site.redis.xpending(stream, GROUP))["pending"] == 0


async def test_the_publisher_can_ask_what_became_of_it(site: Site, shop: Publisher) -> None:
    """Queued, then published or dead with the reason; of strange ids nothing is known."""
    good = await shop.publish("user:ada", "Hello")
    wrong = await shop.publish("user:ada", "Hello", type="unheard_of")
    assert (await shop.outcome(good)).state == "queued"
    await site.open_node()
    assert (await site.settled(shop, good)).state == "published"
    outcome = await site.settled(shop, wrong)
    assert (outcome.state, outcome.code) == ("dead", "invalid_request")
    assert outcome.reason.startswith("type: Not in the type catalogue.")
    with pytest.raises(NotFound):
        await shop.outcome("0190b2a0-0000-7000-8000-000000000000")


POISON: dict[str, dict[str, Any]] = {
    "no message": {"hello": "world"},
    "no text": {"op": b"\xff\xfe", "id": b"\xff", "by": b"\xff"},
    "a strange operation": {
        "op": "delete",
        "id": "0190b2a0-0000-7000-8000-000000000000",
        "by": "x",
    },
    "no id": {"op": "publish", "id": "1", "by": "x", "body": "{}"},
    "no JSON": {
        "op": "publish",
        "id": "0190b2a0-0000-7000-8000-000000000001",
        "by": "x",
        "body": "SECRET",
    },
    "no object": {
        "op": "publish",
        "id": "0190b2a0-0000-7000-8000-000000000002",
        "by": "x",
        "body": '["SECRET"]',
    },
    "a withdrawal of nothing": {
        "op": "withdraw",
        "id": "0190b2a0-0000-7000-8000-000000000003",
        "by": "x",
    },
}


async def test_wrong_items_never_block_the_queue(
    site: Site, shop: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    """Each becomes a dead letter with a reason; what stands behind them is published."""
    for fields in POISON.values():
        await site.put(Priority.NORMAL, fields)
    await shop.publish("user:ada", "Hello")
    node = await site.open_node()
    await site.empty()
    assert await stored(node, "user:ada") == ["Hello"]
    letters = [letter async for letter in site.desk.all_dead()]
    assert len(letters) == len(POISON)
    assert all(letter.reason and letter.lane == "normal" for letter in letters)
    assert [letter.item for letter in letters] == [
        {name.encode(): _bytes(value) for name, value in fields.items()}
        for fields in POISON.values()
    ]
    assert "SECRET" not in caplog.text


async def test_what_is_dead_gives_back_its_key(site: Site, shop: Publisher) -> None:
    """One that is corrected may have it, and keeps it when the first is tried again."""
    node = await site.open_node()
    wrong = await shop.publish("user:ada", "Shipped", type="unheard_of", idempotency_key="order-17")
    assert (await site.settled(shop, wrong)).state == "dead"
    right = await shop.publish("user:ada", "Shipped", idempotency_key="order-17")
    assert right != wrong
    assert (await site.settled(shop, right)).state == "published"
    [letter] = await site.desk.dead(9)
    await site.desk.retry(letter)
    assert (await site.settled(shop, wrong)).state == "dead"
    assert await shop.publish("user:ada", "Shipped", idempotency_key="order-17") == right
    assert await stored(node, "user:ada") == ["Shipped"]


async def test_what_is_tried_again_has_its_key_again(site: Site, shop: Publisher) -> None:
    """Who repeats the call is told its id, as before."""
    fields = {"type": "unheard_of", "idempotency_key": "order-17"}
    wrong = await shop.publish("user:ada", "Shipped", **fields)
    node = await site.open_node()
    assert (await site.settled(shop, wrong)).state == "dead"
    await consumer(node).close()
    [letter] = await site.desk.dead(9)
    await site.desk.retry(letter)
    assert await shop.publish("user:ada", "Shipped", **fields) == wrong
    with pytest.raises(Conflict):
        await shop.publish("user:ada", "Shipped", idempotency_key="order-17")


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


async def test_a_store_that_is_away_is_waited_for(
    site: Site, shop: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is acknowledged or dead meanwhile, and it goes on by itself, in order."""
    monkeypatch.setattr(reader, "LONGEST_PAUSE_SECONDS", 0.1)
    node = await site.open_node()
    append, away = node.node.store.append, True

    async def failing(*args: Any) -> Any:
        if away:
            raise StoreUnavailable("away")
        return await append(*args)

    monkeypatch.setattr(node.node.store, "append", failing)
    await shop.publish_many(numbered(100))
    tries = MAX_DELIVERIES + 1
    await until(lambda: consumer(node).intake.metrics.postponed >= 64 * tries)
    [status] = [one for one in await site.desk.status() if one.priority is Priority.NORMAL]
    assert (status.waiting, await site.desk.count_dead()) == (100, 0)
    away = False
    await site.empty()
    assert await stored(node, "user:ada") == titled(100)


async def test_a_node_whose_store_is_away_lets_another_one_read(
    site: Site, shop: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes on what it cannot store, and goes on when it is well again."""
    monkeypatch.setattr(lane, "PASS_ON_SECONDS", 0.1)
    nodes = [await site.open_node() for _ in range(2)]
    await until(lambda: any(consumer(node).is_reader for node in nodes))
    [reader] = [node for node in nodes if consumer(node).is_reader]
    [other] = [node for node in nodes if node is not reader]

    async def failing(*args: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(reader.node.store, "append", failing)
    await shop.publish_many(numbered(100))
    await site.empty()
    assert published(other) == 100
    assert await stored(other, "user:ada") == titled(100)


async def test_what_hangs_in_another_node_is_claimed_after_a_while(
    site: Site, shop: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that helped in a flood may be lost without the reader changing."""
    monkeypatch.setattr(lane, "STUCK_SECONDS", 0.2)
    node = await site.open_node()
    await until(lambda: consumer(node).is_reader)
    await shop.publish("user:ada", "the group is there")
    await site.empty()
    stream = site.names.lanes[Priority.NORMAL]
    async with site.redis.pipeline(transaction=True) as pipeline:
        pipeline.xadd(
            stream, Message(op="publish", id=new_id(now_ms()), by="shop", body=BODY).fields()
        )
        pipeline.xreadgroup(GROUP, "ghost", {stream: ">"})
        _, read = await pipeline.execute()
    assert read
    await site.empty()
    assert await stored(node, "user:ada") == ["the group is there", "Hello"]


BODY = b'{"to": "user:ada", "title": "Hello"}'


async def test_a_message_that_fails_for_unknown_reasons_is_dead_in_the_end(
    site: Site, shop: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some tries, which hold up nothing but themselves."""
    node = await site.open_node()
    accept = node.node.publisher.accept

    async def failing(body: Any, *args: Any, **options: Any) -> Any:
        if body["title"] == "number 0":
            raise ZeroDivisionError
        return await accept(body, *args, **options)

    monkeypatch.setattr(node.node.publisher, "accept", failing)
    first, second = await shop.publish_many(numbered(2))
    assert (await site.settled(shop, second)).state == "published"
    outcome = await site.settled(shop, first)
    assert (outcome.code, outcome.reason) == (
        "internal",
        "The server failed at it: ZeroDivisionError.",
    )


async def test_what_a_dead_node_had_read_is_claimed_first(site: Site, shop: Publisher) -> None:
    """In order, before what nobody has read."""
    await shop.publish_many(numbered(30))
    await site.ghost_reads(Priority.NORMAL, 20)
    node = await site.open_node()
    await site.empty()
    assert await stored(node, "user:ada") == titled(30)


async def test_what_kills_its_readers_is_dead(site: Site, shop: Publisher) -> None:
    """It was read too often and never finished; what was read with it once is published."""
    killer = await shop.publish("user:ada", "killer")
    await site.ghost_reads(Priority.NORMAL, 1, times=MAX_DELIVERIES)
    await shop.publish_many(numbered(10))
    node = await site.open_node()
    await site.empty()
    outcome = await site.settled(shop, killer)
    assert (outcome.state, outcome.code) == ("dead", "killer")
    assert await stored(node, "user:ada") == titled(10)


async def test_suspects_are_claimed_one_by_one(
    site: Site, shop: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever dies at the first of them does not count against those behind it."""
    await shop.publish_many(numbered(3))
    await site.ghost_reads(Priority.NORMAL, 3, times=2)
    node = await site.open_node()
    monkeypatch.setattr(node.node.publisher, "accept", hang)
    stream = site.names.lanes[Priority.NORMAL]
    counts: list[int] = []

    async def claimed() -> bool:
        found = await site.redis.xpending_range(stream, GROUP, min="-", max="+", count=3)
        counts[:] = [row["times_delivered"] for row in found]
        return counts == [3, 2, 2]

    await eventually(claimed, what="the first to be claimed")


async def hang(*args: Any, **options: Any) -> Any:
    await asyncio.Event().wait()


async def test_a_withdrawal_waits_for_its_notification(site: Site, shop: Publisher) -> None:
    """It stands behind it in the same stream, however far behind that is."""
    wrong = await shop.publish("user:ada", "a mistake", priority="low")
    await shop.publish_many(numbered(100, priority="low"))
    await shop.withdraw(wrong)
    node = await site.open_node()
    await site.empty()
    assert await site.desk.count_dead() == 0
    async with node.synced("ada") as ada:
        page = await ada.call("feed", {"limit": 100})
        assert len(page["items"]) == 100
        assert "a mistake" not in {item["title"] for item in page["items"]}


async def test_the_type_decides_the_priority_that_is_not_given(site: Site, shop: Publisher) -> None:
    """A security alert does not wait behind marketing, though neither names a priority."""
    node = await site.open_node()
    await eventually_told(site)
    await consumer(node).close()
    await shop.publish("user:ada", "Buy!", type="marketing")
    await shop.publish("user:ada", "Somebody signed in", type="security_alert")
    await shop.publish("user:ada", "Hello")
    await shop.publish("user:ada", "Now!", type="marketing", priority="critical")
    waiting = {one.priority.value: one.waiting for one in await site.desk.status()}
    assert waiting == {"critical": 1, "high": 1, "normal": 1, "low": 1}


async def eventually_told(site: Site) -> None:
    async def told() -> bool:
        return bool(await site.redis.exists(site.names.types))

    await eventually(told, what="the priorities of the types")


async def test_one_node_reads_until_the_queue_is_far_behind(
    site: Site, shop: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that order is kept; then all help."""
    nodes = [await site.open_node() for _ in range(2)]
    await until(lambda: sum(consumer(node).is_reader for node in nodes) == 1)
    await shop.publish_many(numbered(100))
    await site.empty()
    assert sorted(published(node) for node in nodes) == [0, 100]
    monkeypatch.setattr(consumers, "FAR_BEHIND", 0)
    while min(published(node) for node in nodes) == 0:
        await shop.publish_many(numbered(500))
    await site.empty()


def published(node: Running) -> int:
    return consumer(node).intake.metrics.published


async def test_another_node_reads_when_the_reader_leaves(site: Site, shop: Publisher) -> None:
    """At once, and nothing is lost in between."""
    nodes = [await site.open_node() for _ in range(2)]
    await until(lambda: any(consumer(node).is_reader for node in nodes))
    [reader] = [node for node in nodes if consumer(node).is_reader]
    publishing = asyncio.create_task(shop.publish_many(numbered(1_000)))
    await until(lambda: published(reader) > 0)
    await consumer(reader).close()
    await publishing
    await site.empty()
    assert await stored(nodes[0], "user:ada") == titled(1_000)


async def test_redis_may_go_and_come_back(
    valkey: Valkey, site: Site, tmp_path: Any, channel: str
) -> None:
    """Killed while a service publishes and nodes read: all arrives once, in order."""
    site.url = valkey.url
    node = await site.open_node()
    async with Publisher(valkey.url, name="shop", channel=channel) as shop:
        await shop.publish_many(numbered(500))
        publishing = asyncio.create_task(shop.publish_many(numbered(500, 500)))
        await valkey.kill()
        await valkey.start()
        ids = await publishing
        assert (await site.settled(shop, ids[-1])).state == "published"
    assert await stored(node, "user:ada") == titled(1_000)


async def test_a_redis_that_lost_everything_is_used_anew(site: Site, shop: Publisher) -> None:
    """The group is made again when it is missed."""
    node = await site.open_node()
    await shop.publish("user:ada", "before")
    await site.empty()
    await site.redis.delete(*site.names.lanes.values())
    await shop.publish("user:ada", "after")
    await site.empty()
    assert await stored(node, "user:ada") == ["before", "after"]


async def test_the_queue_is_seen_in_the_metrics(site: Site, shop: Publisher) -> None:
    """How much waits in each priority and for how long, what is dead, who reads."""
    await site.put(Priority.LOW, {"hello": "world"})
    node = await site.open_node()
    await shop.publish("user:ada", "Hello")
    await until(lambda: consumer(node).dead == 1)
    status, text = await node.wire.get(f"{node.url}/metrics")
    assert status == 200
    for line in (
        'notifier_queue_waiting{priority="critical"} 0.0',
        'notifier_queue_oldest_seconds{priority="low"} 0.0',
        "notifier_queue_dead 1.0",
        "notifier_queue_reader 1.0",
        "notifier_queue_published_total 1.0",
    ):
        assert line in text


async def test_a_withdrawal_waits_for_what_another_node_has_at_hand(
    site: Site, shop: Publisher
) -> None:
    """In a flood several read: it is put back until its notification has been stored."""
    stream = site.names.lanes[Priority.NORMAL]
    late = await shop.publish("user:ada", "late", priority="normal")
    await site.ghost_reads(Priority.NORMAL, 1)
    [(place, message)] = await site.redis.xrange(stream)
    await site.redis.xack(stream, GROUP, place)
    await site.redis.xdel(stream, place)
    node = await site.open_node()
    await shop.withdraw(late)
    await until(lambda: bool(consumer(node).waiting))

    async def was_put_back() -> bool:
        info = await site.redis.xinfo_stream(stream)
        return int(info["entries-added"]) >= 4

    await eventually(was_put_back, what="the withdrawal to be put back")
    await site.redis.xadd(stream, message)
    await site.empty()
    assert await site.desk.count_dead() == 0
    found = await node.node.store.after({"user:ada": 0}, limit=9, now=now_ms())
    assert [entry.notification.kind for entry in found["user:ada"]] == [Kind.WITHDRAWAL]


async def test_a_redis_that_became_full_is_emptied(valkey: Valkey, tmp_path: Path) -> None:
    """What is stored leaves the queue although nothing new fits into Redis any more."""
    async with AsyncExitStack() as stack:
        site = Site(valkey.url, "full", tmp_path, stack)
        async with Publisher(valkey.url, name="shop", channel="full") as shop:
            await shop.publish_many(numbered(100))
        node = await site.open_node()
        await until(lambda: consumer(node).is_reader)
        await site.empty()
        append, handed_over = node.node.store.append, asyncio.Event()

        async def store_in_full(publication: Publication) -> Receipt:
            await handed_over.wait()
            return await append(publication)

        node.node.store.append = store_in_full  # type: ignore[method-assign]
        async with Publisher(valkey.url, name="shop", channel="full") as shop:
            await shop.publish_many(numbered(100, 100))
        await site.redis.config_set("maxmemory", "1")
        handed_over.set()
        await site.empty()
        assert await stored(node, "user:ada") == titled(200)
        assert await site.desk.count_dead() == 0


async def test_an_error_of_redis_does_not_end_the_looking(site: Site, shop: Publisher) -> None:
    """What the queue holds is told again as soon as Redis answers again."""
    node = await site.open_node()
    await site.settled(shop, await shop.publish("user:ada", "Hello", priority="low"))
    await until(lambda: bool(consumer(node).waiting))
    stream = site.names.lanes[Priority.LOW]
    await site.redis.rename(stream, "aside")
    await site.redis.set(stream, "no stream")
    await until(lambda: not consumer(node).waiting)
    await site.redis.rename("aside", stream)
    await until(lambda: bool(consumer(node).waiting))
