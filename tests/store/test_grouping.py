"""Group commit: who is written with whom, and whose failure is whose."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from notifier.errors import Conflict, StoreUnavailable
from notifier.store.grouping import Grouping


class Disk:
    """A flush whose groups begin and end when the test says so."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.outcomes: dict[int, Exception] = {}
        self.failure: Exception | None = None
        self.begun = asyncio.Semaphore(0)
        self.may_end = asyncio.Semaphore(0)
        self.running = 0

    async def flush(self, group: Sequence[int]) -> list[str | Exception]:
        self.running += 1
        assert self.running == 1
        self.groups.append(list(group))
        self.begun.release()
        await self.may_end.acquire()
        self.running -= 1
        if self.failure is not None:
            raise self.failure
        return [self.outcomes.get(item, f"wrote {item}") for item in group]

    def let_all_end(self) -> None:
        for _ in range(100):
            self.may_end.release()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def grouping(disk: Disk) -> Grouping[int, str]:
    return Grouping(disk.flush, weigh=lambda item: item, limit=10, patience=60.0)


async def submitted(grouping: Grouping[int, str], *items: int) -> list[asyncio.Task[str]]:
    """Submit in this order, as tasks that have reached the queue."""
    tasks = [asyncio.create_task(grouping.submit(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_what_arrives_during_a_flush_is_written_together(
    disk: Disk, grouping: Grouping[int, str]
) -> None:
    """One group at a time, in the order of arrival, each caller with its own answer."""
    first = await submitted(grouping, 1, 2)
    await disk.begun.acquire()
    second = await submitted(grouping, 3, 1, 2)
    disk.let_all_end()
    assert await asyncio.gather(*first, *second) == [f"wrote {i}" for i in (1, 2, 3, 1, 2)]
    assert disk.groups == [[1, 2], [3, 1, 2]]


async def test_a_group_is_bounded_by_weight(disk: Disk, grouping: Grouping[int, str]) -> None:
    """Ten at most, in order; what is heavier than that is a group of its own."""
    tasks = await submitted(grouping, 5, 5, 1, 30, 2, 8, 1)
    disk.let_all_end()
    await asyncio.gather(*tasks)
    assert disk.groups == [[5, 5], [1], [30], [2, 8], [1]]


async def test_a_failed_flush_fails_exactly_its_own_callers(
    disk: Disk, grouping: Grouping[int, str]
) -> None:
    """Those before and those behind are not touched by it."""
    groups = [await submitted(grouping, 1, 1)]
    for failure in (None, StoreUnavailable("down"), None):
        await disk.begun.acquire()
        groups.append(await submitted(grouping, 2, 2))
        disk.failure = failure
        disk.may_end.release()
        await asyncio.wait(groups[-2])
    disk.failure = None
    disk.let_all_end()
    answers = [await asyncio.gather(*tasks, return_exceptions=True) for tasks in groups]
    assert [isinstance(a, StoreUnavailable) for pair in answers for a in pair] == (
        [False, False, True, True, False, False, False, False]
    )


async def test_an_outcome_that_is_an_exception_is_raised_to_its_caller(
    disk: Disk, grouping: Grouping[int, str]
) -> None:
    """Refusing one of a group refuses no other."""
    disk.outcomes[2] = Conflict("no")
    disk.let_all_end()
    answers = await asyncio.gather(*await submitted(grouping, 1, 2, 3), return_exceptions=True)
    assert [answers[0], answers[2]] == ["wrote 1", "wrote 3"]
    assert answers[1] is disk.outcomes[2]


async def test_who_is_cancelled_while_waiting_is_not_written(
    disk: Disk, grouping: Grouping[int, str]
) -> None:
    """The others of the group are."""
    tasks = await submitted(grouping, 1)
    await disk.begun.acquire()
    left, cancelled, right = await submitted(grouping, 2, 3, 4)
    cancelled.cancel()
    disk.let_all_end()
    assert await asyncio.gather(*tasks, left, right) == ["wrote 1", "wrote 2", "wrote 4"]
    assert cancelled.cancelled()
    assert disk.groups == [[1], [2, 4]]


async def test_who_is_cancelled_while_being_written_takes_nobody_along(
    disk: Disk, grouping: Grouping[int, str]
) -> None:
    """The write goes on: it may be on the disk already."""
    left, cancelled = await submitted(grouping, 1, 2)
    await disk.begun.acquire()
    cancelled.cancel()
    with suppress(asyncio.CancelledError):
        await cancelled
    (behind,) = await submitted(grouping, 3)
    disk.let_all_end()
    assert await asyncio.gather(left, behind) == ["wrote 1", "wrote 3"]
    assert disk.groups == [[1, 2], [3]]


async def test_nobody_is_written_when_all_who_waited_are_cancelled(
    disk: Disk, grouping: Grouping[int, str]
) -> None:
    """There is no empty group, and the next caller is served."""
    first = await submitted(grouping, 1)
    await disk.begun.acquire()
    (waiting,) = await submitted(grouping, 2)
    waiting.cancel()
    disk.let_all_end()
    await asyncio.gather(*first)
    await asyncio.wait([waiting])
    assert await grouping.submit(3) == "wrote 3"
    assert disk.groups == [[1], [3]]


async def test_closing_writes_what_waits_and_refuses_the_rest(
    disk: Disk, grouping: Grouping[int, str]
) -> None:
    """Nothing that was accepted into the queue is dropped."""
    first = await submitted(grouping, 1)
    await disk.begun.acquire()
    second = await submitted(grouping, 2)
    closing = asyncio.create_task(grouping.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await grouping.submit(3)
    disk.let_all_end()
    await closing
    assert [task.result() for task in (*first, *second)] == ["wrote 1", "wrote 2"]
    await grouping.close()


async def test_who_waited_too_long_is_refused_unwritten(disk: Disk) -> None:
    """With a store that hangs, a queue of any length ends with the flush that outlasts patience."""
    grouping: Grouping[int, str] = Grouping(disk.flush, weigh=lambda _: 10, limit=10, patience=0.0)
    first, taken, *late = await submitted(grouping, 1, 2, 3, 4, 5)
    disk.let_all_end()
    assert await first == "wrote 1"
    answers = await asyncio.gather(taken, *late, return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    assert disk.groups == [[1]]
    assert await grouping.submit(6) == "wrote 6"
