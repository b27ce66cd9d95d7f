"""What exists in the broker: an exchange for services, a queue for each priority, one of the dead.

Declared by every node, the same each time; see docs/publishing.md.
"""

from __future__ import annotations

from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from notifier.core.models import Priority
from notifier.queue.desk import MAX_DEAD
from notifier.queue.names import LANES
from notifier.queue.reader import MAX_DELIVERIES

DELIVERY_LIMIT = 2 * MAX_DELIVERIES
"""How often the broker delivers a message again before it is dead. Nodes give up the first one that
they get after half as many: the limit is for what they cannot even read, and what was delivered
behind it may be counted as often and is still published."""

_QUORUM = {"x-queue-type": "quorum"}


class Topology:
    """All names start with ``prefix``, a setting in [amqp]."""

    def __init__(self, prefix: str) -> None:
        self.exchange = prefix
        """Where services publish, with the priority as routing key."""
        self.unrouted = f"{prefix}.unrouted"
        """Where messages with another routing key go on; from here to the normal ones."""
        self.dead = f"{prefix}.dead"
        """An exchange, and the queue behind it."""
        self.lanes = {priority: f"{prefix}.{priority}" for priority in LANES}

    async def declare(self, channel: AbstractChannel) -> None:
        """Make what is missing. Raises what aio-pika raises when something is there in another
        form."""
        unrouted = await channel.declare_exchange(self.unrouted, ExchangeType.FANOUT, durable=True)
        exchange = await channel.declare_exchange(
            self.exchange,
            ExchangeType.DIRECT,
            durable=True,
            arguments={"alternate-exchange": self.unrouted},
        )
        dead = await channel.declare_exchange(self.dead, ExchangeType.FANOUT, durable=True)
        letters = await channel.declare_queue(
            self.dead, durable=True, arguments={**_QUORUM, "x-max-length": MAX_DEAD}
        )
        await letters.bind(dead)
        for priority, name in self.lanes.items():
            queue = await channel.declare_queue(name, durable=True, arguments=self._lane_arguments)
            await queue.bind(exchange, priority.value)
            if priority is Priority.NORMAL:
                await queue.bind(unrouted)

    @property
    def _lane_arguments(self) -> dict[str, Any]:
        return {
            **_QUORUM,
            # One node reads at a time, which keeps the order.
            "x-single-active-consumer": True,
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": self.dead,
            # The broker keeps a message until its dead letter is safe, if it may refuse new ones.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
