"""Nothing is lost and nothing doubled when nodes, the store or RabbitMQ end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from notifier.core.models import Priority
from notifier.errors import StoreUnavailable
from notifier.queue import reader
from notifier.queue.amqp import lane
from tests.conftest import StartNotifier
from tests.queue.rabbit import Rabbit, consumer, until_stored
from tests.queue.site import stored, titled
from tests.realtime.engine.wire import until
from tests.realtime.nodes import Running
from tests.servers import RabbitMQ, WorkerProcess, free_port
from tests.servers import until as eventually


def numbered(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"to": "user:ada", "title": title} for title in titled(count, start)]


def published(node: Running) -> int:
    return node.node.intake.metrics.published


async def test_a_store_that_is_away_is_waited_for(
    rabbit: Rabbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is acknowledged or dead meanwhile, and it goes on by itself, in order."""
    monkeypatch.setattr(reader, "LONGEST_PAUSE_SECONDS", 0.01)
    node, shop = await rabbit.open_node(NOTIFIER_QUEUE__IN_SERVER="false"), await rabbit.declare()
    append, away = node.node.store.append, True

    async def failing(*args: Any) -> Any:
        if away:
            raise StoreUnavailable("away")
        return await append(*args)

    monkeypatch.setattr(node.node.store, "append", failing)
    await rabbit.publish(shop, *numbered(100))
    async with rabbit.reading(node, node.node.store.ping):
        tries = reader.MAX_DELIVERIES + 1
        await until(lambda: node.node.intake.metrics.postponed >= tries * reader.BATCH)
        assert await rabbit.waiting(shop, Priority.NORMAL) == 100 - reader.BATCH
        away = False
        assert await until_stored(node, 100) == titled(100)
    assert node.node.intake.metrics.dead == 0


async def test_a_node_whose_store_is_away_takes_nothing(rabbit: Rabbit) -> None:
    """Every message that it would take and give back would be counted as delivered."""
    node, shop = await rabbit.open_node(NOTIFIER_QUEUE__IN_SERVER="false"), await rabbit.declare()
    await rabbit.publish(shop, *numbered(10))
    asked, is_back = 0, asyncio.Event()

    async def ping() -> None:
        nonlocal asked
        asked += 1
        if not is_back.is_set():
            raise StoreUnavailable("away")

    async with rabbit.reading(node, ping):
        await until(lambda: asked >= 12)
        assert await rabbit.waiting(shop, Priority.NORMAL) == 10
        is_back.set()
        assert await until_stored(node, 10) == titled(10)


async def test_another_node_reads_when_the_reader_leaves(rabbit: Rabbit) -> None:
    """At once; nothing is lost, doubled or swapped in between."""
    nodes = [await rabbit.open_node() for _ in range(2)]
    shop = await rabbit.declare()
    publishing = asyncio.create_task(rabbit.publish(shop, *numbered(1_000)))
    await until(lambda: any(map(published, nodes)))
    [first] = [node for node in nodes if published(node)]
    [other] = [node for node in nodes if node is not first]
    await consumer(first).close()
    await publishing
    assert await until_stored(other, 1_000) == titled(1_000)
    assert published(other) > 0
    assert published(first) + published(other) >= 1_000


async def test_a_node_that_leaves_leaves_no_consumer(rabbit: Rabbit) -> None:
    """What it stood by to read is free for others."""
    node, shop = await rabbit.open_node(), await rabbit.declare()
    await until(lambda: consumer(node).connected == 4)
    assert await rabbit.consumers(shop) == [1, 1, 1, 1]
    await consumer(node).close()

    async def are_gone() -> bool:
        return await rabbit.consumers(shop) == [0, 0, 0, 0]

    await eventually(are_gone, what="the broker to notice")


async def test_queues_that_were_deleted_are_made_anew(rabbit: Rabbit) -> None:
    """The reader notices that it has been sent away."""
    node, shop = await rabbit.open_node(), await rabbit.declare()
    await rabbit.publish(shop, *numbered(1))
    await until_stored(node, 1)
    for name in rabbit.topology.lanes.values():
        await shop.queue_delete(name)
    await until(lambda: consumer(node).connected < 4)
    await until(lambda: consumer(node).connected == 4)
    await rabbit.publish(shop, *numbered(1, 1))
    assert await until_stored(node, 2) == titled(2)


