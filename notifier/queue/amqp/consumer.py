"""The node's part in the queue on RabbitMQ: readers of all priorities."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from notifier.core.models import Priority
from notifier.queue.amqp.lane import LaneReader
from notifier.queue.amqp.topology import Topology
from notifier.queue.intake import Intake
from notifier.queue.names import LANES

logger = logging.getLogger(__name__)


class Consumer:
    """Reads the queue between ``start`` and ``close``. ``ping`` asks the store."""

    def __init__(
        self, url: str, intake: Intake, *, prefix: str, ping: Callable[[], Awaitable[None]]
    ) -> None:
        topology = Topology(prefix)
        self._troubles: dict[Priority, str | None] = {}
        self._lanes: list[LaneReader] = []
        for priority in LANES:
            lane = LaneReader(
                url,
                topology,
                priority,
                intake,
                ping=ping,
                tell=self._note,
                above=tuple(self._lanes),
            )
            self._lanes.append(lane)

    def start(self) -> None:
        for lane in self._lanes:
            lane.start()

    async def close(self) -> None:
        """Finish what is under way and give the rest back."""
        await asyncio.gather(*(lane.close() for lane in self._lanes))

    @property
    def waiting(self) -> dict[str, float]:
        """Messages in each priority, seconds ago at most; of those that can be read."""
        return {lane.priority.value: lane.session.waiting for lane in self._lanes if lane.session}

    @property
    def dead(self) -> float:
        """Dead letters, seconds ago at most."""
        return max((lane.session.dead for lane in self._lanes if lane.session), default=0)

    @property
    def connected(self) -> float:
        """How many priorities, of four, this node reads or waits to read."""
        return len([lane for lane in self._lanes if lane.session])

    def _note(self, priority: Priority, trouble: str | None) -> None:
        """Log what is wrong once, however many readers meet it and however often they try."""
        if trouble is not None and trouble not in self._troubles.values():
            logger.warning("RabbitMQ cannot be read: %s", trouble)
        if trouble is None and self._troubles.get(priority) is not None:
            logger.info("RabbitMQ is read again: %s", priority.value)
        self._troubles[priority] = trouble
