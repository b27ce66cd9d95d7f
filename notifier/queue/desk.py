"""The queue as operators see it: what waits, what is dead and why, to be retried or dropped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from redis import asyncio as aioredis
from redis.exceptions import ResponseError

from notifier.core.models import Priority
from notifier.errors import InvalidRequest
from notifier.queue.messages import Message, Outcome
from notifier.queue.names import GROUP, KEPT_SECONDS, LANES, QueueNames, id_bytes

PAGE = 500

ITEM = b"item."
"""What the fields of the dead item itself start with in its dead letter."""

MAX_DEAD = 100_000
"""Dead letters that are kept, the newest."""


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One priority. ``waiting`` includes what a node is at; ``oldest`` is when the first item came,
    in milliseconds since 1970, None if there is none."""

    priority: Priority
    waiting: int
    in_flight: int
    oldest: int | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An item that can never be published. ``at`` is when that was found, in milliseconds."""

    id: str
    at: int
    lane: str
    code: str
    reason: str
    item: Mapping[bytes, bytes]

    @property
    def message(self) -> Message | None:
        """The item read, None if it makes no sense."""
        try:
            return Message.read(self.item)
        except InvalidRequest:
            return None


def dead_letter(lane: Priority, item: Mapping[bytes, bytes], outcome: Outcome) -> dict[Any, Any]:
    """The fields of a dead letter."""
    wrapped = {ITEM + name: value for name, value in item.items()}
    return {"lane": lane.value, "code": outcome.code, "reason": outcome.reason, **wrapped}


class Desk:
    """Works on the streams themselves: no node needs to run."""

    def __init__(self, redis: aioredis.Redis, names: QueueNames) -> None:
        self._redis: Any = redis
        self._names = names

    async def status(self) -> list[LaneStatus]:
        """Each priority, the most urgent first."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for stream in self._names.lanes.values():
                pipeline.xlen(stream)
                pipeline.xpending(stream, GROUP)
                pipeline.xrange(stream, count=1)
            answers = await pipeline.execute(raise_on_error=False)
        return [_status(lane, *answers[3 * n : 3 * n + 3]) for n, lane in enumerate(LANES)]

    async def count_dead(self) -> int:
        return int(await self._redis.xlen(self._names.dead))

    async def reader(self) -> str | None:
        """The node that holds the lease."""
        holder = await self._redis.get(self._names.reader)
        return holder.decode() if holder else None

    async def dead(self, limit: int) -> list[DeadLetter]:
        """The newest dead letters, newest first."""
        return [_letter(*row) for row in await self._redis.xrevrange(self._names.dead, count=limit)]

    async def all_dead(self) -> AsyncIterator[DeadLetter]:
        """Those that are there now, oldest first; they may be retried or dropped meanwhile."""
        start = "-"
        newest = await self._redis.xrevrange(self._names.dead, count=1)
        while newest:
            rows = await self._redis.xrange(
                self._names.dead, min=start, max=newest[0][0], count=PAGE
            )
            if not rows:
                return
            for row in rows:
                yield _letter(*row)
            start = f"({rows[-1][0].decode()}"

    async def find(self, letter_id: str) -> DeadLetter | None:
        try:
            rows = await self._redis.xrange(self._names.dead, min=letter_id, max=letter_id)
        except ResponseError:  # not the form of an id
            return None
        return _letter(*rows[0]) if rows else None

    async def retry(self, letter: DeadLetter) -> None:
        """Put the item back, at the end of its priority.

        It has its idempotency key again, unless another one has come under it meanwhile.
        """
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xadd(self._names.lanes[Priority(letter.lane)], dict(letter.item))
            pipeline.xdel(self._names.dead, letter.id)
            message = letter.message
            if message is not None and message.op == "publish":
                outcomes = self._names.outcomes(message.id)
                pipeline.hset(outcomes, id_bytes(message.id), f"queued:{letter.lane}")
                pipeline.expire(outcomes, KEPT_SECONDS)
                if message.key:
                    key = self._names.key(message.by, message.key)
                    pipeline.set(key, message.record, ex=KEPT_SECONDS, nx=True)
            await pipeline.execute()

    async def drop(self, letter: DeadLetter) -> None:
        """Forget it."""
        await self._redis.xdel(self._names.dead, letter.id)


def _status(lane: Priority, waiting: Any, pending: Any, first: Any) -> LaneStatus:
    for answer in (waiting, first):
        if isinstance(answer, Exception):
            raise answer
    # Without a group nobody has read here yet.
    in_flight = 0 if isinstance(pending, ResponseError) else int(pending["pending"])
    oldest = int(first[0][0].partition(b"-")[0]) if first else None
    return LaneStatus(lane, int(waiting), in_flight, oldest)


def _letter(letter_id: bytes, fields: Mapping[bytes, bytes]) -> DeadLetter:
    item = {name.removeprefix(ITEM): v for name, v in fields.items() if name.startswith(ITEM)}
    return DeadLetter(
        id=letter_id.decode(),
        at=int(letter_id.partition(b"-")[0]),
        lane=fields[b"lane"].decode(),
        code=fields[b"code"].decode(),
        reason=fields[b"reason"].decode(),
        item=item,
    )