async def test_a_killed_node_loses_and_doubles_nothing(
    rabbit: Rabbit, start_notifier: StartNotifier, tmp_path: Path
) -> None:
    """The process that reads is killed under load; a node on the same store takes over."""
    store = {"NOTIFIER_STORE": f"sqlite:///{tmp_path}/notifier.db"}
    first = await start_notifier(NOTIFIER_ENV="test", **store, **rabbit.variables)
    shop = await rabbit.declare()
    await rabbit.publish(shop, *numbered(1))
    other = await rabbit.open_node()
    await until_stored(other, 1)
    publishing = asyncio.create_task(rabbit.publish(shop, *numbered(1_500, 1)))
    await until_stored(other, 100)
    assert published(other) == 0
    await first.kill()
    await publishing
    assert await until_stored(other, 1_501) == titled(1_501)
    await rabbit.publish(shop, {"to": "user:ada", "title": "the end"})
    assert await until_stored(other, 1_502) == [*titled(1_501), "the end"]


async def test_a_worker_reads_and_leaves_in_order(rabbit: Rabbit, tmp_path: Path) -> None:
    """For nodes that leave the queue to it; at its end nothing is left behind that complains."""
    node, shop = await rabbit.open_node(NOTIFIER_QUEUE__IN_SERVER="false"), await rabbit.declare()
    store = {"NOTIFIER_STORE": f"sqlite:///{tmp_path}/notifier.db"}
    settings = {"NOTIFIER_ENV": "test", **store, **rabbit.variables}
    worker = WorkerProcess(tmp_path / "worker", settings)
    await worker.start()
    try:
        await rabbit.publish(shop, *numbered(50))
        assert await until_stored(node, 50) == titled(50)
        assert await worker.stop() == 0
    finally:
        await worker.kill()
    for complaint in ("Traceback", "never", "destroyed", "Error"):
        assert complaint not in worker.output


async def test_a_broker_may_go_and_come_back(
    rabbitmq: RabbitMQ, rabbit: Rabbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while a node reads: what it had confirmed arrives once, in order, by itself."""
    monkeypatch.setattr(lane, "LONGEST_PAUSE_SECONDS", 0.5)
    node, shop = await rabbit.open_node(), await rabbit.declare()
    await rabbit.publish(shop, *numbered(500))
    await until(lambda: published(node) > 0)
    await rabbitmq.kill()
    await rabbitmq.start()
    shop = await rabbit.connect()
    await rabbit.publish(shop, *numbered(100, 500))
    assert await until_stored(node, 600) == titled(600)


async def test_a_node_starts_without_a_broker(
    rabbit: Rabbit, caplog: pytest.LogCaptureFixture
) -> None:
    """It serves, says so once and without the password, and ends at once when it is told to."""
    rabbit.url = f"amqp://shop:hunter2@127.0.0.1:{free_port()}/"
    node = await rabbit.open_node()
    await node.publish("user:ada", "Hello")
    assert await stored(node, "user:ada") == ["Hello"]
    await until(lambda: any(record.name.startswith("notifier.queue") for record in caplog.records))
    await consumer(node).close()
    lines = [r.getMessage() for r in caplog.records if r.name.startswith("notifier.queue")]
    assert lines == ["RabbitMQ cannot be read: AMQPConnectionError"]
    assert "hunter2" not in caplog.text


async def test_a_queue_of_another_form_is_told(
    rabbit: Rabbit, caplog: pytest.LogCaptureFixture
) -> None:
    """In the broker's words, once; as soon as it is gone all goes on."""
    shop = await rabbit.connect()
    await shop.declare_queue(rabbit.topology.dead, durable=True)
    node = await rabbit.open_node()
    await until(lambda: "RabbitMQ cannot be read" in caplog.text)
    assert "PRECONDITION_FAILED - inequivalent arg" in caplog.text
    assert f"for queue '{rabbit.topology.dead}'" in caplog.text
    await shop.queue_delete(rabbit.topology.dead)
    await until(lambda: consumer(node).connected == 4)
    assert caplog.text.count("RabbitMQ cannot be read") == 1
