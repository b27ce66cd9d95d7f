"""Group commit: calls that arrive while a write is under way are written together in the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from notifier.errors import StoreUnavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Waiter(Generic[Item, Answer]):
    item: Item
    since: float
    answer: asyncio.Future[Answer]


class Grouping(Generic[Item, Answer]):
    """Hands the items of concurrent callers to ``flush`` in groups, one group at a time, in order.

    ``flush`` answers an outcome for each item, in order: an answer, or the exception for that
    caller. If it raises, that group's callers get the exception and nobody else. ``limit`` bounds
    the weight of a group (a single heavier item is a group of its own). ``patience`` is in seconds:
    whoever waits longer for a group to end is refused without having been written, so that a
    store that hangs fails every caller within ``patience`` plus the duration of one flush.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]],
        *,
        weigh: Callable[[Item], int],
        limit: int,
        patience: float,
    ) -> None:
        self._flush = flush
        self._weigh = weigh
        self._limit = limit
        self._patience = patience
        self._queue: deque[_Waiter[Item, Answer]] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, item: Item) -> Answer:
        """Wait until the item is written. Who is cancelled before the group began is left out."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        loop = asyncio.get_running_loop()
        waiter: _Waiter[Item, Answer] = _Waiter(item, loop.time(), loop.create_future())
        self._queue.append(waiter)
        if self._draining is None:
            self._draining = loop.create_task(self._drain())
        return await waiter.answer

    async def close(self) -> None:
        """Refuse new items and wait until those that wait have been written."""
        self._closed = True
        if self._draining is not None:
            await asyncio.wait([self._draining])

    async def _drain(self) -> None:
        while self._queue:
            group = self._take()
            if group:
                await self._write(group)
            self._refuse_impatient()
        self._draining = None

    def _take(self) -> list[_Waiter[Item, Answer]]:
        group: list[_Waiter[Item, Answer]] = []
        room = self._limit
        while self._queue:
            waiter = self._queue[0]
            if not waiter.answer.done():
                room -= self._weigh(waiter.item)
                if group and room < 0:
                    break
                group.append(waiter)
            self._queue.popleft()
        return group

    async def _write(self, group: Sequence[_Waiter[Item, Answer]]) -> None:
        outcomes: Sequence[Answer | Exception]
        try:
            outcomes = await self._flush([waiter.item for waiter in group])
        except Exception as error:  # whatever it is, it belongs to these callers
            outcomes = [error] * len(group)
        for waiter, outcome in zip(group, outcomes, strict=True):
            if waiter.answer.done():
                continue  # cancelled while its group was being written
            if isinstance(outcome, Exception):
                waiter.answer.set_exception(outcome)
            else:
                waiter.answer.set_result(outcome)

    def _refuse_impatient(self) -> None:
        oldest = asyncio.get_running_loop().time() - self._patience
        while self._queue and self._queue[0].since < oldest:
            waiter = self._queue.popleft()
            if not waiter.answer.done():
                waiter.answer.set_exception(StoreUnavailable("The store is too slow."))
