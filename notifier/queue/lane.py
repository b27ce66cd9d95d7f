"""Reading one priority of the queue: a batch at a time, settled before the next is read.

What is read is pending in the consumer group until it is settled: stored or dead, and then
acknowledged and deleted in one step together with its outcome. So a node that dies leaves behind
what it had read. Whoever reads next claims that first. Each delivery is counted, and what has been
there at the end of two nodes is claimed by itself from then on: so the counts of what kills its
readers grow, and not those of what merely stood beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from redis import asyncio as aioredis
from redis.exceptions import ResponseError

from notifier.core.models import Priority
from notifier.errors import InvalidRequest
from notifier.queue.desk import MAX_DEAD, dead_letter
from notifier.queue.intake import AWAY, Intake
from notifier.queue.messages import Message, Outcome
from notifier.queue.names import GROUP, KEPT_SECONDS, QueueNames, id_bytes
from notifier.redis.client import FAILURES, stop
from notifier.redis.lease import Lease

logger = logging.getLogger(__name__)

BATCH = 64
"""Messages that are in flight at once in each priority: none can take the slots of another. So many
are checked in some 10 ms of the event loop, and stored in one group."""

SMALL_BATCH = 16
"""The same while more urgent ones come: they wait for the event loop and the store behind it."""

RECENT_SECONDS = 1.0
"""How long ago the last more urgent one may have come."""

BLOCK_SECONDS = 1.0
"""How long Redis holds a read that finds nothing; below the time-out of the connection."""

IDLE_SECONDS = 0.1
"""How often a node without the lease looks whether it is its turn."""

STUCK_SECONDS = 30.0
"""What a node has not settled for so long is claimed by another one."""

MAX_DELIVERIES = 5
"""Then a message that was never settled is dead: it seems to end whoever reads it."""

MAX_ATTEMPTS = 3
"""For a message that fails in a way that nobody has foreseen."""

SHORTEST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
"""Between two tries when the store or Redis is away; doubled each time."""

PASS_ON_SECONDS = 1.0
"""Who has to wait longer than that lets another node try, whose store may be there."""

CLOSE_SECONDS = 3.0
"""How long a batch may take that is under way when the node leaves."""


_Left = Mapping[str, Any]
"""Of something that was read and not settled: where it stands, how often it was delivered."""


@dataclass(slots=True)
class _Item:
    """A place in the stream, what stands there, and what became of it."""

    place: bytes
    fields: Mapping[bytes, bytes]
    message: Message | None
    failures: int = 0
    outcome: Outcome | None = None


class LaneReader:
    """Reads one stream between ``start`` and ``close``: while it has the lease, or while the stream
    is ``far_behind`` and every node helps. The lanes ``above`` are more urgent."""

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
        self._redis: Any = redis
        self._names = names
        self._priority = priority
        self._stream = names.lanes[priority]
        self._intake = intake
        self._lease = lease
        self._node = node
        self._far_behind = far_behind
        self._above = above
        self._read_at = float("-inf")
        self._term = 0
        self._searched_at = float("-inf")
        self._leaving = False
        self._waiting = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Settle what is under way, if that is possible at once; others get the rest."""
        self._leaving = True
        if self._task is None:
            return
        if self._waiting:
            self._task.cancel()
        await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
        await stop([self._task])

    def is_busy(self, since: float) -> bool:
        """Whether something has been read since then."""
        return self._read_at > since

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
        recently = time.monotonic() - RECENT_SECONDS
        count = SMALL_BATCH if any(lane.is_busy(recently) for lane in self._above) else BATCH
        self._waiting = True
        answer = await self._redis.xreadgroup(
            GROUP, self._node, {self._stream: ">"}, count=count, block=block
        )
        self._waiting = False
        items = [_item(*row) for row in _rows(answer)]
        if items:
            self._read_at = time.monotonic()
        return items

    async def _rest(self, seconds: float) -> None:
        self._waiting = True
        await asyncio.sleep(seconds)
        self._waiting = False

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
            for some in _apart(left):
                await self._settle(await self._take_over(some, milliseconds))
            if not left:
                return
            start = f"({left[-1]['message_id'].decode()}"

    async def _take_over(self, left: Sequence[_Left], idle: int) -> list[_Item]:
        """Claim these, unless somebody else just did."""
        places = [row["message_id"] for row in left]
        rows = await self._redis.xclaim(self._stream, GROUP, self._node, idle, places)
        items = [_item(*row) for row in rows]
        if left[0]["times_delivered"] >= MAX_DELIVERIES:
            for item in items:
                item.outcome = _killer(item)
        return items

    # Settling

    async def _settle(self, items: Sequence[_Item]) -> None:
        """Publish all, in order and together, until each is stored or dead.

        A withdrawal waits for what stands before it. A store that is away is waited for: nothing
        is read meanwhile, nothing acknowledged.
        """
        for _, run in groupby(items, key=_is_withdrawal):
            pause = SHORTEST_PAUSE_SECONDS
            left = list(run)
            while left:
                await asyncio.gather(*(self._take(item) for item in left))
                await self._acknowledge([item for item in left if item.outcome is not None])
                left = [item for item in left if item.outcome is None]
                if left:
                    logger.warning("%d messages of the queue wait for the store", len(left))
                    left = await self._keep(left)
                    await self._rest(pause)
                    if pause > PASS_ON_SECONDS:
                        await self._lease.pass_on()
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _take(self, item: _Item) -> None:
        if item.outcome is not None:
            return
        if item.message is None:
            item.outcome = Outcome("dead", "", "invalid_request", "Not a message of a publisher.")
            return
        try:
            item.outcome = await self._intake.take(item.message)
        except AWAY:
            pass  # it has no outcome, and is tried again
        except Exception as error:
            logger.exception("a queued notification could not be published")
            item.failures += 1
            if item.failures == MAX_ATTEMPTS:
                reason = f"The server failed at it: {type(error).__name__}."
                item.outcome = Outcome("dead", item.message.id, "internal", reason)

    async def _keep(self, items: Sequence[_Item]) -> list[_Item]:
        """Those that nobody else has settled. It was not these that ended a reader: their
        deliveries are counted anew."""
        places = [item.place for item in items]
        kept = await self._redis.xclaim(
            self._stream, GROUP, self._node, 0, places, retrycount=0, justid=True
        )
        return [item for item in items if item.place in kept]

    async def _acknowledge(self, items: Sequence[_Item]) -> None:
        """Take them out of the stream and keep their outcomes, in one step."""
        if not items:
            return
        places = [item.place for item in items]
        dead = [(i.fields, i.outcome) for i in items if i.outcome and i.outcome.state == "dead"]
        async with self._redis.pipeline(transaction=True) as pipeline:
            for outcomes, found in self._outcomes(items).items():
                pipeline.hset(outcomes, mapping=found)
                pipeline.expire(outcomes, KEPT_SECONDS)
            for fields, outcome in dead:
                letter = dead_letter(self._priority, fields, outcome)
                pipeline.xadd(self._names.dead, letter, maxlen=MAX_DEAD, approximate=True)
            pipeline.xack(self._stream, GROUP, *places)
            pipeline.xdel(self._stream, *places)
            await pipeline.execute()
        if dead:
            reason = dead[0][1].reason
            logger.warning("%d queued items are dead; one: %.300r", len(dead), reason)

    def _outcomes(self, items: Sequence[_Item]) -> dict[str, dict[bytes, str]]:
        """What is to be kept, by the hash in which it is kept."""
        found: dict[str, dict[bytes, str]] = {}
        for item in items:
            message, outcome = item.message, item.outcome
            if message is not None and message.op == "publish" and outcome is not None:
                outcomes = found.setdefault(self._names.outcomes(message.id), {})
                outcomes[id_bytes(message.id)] = outcome.text()
        return found


