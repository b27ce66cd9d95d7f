"""Messages as they stand in RabbitMQ: read into ours, and written as dead letters."""

from __future__ import annotations

from uuid import UUID

from aio_pika import DeliveryMode
from aio_pika import Message as Letter
from aio_pika.abc import AbstractIncomingMessage

from notifier.core.models import Priority, is_name, new_id, now_ms
from notifier.errors import InvalidRequest
from notifier.queue.messages import Message, Outcome


def read(delivery: AbstractIncomingMessage) -> Message:
    """The message; ``InvalidRequest`` says which of its properties is wrong.

    A ``message_id`` that is a UUID becomes the id of the notification. Any other is an idempotency
    key: which id it stands for the store knows, from the first time.
    """
    by = _publisher(delivery)
    op = delivery.type or "publish"
    name = delivery.message_id
    if not name:
        why = "Is required: without it a repeated message would be published twice."
        raise InvalidRequest({"message_id": [why]})
    notification_id = _uuid(name)
    if op == "publish":
        if notification_id is None:
            return Message(op="publish", id=new_id(now_ms()), by=by, body=delivery.body, key=name)
        return Message(op="publish", id=notification_id, by=by, body=delivery.body)
    if op == "withdraw":
        if notification_id is None:
            raise InvalidRequest({"message_id": ["Must be the UUID of what is to be withdrawn."]})
        return Message(op="withdraw", id=notification_id, by=by)
    raise InvalidRequest({"type": ["Must be publish or withdraw."]})


def count_deliveries(delivery: AbstractIncomingMessage) -> int:
    """How often it was delivered before, to readers that ended before they had settled it."""
    count = delivery.headers.get("x-delivery-count")
    return count if isinstance(count, int) else 0


def dead_letter(lane: Priority, delivery: AbstractIncomingMessage, outcome: Outcome) -> Letter:
    """The same body and properties, and in the headers why it is dead.

    Other headers are left behind, because all of them must fit into one frame. The user becomes the
    ``app_id``: the property must be the user of the connection, which is ours.
    """
    headers = {
        "notifier-code": outcome.code,
        "notifier-reason": outcome.reason,
        "notifier-lane": lane.value,
    }
    return Letter(
        delivery.body,
        headers=dict(headers),
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=delivery.message_id,
        type=delivery.type,
        app_id=delivery.user_id or delivery.app_id,
        content_type=delivery.content_type,
        content_encoding=delivery.content_encoding,
        correlation_id=delivery.correlation_id,
        timestamp=delivery.timestamp,
    )


def _publisher(delivery: AbstractIncomingMessage) -> str:
    by = delivery.user_id or delivery.app_id or ""
    if not is_name(by):
        raise InvalidRequest({"app_id": ["This, or user_id, must say who publishes."]})
    return by


def _uuid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None
