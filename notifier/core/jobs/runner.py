"""Runs jobs when they are due. Any number of runners may share a store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from notifier.core.jobs import appointments, collapse, schedule
from notifier.core.jobs.digests import Digests
from notifier.core.models import now_ms
from notifier.core.models.jobs import Job
from notifier.core.ports import Jobs
from notifier.core.publishing import Publisher
from notifier.errors import StoreUnavailable

logger = logging.getLogger(__name__)

CONCURRENCY = 16
"""Jobs that one runner has at hand: they mostly wait for the store."""

POLL_SECONDS = 1.0
"""How often to look for jobs that others have added."""

PAUSE_SECONDS = 0.02
"""The shortest time between two looks, where another runner takes what is due."""

MAX_BACKOFF = 300_000
"""Milliseconds until a job that fails again and again is tried once more."""

Handler = Callable[[Job], Awaitable[None]]


def handlers(publisher: Publisher, digests: Digests) -> Mapping[str, Handler]:
    """Who runs the jobs of each kind."""
    return {
        schedule.KIND: publisher.schedule.run,
        collapse.KIND: publisher.delivery.gathering.run,
        appointments.KIND: digests.run,
    }


@dataclass(slots=True)
class RunnerMetrics:
    """Since the start of this node."""

    done: int = 0
    failed: int = 0


class Runner:
    """Hands due jobs to the handler of their kind, several at a time. ``start`` and ``close``.

    ``lease`` is in milliseconds: after this time others run a job that was taken, because its
    runner has died, or hangs.
    """

    def __init__(
        self,
        jobs: Jobs,
        handlers: Mapping[str, Handler],
        *,
        lease: int,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._jobs = jobs
        self._handlers = handlers
        self._lease = lease
        self._clock = clock
        self.metrics = RunnerMetrics()
        self.overdue = 0.0
        """Seconds for which the job that is due longest has waited, when last looked."""
        self._at_hand: set[asyncio.Task[None]] = set()
        self._leaving = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._polling = asyncio.get_running_loop().create_task(self._poll_forever())

    async def close(self) -> None:
        """Take no more jobs; return when those at hand are done.

        Nothing is cancelled: a job that was taken and is not run waits for its lease to end.
        """
        self._leaving.set()
        if self._polling is not None:
            await self._polling
        await asyncio.gather(*self._at_hand)

    async def run_due(self) -> int:
        """Run what is due now and fits; return how many jobs were run."""
        jobs = await self._take()
        await asyncio.gather(*map(self._start, jobs))
        return len(jobs)

    async def _poll_forever(self) -> None:
        while not self._leaving.is_set():
            wait = POLL_SECONDS
            try:
                for job in await self._take():
                    self._start(job)
                wait = await self._until_next()
            except StoreUnavailable:
                logger.warning("no jobs can be taken: the store is not available")
            except Exception:
                logger.exception("jobs could not be taken")
            if len(self._at_hand) >= CONCURRENCY:
                await asyncio.wait(self._at_hand, return_when=asyncio.FIRST_COMPLETED)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._leaving.wait(), wait)

    async def _take(self) -> list[Job]:
        now = self._clock()
        room = CONCURRENCY - len(self._at_hand)
        return await self._jobs.take_jobs(now, until=now + self._lease, limit=room) if room else []

    async def _until_next(self) -> float:
        """Seconds to sleep."""
        due_at = await self._jobs.next_job()
        left = POLL_SECONDS if due_at is None else (due_at - self._clock()) / 1000
        self.overdue = max(-left, 0.0)
        return min(max(left, PAUSE_SECONDS), POLL_SECONDS)

    def _start(self, job: Job) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._at_hand.add(task)
        task.add_done_callback(self._at_hand.discard)
        return task

    async def _run(self, job: Job) -> None:
        try:
            await self._handlers[job.kind](job)
            self.metrics.done += 1
        except Exception as error:
            self.metrics.failed += 1
            if isinstance(error, StoreUnavailable):
                logger.warning("a job will be run again: the store is not available")
            else:
                logger.exception("a job of the kind %s failed and will be run again", job.kind)
            await self._put_off(job)

    async def _put_off(self, job: Job) -> None:
        """Try again later and later. Where that cannot be written down, the lease ends."""
        try:
            stored = await self._jobs.job(job.id)
            if stored is None or stored.due_at != job.due_at:
                return  # it was done after all, or somebody else has it
            failures = stored.data.get("failures", 0) + 1
            wait = min(1000 * 2**failures, MAX_BACKOFF)
            data = {**stored.data, "failures": failures}
            await self._jobs.replace_job(replace(stored, due_at=self._clock() + wait, data=data))
        except StoreUnavailable:
            pass
