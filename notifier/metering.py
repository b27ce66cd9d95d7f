"""What a node tells of itself at ``/metrics``, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from notifier.http.metrics import Metric
from notifier.queue.consumer import Consumer

if TYPE_CHECKING:
    from notifier.queue.amqp.consumer import Consumer as AmqpConsumer


def counters(parts: Mapping[str, Any]) -> Iterator[Metric]:
    """Everything that these parts count: each has a dataclass of numbers."""
    for part, source in parts.items():
        for name in asdict(source):
            yield Metric(
                name=f"notifier_{part}_{name}",
                help=f"{part}: {name.replace('_', ' ')}, since the start",
                kind="counter",
                read=_reader(source, name),
            )


_ENGINE_GAUGES = {"websocket_connections", "polling_connections", "outbox_bytes", "loop_lag"}


def of_engine(engine: Any) -> Sequence[Metric]:
    def read_closes() -> Mapping[str, float]:
        return dict(engine.closes)

    closes = Metric(
        "notifier_engine_closes", "Connections closed, by reason", "counter", read_closes, "reason"
    )
    return [closes] + [
        Metric(
            name=f"notifier_engine_{name}",
            help=f"engine: {name.replace('_', ' ')}",
            kind="gauge" if name in _ENGINE_GAUGES else "counter",
            read=_reader(engine, name),
        )
        for name in asdict(engine)
        if name != "closes"
    ]


def of_queue(queue: Consumer) -> Sequence[Metric]:
    """The same on every node: they tell of the queue, not of the node's part in it."""
    return [
        Metric(
            "notifier_queue_waiting",
            "Messages in the queue",
            "gauge",
            lambda: queue.waiting,
            "priority",
        ),
        Metric(
            "notifier_queue_oldest_seconds",
            "For how long the first message of the queue has waited",
            "gauge",
            lambda: queue.oldest,
            "priority",
        ),
        Metric("notifier_queue_dead", "Dead letters", "gauge", lambda: queue.dead),
        Metric(
            "notifier_queue_reader",
            "1 on the node that reads the queue",
            "gauge",
            lambda: float(queue.is_reader),
        ),
    ]


def of_amqp(amqp: AmqpConsumer) -> Sequence[Metric]:
    return [
        Metric(
            "notifier_amqp_waiting",
            "Messages in RabbitMQ that no node has taken",
            "gauge",
            lambda: amqp.waiting,
            "priority",
        ),
        Metric("notifier_amqp_dead", "Dead letters in RabbitMQ", "gauge", lambda: amqp.dead),
        Metric(
            "notifier_amqp_connected",
            "How many priorities this node reads from RabbitMQ, or stands by to read",
            "gauge",
            lambda: amqp.connected,
        ),
    ]


def _reader(source: object, name: str) -> Callable[[], float]:
    return lambda: getattr(source, name)
