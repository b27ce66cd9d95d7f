"""Reading one priority of the queue in RabbitMQ.

The broker lets one node read at a time, and gives what a node has not acknowledged to the next one,
in order. It counts these deliveries, all that were sent ahead alike. So of those the next reader
gets, the first one alone can be what ended the last: when it was delivered too often, it is dead.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aio_pika.abc import AbstractIncomingMessage

from notifier.core.models import Priority
from notifier.errors import InvalidRequest
from notifier.queue.amqp.letters import count_deliveries, dead_letter, read
from notifier.queue.amqp.session import Broken, Session
from notifier.queue.amqp.topology import Topology
from notifier.queue.intake import AWAY, Intake
from notifier.queue.messages import Outcome
from notifier.queue.reader import (
    BATCH,
    LONGEST_PAUSE_SECONDS,
    MAX_DELIVERIES,
    SHORTEST_PAUSE_SECONDS,
    Item,
    Reader,
    apart,
    killer,
)

logger = logging.getLogger(__name__)

NARROW_SECONDS = 60.0
"""For how long messages are taken one by one after one that could not even be received. The broker
gives that one up after some deliveries, and what is not sent with it does not share its fate."""


@dataclass(slots=True, kw_only=True)
class _Item(Item):
    """With what the broker delivered."""

    delivery: AbstractIncomingMessage


class LaneReader(Reader[_Item]):
    """Reads one queue between ``start`` and ``close``, over connections of its own.

    ``ping`` asks the store: who cannot store takes nothing. ``tell`` hears why nothing can be read,
    and None when something can.
    """

    def __init__(
        self,
        url: str,
        topology: Topology,
        priority: Priority,
        intake: Intake,
        *,
        ping: Callable[[], Awaitable[None]],
        tell: Callable[[Priority, str | None], None],
        above: Sequence[LaneReader],
    ) -> None:
        super().__init__(intake, above)
        self.session: Session | None = None
        """The one that is open now."""
        self.priority = priority
        self._url = url
        self._topology = topology
        self._ping = ping
        self._tell_trouble = tell
        self._narrow_until = float("-inf")
        self._pause = SHORTEST_PAUSE_SECONDS

    async def _run(self) -> None:
        while not self._leaving:
            self._waiting = True
            try:
                await self._ping()
                await self._read_session()
            except Broken as broken:
                self._tell_trouble(self.priority, str(broken))
                if broken.unreadable:
                    self._narrow_until = time.monotonic() + NARROW_SECONDS
            except AWAY:
                self._tell_trouble(self.priority, "the store is away")
            except Exception:
                logger.exception("reading the queue failed")
                self._pause = LONGEST_PAUSE_SECONDS
            if not self._leaving:
                await self._rest(self._pause)
                self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    async def _read_session(self) -> None:
        queue, prefetch = self._topology.lanes[self.priority], self._prefetch
        async with Session.opened(self._url, self._topology, queue, prefetch=prefetch) as session:
            self.session = session
            self._tell_trouble(self.priority, None)
            self._pause = SHORTEST_PAUSE_SECONDS
            try:
                await self._read(session)
            finally:
                self.session = None

    @property
    def _prefetch(self) -> int:
        return 1 if time.monotonic() < self._narrow_until else BATCH

    async def _read(self, session: Session) -> None:
        is_first = True
        while not self._leaving and session.prefetch == self._prefetch:
            self._waiting = True
            deliveries = await session.next(self._batch_size())
            self._waiting = False
            self._read_at = time.monotonic()
            items = [_item(delivery) for delivery in deliveries]
            if is_first and count_deliveries(deliveries[0]) >= MAX_DELIVERIES:
                items[0].outcome = killer(items[0])
            is_first = False
            for some in apart(items, lambda item: count_deliveries(item.delivery)):
                await self._settle(some)

    async def _keep(self, items: Sequence[_Item], pause: float) -> list[_Item]:
        await self._rest(pause)
        session = self.session
        return [] if session is None or session.is_over else list(items)

    async def _acknowledge(self, items: Sequence[_Item]) -> None:
        session = self.session
        assert session is not None
        for item in items:
            if item.outcome is not None and item.outcome.state == "dead":
                letter = dead_letter(self.priority, item.delivery, item.outcome)
                await session.bury(letter, self.priority.value)
        await session.acknowledge([item.delivery for item in items])


def _item(delivery: AbstractIncomingMessage) -> _Item:
    try:
        return _Item(message=read(delivery), delivery=delivery)
    except InvalidRequest as error:
        return _Item(message=None, delivery=delivery, outcome=Outcome.refused("", error))