def _apart(left: Sequence[_Left]) -> Iterator[Sequence[_Left]]:
    """In order: those that were delivered once together, every other by itself."""
    for suspect, some in groupby(left, key=lambda row: row["times_delivered"] > 1):
        if suspect:
            yield from ([row] for row in some)
        else:
            yield list(some)


def _rows(answer: Any) -> Sequence[tuple[bytes, Mapping[bytes, bytes]]]:
    """The rows of one stream, in either form in which redis-py may give them."""
    if not answer:
        return []
    streams = answer.values() if isinstance(answer, Mapping) else [rows for _, rows in answer]
    return [row for rows in streams for row in rows]


def _item(place: bytes, fields: Mapping[bytes, bytes]) -> _Item:
    try:
        return _Item(place, fields, Message.read(fields))
    except InvalidRequest:
        return _Item(place, fields, None)


def _is_withdrawal(item: _Item) -> bool:
    return item.message is not None and item.message.op == "withdraw"


def _killer(item: _Item) -> Outcome:
    notification_id = item.message.id if item.message else ""
    reason = f"It was read {MAX_DELIVERIES} times and never finished: it may end its readers."
    return Outcome("dead", notification_id, "killer", reason)


def _has_no_group(error: Exception) -> bool:
    return isinstance(error, ResponseError) and str(error).startswith("NOGROUP")
