"""The node's part in the queue: readers of all priorities, and how far behind they are."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from notifier.core.models import Priority, now_ms
from notifier.core.types import NotificationType
from notifier.queue.desk import Desk, LaneStatus
from notifier.queue.intake import Intake
from notifier.queue.lane import BLOCK_SECONDS, LaneReader
from notifier.queue.names import GROUP, LANES, QueueNames
from notifier.redis.client import FAILURES, connect, stop
from notifier.redis.lease import Lease

logger = logging.getLogger(__name__)

FAR_BEHIND = 10_000
"""Messages of one priority that may wait for the one node that reads; with more, all nodes read.

One reader keeps the order in which services published. A flood is better shared: then the order
between notifications that were read by different nodes is left to chance.
"""

LOOK_SECONDS = 1.0
"""How often the length of the queue is looked at."""

TELL_SECONDS = 30.0
"""How often the priorities of the types are told to publishers, who know no catalogue."""

GONE_SECONDS = 3_600
"""After so long without a sign of life, a consumer that has nothing left is forgotten."""

_FORGET = """
for _, found in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for n = 1, #found, 2 do consumer[found[n]] = found[n + 1] end
  if consumer.pending == 0 and consumer.idle > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
  end
end
"""


class Consumer:
    """Reads the queue between ``start`` and ``close``. ``types`` is the catalogue."""

    def __init__(
        self,
        url: str,
        intake: Intake,
        types: Mapping[str, NotificationType],
        *,
        prefix: str,
        verify_tls: bool = True,
    ) -> None:
        self.dead = 0
        """Dead letters, a second ago at most."""
        self.intake = intake
        node = uuid4().hex
        self._names = QueueNames(prefix)
        self._types = types
        self._commands = connect(url, verify_tls=verify_tls, socket_timeout=2.0)
        # Reads that Redis holds back need connections that wait for longer than that.
        self._reads = connect(url, verify_tls=verify_tls, socket_timeout=BLOCK_SECONDS + 4.0)
        self._desk = Desk(self._commands, self._names)
        self._status: dict[Priority, LaneStatus] = {}
        self._told_at = float("-inf")
        self._lease = Lease(self._commands, self._names.reader, node)
        self._lanes: list[LaneReader] = []
        for priority in LANES:
            lane = LaneReader(
                self._reads,
                self._names,
                priority,
                intake,
                self._lease,
                node=node,
                far_behind=partial(self._is_far_behind, priority),
                above=tuple(self._lanes),
            )
            self._lanes.append(lane)
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._look_forever())
        self._lease.start()
        for lane in self._lanes:
            lane.start()

    async def close(self) -> None:
        """Finish what is under way and leave the rest to the other nodes."""
        if self._looking is not None:
            await stop([self._looking])
        await asyncio.gather(*(lane.close() for lane in self._lanes))
        await self._lease.close()
        await self._commands.aclose()
        await self._reads.aclose()

    @property
    def is_reader(self) -> bool:
        """Whether this is the node that reads."""
        return self._lease.held

    @property
    def waiting(self) -> dict[str, float]:
        """Messages in each priority, a second ago at most."""
        return {status.priority.value: status.waiting for status in self._status.values()}

    @property
    def oldest(self) -> dict[str, float]:
        """For how many seconds the first message of each priority has waited."""
        now = now_ms()
        return {
            status.priority.value: 0.0 if status.oldest is None else (now - status.oldest) / 1000
            for status in self._status.values()
        }

    def _is_far_behind(self, priority: Priority) -> bool:
        status = self._status.get(priority)
        return status is not None and status.waiting > FAR_BEHIND

    async def _look_forever(self) -> None:
        while True:
            try:
                self._status = {status.priority: status for status in await self._desk.status()}
                self.dead = await self._desk.count_dead()
                if time.monotonic() - self._told_at >= TELL_SECONDS:
                    await self._tidy()
                    self._told_at = time.monotonic()
            except FAILURES:
                self._status = {}  # the readers tell what is wrong
            await asyncio.sleep(LOOK_SECONDS)

    async def _tidy(self) -> None:
        """Tell publishers the priorities of the types; forget the consumers of nodes long gone."""
        told: Mapping[Any, Any] = {name: type.priority.value for name, type in self._types.items()}
        async with self._commands.pipeline(transaction=False) as pipeline:
            pipeline.hset(self._names.types, mapping=told)
            for stream in self._names.lanes.values():
                pipeline.eval(_FORGET, 1, stream, GROUP, GONE_SECONDS * 1000)
            await pipeline.execute(raise_on_error=False)
