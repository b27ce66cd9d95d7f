"""Reading one priority of the queue in Redis.

What is read is pending in the consumer group until it is settled: stored or dead, and then
acknowledged and deleted in one step together with its outcome. So a node that dies leaves behind
what it had read. Whoever reads next claims that first. Each delivery is counted, and what has been
there at the end of two nodes is claimed by itself from then on: so the counts of what kills its
readers grow, and not those of what merely stood beside it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import asyncio as aioredis
from redis.exceptions import OutOfMemoryError, ResponseError

from notifier.core.models import Priority
from notifier.errors import InvalidRequest, NotFound
from notifier.queue.desk import MAX_DEAD, dead_letter
from notifier.queue.intake import Intake
from notifier.queue.messages import Message, Outcome
from notifier.queue.names import GROUP, KEPT_SECONDS, QueueNames, id_bytes
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
from notifier.redis.client import FAILURES
from notifier.redis.lease import Lease

logger = logging.getLogger(__name__)

BLOCK_SECONDS = 1.0
"""How long Redis holds a read that finds nothing; below the time-out of the connection."""

IDLE_SECONDS = 0.1
"""How often a node without the lease looks whether it is its turn."""

STUCK_SECONDS = 30.0
"""What a node has not settled for so long is claimed by another one."""

PASS_ON_SECONDS = 1.0
"""Who has to wait longer than that lets another node try, whose store may be there."""

_FREE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"
"""What is dead gives back its idempotency key, for one that is corrected, unless another one under
the same key has come already."""

_Left = Mapping[str, Any]
"""Of something that was read and not settled: where it stands, how often it was delivered."""


@dataclass(slots=True, kw_only=True)
class _Item(Item):
    """With its place in the stream, and what stands there."""

    place: bytes
    fields: Mapping[bytes, bytes]


class LaneReader(Reader[_Item]):
    """Reads one stream between ``start`` and ``close``: while it has the lease, or while the stream
    is ``far_behind`` and every node helps."""

    def __init__(
        self,
        redis: aioredis.Redis,
        names: QueueNames,
        priority: Priority,
        intake: Intake,
        lease: Lease,
        *,
        node: str,
        far_behind: Callable[[], bool],
        above: Sequence[LaneReader],
    ) -> None:
        super().__init__(intake, above)
        self._redis: Any = redis
        self._names = names
        self._priority = priority
        self._stream = names.lanes[priority]
        self._lease = lease
        self._node = node
        self._far_behind = far_behind
        self._term = 0
        self._searched_at = float("-inf")

    async def _run(self) -> None:
        pause = SHORTEST_PAUSE_SECONDS
        while not self._leaving:
            try:
                await self._work()
                pause = SHORTEST_PAUSE_SECONDS
            except FAILURES as error:
                if not _has_no_group(error):
                    logger.warning("cannot read the queue: %s", type(error).__name__)
                self._term = 0  # what was read may not have arrived here
                await self._rest(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                await self._make_group()
            except Exception:
                logger.exception("reading the queue failed")
                await self._rest(LONGEST_PAUSE_SECONDS)

    async def _work(self) -> None:
        """Settle one batch, or find that there is none."""
        if self._lease.held:
            await self._claim_as_reader()
            await self._settle(await self._read(block=int(BLOCK_SECONDS * 1000)))
        elif self._far_behind():
            await self._settle(await self._read(block=None))
        else:
            self._term = 0
            await self._rest(IDLE_SECONDS)

    async def _read(self, block: int | None) -> list[_Item]:
        count = self._batch_size()
        self._waiting = True
        answer = await self._redis.xreadgroup(
            GROUP, self._node, {self._stream: ">"}, count=count, block=block
        )
        self._waiting = False
        items = [_item(*row) for row in _rows(answer)]
        if items:
            self._read_at = time.monotonic()
        return items

    async def _make_group(self) -> None:
        # If it fails, the group is there, or the next read will tell what is wrong.
        with contextlib.suppress(*FAILURES):
            await self._redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)

    # What others have left behind

    async def _claim_as_reader(self) -> None:
        now = time.monotonic()
        if self._term != self._lease.terms:
            await self._claim(idle=0.0)
            self._term = self._lease.terms
        elif now - self._searched_at >= STUCK_SECONDS:
            await self._claim(idle=STUCK_SECONDS)
        else:
            return
        self._searched_at = now

    async def _claim(self, *, idle: float) -> None:
        """Settle what has been read and left for so many seconds, the oldest first."""
        milliseconds, start = int(idle * 1000), "-"
        while not self._leaving:
            left = await self._redis.xpending_range(
                self._stream, GROUP, min=start, max="+", count=BATCH, idle=milliseconds
            )
            for some in apart(left, _deliveries):
                await self._settle(await self._take_over(some, milliseconds))
            if not left:
                return
            start = f"({left[-1]['message_id'].decode()}"

    async def _take_over(self, left: Sequence[_Left], idle: int) -> list[_Item]:
        """Claim these, unless somebody else just did."""
        places = [row["message_id"] for row in left]
        rows = await self._redis.xclaim(self._stream, GROUP, self._node, idle, places)
        items = [_item(*row) for row in rows]
        if _deliveries(left[0]) >= MAX_DELIVERIES:
            for item in items:
                item.outcome = killer(item)
        return items

    # Settling

    async def _keep(self, items: Sequence[_Item], pause: float) -> list[_Item]:
        # It was not these that ended a reader: their deliveries are counted anew.
        places = [item.place for item in items]
        kept = await self._redis.xclaim(
            self._stream, GROUP, self._node, 0, places, retrycount=0, justid=True
        )
        await self._rest(pause)
        if pause > PASS_ON_SECONDS:
            await self._lease.pass_on()
        return [item for item in items if item.place in kept]

    async def _not_found(self, message: Message, error: NotFound) -> Outcome:
        # In a flood another node may be storing it at this moment, or have died over it.
        kept = await self._redis.hget(self._names.outcomes(message.id), id_bytes(message.id))
        if kept and Outcome.read(message.id, kept.decode()).state == "queued":
            return Outcome("queued", message.id)
        return await super()._not_found(message, error)

    async def _acknowledge(self, items: Sequence[_Item]) -> None:
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                self._keep_outcomes(pipeline, items)
                self._remove(pipeline, items)
                await pipeline.execute()
        except OutOfMemoryError:
            # What is stored can go all the same, without its outcome, and makes room.
            stored = [i for i in items if i.outcome and i.outcome.state == "published"]
            if not stored:
                raise
            async with self._redis.pipeline(transaction=True) as pipeline:
                self._remove(pipeline, stored)
                await pipeline.execute()
            if len(stored) < len(items):
                raise

    def _keep_outcomes(self, pipeline: Any, items: Sequence[_Item]) -> None:
        for outcomes, found in self._outcomes(items).items():
            pipeline.hset(outcomes, mapping=found)
            pipeline.expire(outcomes, KEPT_SECONDS)
        for item in items:
            if item.outcome is None:
                continue
            if item.outcome.state == "queued":
                pipeline.xadd(self._stream, dict(item.fields))
            elif item.outcome.state == "dead":
                letter = dead_letter(self._priority, item.fields, item.outcome)
                pipeline.xadd(self._names.dead, letter, maxlen=MAX_DEAD, approximate=True)
                if item.message is not None and item.message.key:
                    key = self._names.key(item.message.by, item.message.key)
                    pipeline.eval(_FREE, 1, key, item.message.record)

    def _remove(self, pipeline: Any, items: Sequence[_Item]) -> None:
        places = [item.place for item in items]
        pipeline.xack(self._stream, GROUP, *places)
        pipeline.xdel(self._stream, *places)

    def _outcomes(self, items: Sequence[_Item]) -> dict[str, dict[bytes, str]]:
        """What is to be kept, by the hash in which it is kept."""
        found: dict[str, dict[bytes, str]] = {}
        for item in items:
            message, outcome = item.message, item.outcome
            if message is not None and message.op == "publish" and outcome is not None:
                outcomes = found.setdefault(self._names.outcomes(message.id), {})
                outcomes[id_bytes(message.id)] = outcome.text()
        return found


def _deliveries(left: _Left) -> int:
    return int(left["times_delivered"])


def _rows(answer: Any) -> Sequence[tuple[bytes, Mapping[bytes, bytes]]]:
    """The rows of one stream, in either form in which redis-py may give them."""
    if not answer:
        return []
    streams = answer.values() if isinstance(answer, Mapping) else [rows for _, rows in answer]
    return [row for rows in streams for row in rows]


def _item(place: bytes, fields: Mapping[bytes, bytes]) -> _Item:
    try:
        return _Item(place=place, fields=fields, message=Message.read(fields))
    except InvalidRequest:
        return _Item(place=place, fields=fields, message=None)


def _has_no_group(error: Exception) -> bool:
    return isinstance(error, ResponseError) and str(error).startswith("NOGROUP")
