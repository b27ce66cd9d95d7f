"""Reading one priority, whichever broker it stands in: a batch at a time, settled before the next.

What is read is kept by the broker until it is settled: stored or dead. A store that is away is
waited for: nothing is read meanwhile, nothing acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

from notifier.errors import NotFound
from notifier.queue.intake import AWAY, Intake
from notifier.queue.messages import Message, Outcome
from notifier.redis.client import stop

logger = logging.getLogger(__name__)

BATCH = 64
"""Messages that are in flight at once in each priority: none can take the slots of another. So many
are checked in some 10 ms of the event loop, and stored in one group."""

SMALL_BATCH = 16
"""The same while more urgent ones come: they wait for the event loop and the store behind it."""

RECENT_SECONDS = 1.0
"""How long ago the last more urgent one may have come."""

MAX_DELIVERIES = 5
"""Then a message that was never settled is dead: it seems to end whoever reads it."""

MAX_ATTEMPTS = 3
"""For a message that fails in a way that nobody has foreseen."""

SHORTEST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
"""Between two tries when the store or the broker is away; doubled each time."""

CLOSE_SECONDS = 3.0
"""How long a batch may take that is under way when the node leaves."""


@dataclass(slots=True, kw_only=True)
class Item:
    """Something that was read: the message, None if it is none, and what became of it."""

    message: Message | None
    failures: int = 0
    outcome: Outcome | None = None


ItemT = TypeVar("ItemT", bound=Item)
AnyT = TypeVar("AnyT")


class Reader(ABC, Generic[ItemT]):
    """Reads between ``start`` and ``close``. The readers ``above`` are of more urgent priorities.

    Subclasses know a broker: how to read from it, and how to tell it what is settled.
    """

    def __init__(self, intake: Intake, above: Sequence[Reader[ItemT]]) -> None:
        self._intake = intake
        self._above = above
        self._read_at = float("-inf")
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

    @abstractmethod
    async def _run(self) -> None:
        """Read and settle until ``_leaving``, whatever happens to the broker."""

    @abstractmethod
    async def _acknowledge(self, items: Sequence[ItemT]) -> None:
        """Tell the broker, in a way that nothing falls between, what is stored and what is dead,
        and what is to stand at the end again (``queued``)."""

    @abstractmethod
    async def _keep(self, items: Sequence[ItemT], pause: float) -> list[ItemT]:
        """Rest for so many seconds while the store is away; those that are still ours then."""

    def _batch_size(self) -> int:
        recently = time.monotonic() - RECENT_SECONDS
        return SMALL_BATCH if any(reader.is_busy(recently) for reader in self._above) else BATCH

    async def _rest(self, seconds: float) -> None:
        self._waiting = True
        await asyncio.sleep(seconds)
        self._waiting = False

    async def _settle(self, items: Sequence[ItemT]) -> None:
        """Publish all, in order and together, until each is stored or dead.

        A withdrawal waits for what stands before it.
        """
        for _, run in groupby(items, key=_is_withdrawal):
            pause = SHORTEST_PAUSE_SECONDS
            left = list(run)
            while left:
                await asyncio.gather(*(self._take(item) for item in left))
                await self._tell([item for item in left if item.outcome is not None])
                left = [item for item in left if item.outcome is None]
                if left:
                    logger.warning("%d messages of the queue wait for the store", len(left))
                    left = await self._keep(left, pause)
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _take(self, item: ItemT) -> None:
        if item.outcome is not None:
            return
        if item.message is None:
            item.outcome = Outcome("dead", "", "invalid_request", "Not a message of a publisher.")
            return
        try:
            item.outcome = await self._intake.take(item.message)
        except AWAY:
            pass  # it has no outcome, and is tried again
        except NotFound as error:
            item.outcome = await self._not_found(item.message, error)
        except Exception as error:
            logger.exception("a queued notification could not be published")
            item.failures += 1
            if item.failures == MAX_ATTEMPTS:
                reason = f"The server failed at it: {type(error).__name__}."
                item.outcome = Outcome("dead", item.message.id, "internal", reason)

    async def _not_found(self, message: Message, error: NotFound) -> Outcome:
        """What becomes of a withdrawal of what is not in the store."""
        return self._intake.refuse(message, error)

    async def _tell(self, items: Sequence[ItemT]) -> None:
        if not items:
            return
        await self._acknowledge(items)
        if any(item.outcome and item.outcome.state == "queued" for item in items):
            await self._rest(SHORTEST_PAUSE_SECONDS)
        dead = [i.outcome.reason for i in items if i.outcome and i.outcome.state == "dead"]
        if dead:
            logger.warning("%d queued items are dead; one: %.300r", len(dead), dead[0])


def killer(item: Item) -> Outcome:
    """The end of a message that was read too often and never finished."""
    notification_id = item.message.id if item.message else ""
    reason = f"It was read {MAX_DELIVERIES} times and never finished: it may end its readers."
    return Outcome("dead", notification_id, "killer", reason)


def apart(read: Sequence[AnyT], deliveries: Callable[[AnyT], int]) -> Iterator[Sequence[AnyT]]:
    """In order: those that were delivered once before together, every suspect by itself.

    So the deliveries of what ends its readers grow, and not those of what stands in front of it.
    """
    for suspect, some in groupby(read, key=lambda one: deliveries(one) > 1):
        if suspect:
            yield from ([one] for one in some)
        else:
            yield list(some)


def _is_withdrawal(item: Item) -> bool:
    return item.message is not None and item.message.op == "withdraw"
