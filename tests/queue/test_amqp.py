"""From a service through RabbitMQ to the page: what is published, what is refused, and why."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from notifier.core.models import Priority
from notifier.queue.amqp import session
from notifier.queue.amqp.topology import DELIVERY_LIMIT
from notifier.queue.reader import MAX_DELIVERIES
from tests.queue.rabbit import Rabbit, consumer, until_stored
from tests.queue.site import stored, titled
from tests.realtime.engine.wire import until
from tests.servers import until as eventually


def numbered(count: int, start: int = 0, **fields: Any) -> list[dict[str, Any]]:
    return [{"to": "user:ada", "title": title, **fields} for title in titled(count, start)]


HELLO = {"to": "user:ada", "title": "Hello"}


async def test_what_is_published_is_shown_once_and_in_order(rabbit: Rabbit) -> None:
    """Two nodes stand by one queue, without Redis; what one stores is in the feed of the other."""
    nodes = [await rabbit.open_node() for _ in range(2)]
    shop = await rabbit.declare()
    async with nodes[0].synced("ada") as phone:
        await rabbit.publish(shop, *numbered(200))
        assert await until_stored(nodes[1], 200) == titled(200)
        if nodes[0].node.intake.metrics.published:
            await phone.until("notification", 200)
            assert phone.titles == titled(200)


async def test_every_routing_key_leads_to_a_node(rabbit: Rabbit) -> None:
    """Each priority has a queue; what names none of them is normal."""
    shop = await rabbit.declare()
    for key in ("critical", "high", "low", "strange"):
        await rabbit.publish(shop, HELLO, key=key)
    waiting = [await rabbit.waiting(shop, lane) for lane in rabbit.topology.lanes]
    assert waiting == [1, 1, 1, 1]
    node = await rabbit.open_node()
    await until_stored(node, 4)


async def test_a_repeated_message_counts_once(rabbit: Rabbit) -> None:
    """By its id, which is the notification's, or by a key of the service's own."""
    node, shop = await rabbit.open_node(), await rabbit.declare()
    notification_id = str(uuid4())
    for name in (notification_id, "order-17"):
        await rabbit.publish(shop, HELLO, HELLO, message_id=name)
    await rabbit.publish(shop, {**HELLO, "title": "the end"})
    assert await until_stored(node, 3) == ["Hello", "Hello", "the end"]
    [first, *_] = (await node.node.store.after({"user:ada": 0}, limit=10, now=0))["user:ada"]
    assert first.notification.id == notification_id


async def test_a_key_with_another_body_is_a_conflict(rabbit: Rabbit) -> None:
    """The second is dead: nobody can tell which of them was meant."""
    node, shop = await rabbit.open_node(), await rabbit.declare()
    await rabbit.publish(shop, HELLO, message_id="order-17")
    await until_stored(node, 1)
    await rabbit.publish(shop, {**HELLO, "title": "Bye"}, message_id="order-17")
    [letter] = await rabbit.letters(shop, 1)
    assert letter.headers["notifier-code"] == "conflict"
    assert await stored(node, "user:ada") == ["Hello"]


async def test_a_withdrawal_waits_for_its_notification(rabbit: Rabbit) -> None:
    """It stands behind it in the same queue, however far behind that is."""
    shop = await rabbit.declare()
    mistake = str(uuid4())
    await rabbit.publish(shop, {**HELLO, "title": "a mistake"}, key="low", message_id=mistake)
    await rabbit.publish(shop, *numbered(50), key="low")
    await rabbit.publish(shop, b"", key="low", message_id=mistake, type="withdraw")
    await rabbit.publish(shop, {**HELLO, "title": "the end"}, key="low")
    node = await rabbit.open_node()
    await until_stored(node, 52)
    async with node.synced("ada") as ada:
        page = await ada.call("feed", {"limit": 100})
        assert {item["title"] for item in page["items"]} == {*titled(50), "the end"}


async def test_the_user_whom_the_broker_vouches_for_is_the_publisher(rabbit: Rabbit) -> None:
    """``user_id`` wins over ``app_id``, which anybody can write."""
    node, shop = await rabbit.open_node(), await rabbit.declare()
    mine = str(uuid4())
    await rabbit.publish(shop, HELLO, message_id=mine, user_id="guest", app_id="shop")
    await until_stored(node, 1)
    await rabbit.publish(shop, b"", message_id=mine, type="withdraw", app_id="shop")
    [letter] = await rabbit.letters(shop, 1)
    assert letter.headers["notifier-code"] == "not_found"
    await rabbit.publish(shop, b"", message_id=mine, type="withdraw", user_id="guest")
    await until(lambda: node.node.intake.metrics.withdrawn == 1)


POISON: dict[str, tuple[bytes, dict[str, Any]]] = {
    "app_id: This, or user_id, must say who publishes.": (b"{}", {"app_id": None}),
    "type: Must be publish or withdraw.": (b"{}", {"type": "delete"}),
    "message_id: Must be the UUID of what is to be withdrawn.": (
        b"",
        {"type": "withdraw", "message_id": "order-17"},
    ),
    ": Must be a JSON object.": (b"SECRET", {}),
    "title: Missing data for required field.": (b'{"to": "user:ada"}', {}),
    "type: Not in the type catalogue": (b'{"to": "user:ada", "title": "x", "type": "y"}', {}),
    "Idempotency-Key: Must be 1 to 255 visible": (
        b'{"to": "user:ada", "title": "x"}',
        {"message_id": "order 17"},
    ),
}


async def test_wrong_messages_never_block_the_queue(
    rabbit: Rabbit, caplog: pytest.LogCaptureFixture
) -> None:
    """Each becomes a dead letter that says why; what stands behind them is published."""
    shop = await rabbit.declare()
    for body, properties in POISON.values():
        await rabbit.publish(shop, body, headers={"trace": "x" * 100_000}, **properties)
    await rabbit.publish(shop, HELLO)
    node = await rabbit.open_node()
    assert await until_stored(node, 1) == ["Hello"]
    letters = await rabbit.letters(shop, len(POISON))
    for letter, (reason, (body, properties)) in zip(letters, POISON.items(), strict=True):
        assert letter.headers["notifier-reason"].startswith(reason)
        assert letter.headers["notifier-code"] == "invalid_request"
        assert letter.headers["notifier-lane"] == "normal"
        assert letter.body == body
        assert letter.type == properties.get("type")
    assert "SECRET" not in caplog.text


async def test_a_message_without_an_id_is_dead(rabbit: Rabbit) -> None:
    """Nobody could tell whether it has been published when it comes again."""
    shop = await rabbit.declare()
    await rabbit.publish_raw(b"{}", app_id="shop")
    await rabbit.open_node()
    [letter] = await rabbit.letters(shop, 1)
    assert letter.headers["notifier-reason"].startswith("message_id: Is required")


async def test_what_cannot_even_be_received_is_dead_alone(rabbit: Rabbit) -> None:
    """It ends connections until the broker gives it up; its neighbours are published."""
    shop = await rabbit.declare()
    await rabbit.publish(shop, *numbered(10))
    # A time in nanoseconds, where AMQP has seconds: no calendar goes so far.
    await rabbit.publish_raw(b"{}", app_id="shop", message_id="late", timestamp=10**18)
    await rabbit.publish(shop, *numbered(10, 10))
    node = await rabbit.open_node()
    assert await until_stored(node, 20) == titled(20)

    async def has_died() -> bool:
        queue = await shop.declare_queue(rabbit.topology.dead, passive=True)
        return queue.declaration_result.message_count == 1

    await eventually(has_died, what="a dead letter")


async def test_what_kills_its_readers_is_dead_alone(rabbit: Rabbit) -> None:
    """It was the first one whenever a reader died; what was sent along with it is published."""
    shop = await rabbit.declare()
    await rabbit.publish(shop, *numbered(4))
    await rabbit.ghost_reads(Priority.NORMAL, 4, times=MAX_DELIVERIES)
    node = await rabbit.open_node()
    [letter] = await rabbit.letters(shop, 1)
    assert letter.headers["notifier-code"] == "killer"
    assert await until_stored(node, 3) == titled(3, 1)


async def test_the_broker_gives_up_what_no_node_settles(rabbit: Rabbit) -> None:
    """Even if all nodes end before they can say so."""
    shop = await rabbit.declare()
    await rabbit.publish(shop, HELLO)
    await rabbit.ghost_reads(Priority.NORMAL, 1, times=DELIVERY_LIMIT + 1)
    [letter] = await rabbit.letters(shop, 1)
    assert letter.headers["x-death"][0]["reason"] == "delivery_limit"


async def test_a_flood_does_not_stand_before_what_is_urgent(rabbit: Rabbit) -> None:
    """A critical one is stored while thousands of low ones wait."""
    shop = await rabbit.declare()
    await rabbit.publish(shop, *numbered(2_000), key="low")
    node = await rabbit.open_node()
    await until(lambda: node.node.intake.metrics.published > 0)
    await rabbit.publish(shop, {"to": "user:eve", "title": "Now!"}, key="critical")

    async def is_stored() -> bool:
        return await stored(node, "user:eve") == ["Now!"]

    await eventually(is_stored, what="the urgent one")
    assert await rabbit.waiting(shop, Priority.LOW) > 0


async def test_the_queue_is_seen_in_the_metrics(
    rabbit: Rabbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How much waits in each priority, what is dead, and what the node did itself."""
    monkeypatch.setattr(session, "LOOK_SECONDS", 0.1)
    shop = await rabbit.declare()
    await rabbit.publish(shop, HELLO, b"SECRET")
    node = await rabbit.open_node()
    await until(lambda: consumer(node).dead == 1 and consumer(node).connected == 4)
    _, text = await node.wire.get(f"{node.url}/metrics")
    for line in (
        'notifier_amqp_waiting{priority="normal"} 0.0',
        "notifier_amqp_dead 1.0",
        "notifier_amqp_connected 4.0",
        "notifier_queue_published_total 1.0",
        "notifier_queue_dead_total 1.0",
    ):
        assert line in text
