"""Runners: each job is done, whoever dies over it, and nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from notifier.core.jobs.runner import CONCURRENCY, Runner
from notifier.core.models import rfc3339
from notifier.core.models.jobs import Job
from notifier.errors import StoreUnavailable
from tests.core.domain import ADA, DAY, SERVICE
from tests.core.jobs.scene import HOUR, LEASE, NAMES, WINDOW, Killed, Scene

Prepare = Callable[[Scene], Awaitable[None]]


async def scheduled(scene: Scene) -> None:
    """Due: a notification to several audiences."""
    when = rfc3339(scene.clock() + HOUR)
    body = {"to": ["user:ada", "role:admin"], "title": "Later", "deliver_at": when}
    await scene.publisher.publish(body, SERVICE, idempotency_key="k")
    scene.clock.pass_(HOUR)


async def collapsed(scene: Scene) -> None:
    """Due: a card of six, one of them shown already."""
    for name in NAMES:
        await scene.like(name)
    scene.clock.pass_(WINDOW)


async def grown(scene: Scene) -> None:
    """Due: a card that replaces a card."""
    await collapsed(scene)
    await scene.run()
    for name in NAMES[:3]:
        await scene.like(name)
    scene.clock.pass_(WINDOW)


async def scheduled_and_collapsed(scene: Scene) -> None:
    """Due: a notification that goes to where others of its group wait."""
    when = rfc3339(scene.clock() + HOUR)
    await scene.like("Ada", type="visit", deliver_at=when)
    scene.clock.pass_(HOUR - 1)
    await scene.like("Grace", type="visit", after=0)
    scene.clock.pass_(1)


async def summed_up(scene: Scene) -> None:
    """Due: a digest over several logs."""
    await scene.feed.set_preferences(ADA, {"digests": {"comment": "hourly"}})
    await scene.run()
    for to in ("user:ada", "everyone", ["user:ada", "role:admin"]):
        await scene.publish(to, type="comment")
    scene.clock.pass_(HOUR - scene.clock() % HOUR)


async def outcome(scene: Scene) -> list[Any]:
    """What is left in the end: what users see, and what still waits."""
    for _ in range(4):
        await scene.later(LEASE)
    await scene.later(HOUR)
    shown = [(item["title"], item.get("count")) for item in await scene.items(ADA)]
    await scene.feed.set_preferences(ADA, {"digests": {"comment": None}})
    await scene.later(HOUR)
    once_more = [(item["title"], item.get("count")) for item in await scene.items(ADA)]
    await scene.later(2 * DAY)
    return [sorted(map(str, shown)), sorted(map(str, once_more)), await scene.store.next_job()]


EXPECTED: dict[Prepare, list[Any]] = {
    scheduled: ["('Later', None)"],
    collapsed: ["('Donald and 5 others liked your post', 6)"],
    grown: ["('Alan and 5 others liked your post', 9)"],
    scheduled_and_collapsed: ["('2 visits', 2)"],
    summed_up: ["('Comments: 3', 3)"],
}


@pytest.mark.parametrize("prepare", EXPECTED)
@pytest.mark.parametrize("done_first", [False, True], ids=["before", "after"])
async def test_a_runner_may_die_at_any_step(
    scene: Scene, prepare: Prepare, done_first: bool
) -> None:
    """Before or after each of its writes, again and again: the next one brings the same about."""
    await prepare(scene)
    store: Any = scene.store
    step = 0
    while True:
        # Each write is reached both in a fresh run and in one that finds a plan.
        store.left, store.done_first = step // 2, done_first
        try:
            await scene.another_runner().run_due()
        except Killed:
            store.left = None
            scene.clock.pass_(LEASE)
            step += 1
            assert step < 50
        else:
            break
    store.left = None
    assert step > 2, "it was killed at every write of the job"
    assert await outcome(scene) == [EXPECTED[prepare], EXPECTED[prepare], None]


@pytest.mark.parametrize("prepare", EXPECTED)
async def test_runners_may_overlap(scene: Scene, prepare: Prepare) -> None:
    """One whose lease has ended and who goes on beside others changes nothing."""
    await prepare(scene)
    jobs = await scene.store.take_jobs(scene.clock(), until=scene.clock() + LEASE, limit=9)
    assert jobs
    scene.clock.pass_(LEASE)
    frozen = scene.another_runner()
    running = [frozen._run(job) for job in jobs]
    runners = [scene.another_runner().run_due() for _ in range(2)]
    await asyncio.gather(*running, *runners)
    await asyncio.gather(*(frozen._run(job) for job in jobs))
    assert await outcome(scene) == [EXPECTED[prepare], EXPECTED[prepare], None]


# The loop


class Handling:
    """A handler that writes down what it is given and fails when told to."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.ran: list[str] = []
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self, job: Job) -> None:
        self.ran.append(job.id)
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        await self.scene.store.remove_job(job)

    def runner(self) -> Runner:
        return Runner(self.scene.store, {"test": self}, lease=LEASE, clock=self.scene.clock)

    async def add(self, *names: str, wait: int = 0) -> None:
        jobs = [Job(f"test/{name}", self.scene.clock() + wait, {}) for name in names]
        await self.scene.store.add_jobs(jobs)


@pytest.fixture
def handling(scene: Scene) -> Handling:
    return Handling(scene)


async def test_a_job_that_fails_is_tried_again_later_and_later(handling: Handling) -> None:
    """2, 4, 8 seconds and so on, at most five minutes, for as long as it takes."""
    runner, clock = handling.runner(), handling.scene.clock
    handling.failure = RuntimeError("no")
    await handling.add("a")
    waits = []
    for _ in range(12):
        assert await runner.run_due() == 1
        due_at = await handling.scene.store.next_job()
        assert due_at is not None
        waits.append((due_at - clock()) // 1000)
        clock.pass_(due_at - clock())
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    handling.failure = None
    assert await runner.run_due() == 1
    assert (runner.metrics.done, runner.metrics.failed) == (1, 12)
    assert await handling.scene.store.next_job() is None


async def test_a_job_that_was_moved_before_it_failed_stays_where_it_is(handling: Handling) -> None:
    """It was done, though its runner was not told so, or somebody else has taken it."""
    runner, store = handling.runner(), handling.scene.store
    await handling.add("a")
    due_at = handling.scene.clock() + DAY

    async def move_and_fail(job: Job) -> None:
        await store.replace_job(replace(job, due_at=due_at))
        raise StoreUnavailable("no")

    runner._handlers = {"test": move_and_fail}
    await runner.run_due()
    assert await store.next_job() == due_at


async def test_one_failing_job_does_not_keep_the_others_waiting(handling: Handling) -> None:
    """They are done beside it."""
    runner = handling.runner()
    await handling.add("a", "b", "c")

    async def fail_a(job: Job) -> None:
        if job.id == "test/a":
            raise StoreUnavailable("no")
        await Handling.__call__(handling, job)

    runner._handlers = {"test": fail_a}
    await runner.run_due()
    assert sorted(handling.ran) == ["test/b", "test/c"]


async def test_a_runner_takes_no_more_than_it_can_hold(handling: Handling) -> None:
    """The rest is left to others."""
    await handling.add(*map(str, range(CONCURRENCY + 5)))
    handling.gate = asyncio.Event()
    first, second = handling.runner(), handling.runner()
    running = asyncio.ensure_future(first.run_due())
    await _until(lambda: len(handling.ran) == CONCURRENCY)
    assert await first.run_due() == 0
    handling.gate.set()
    assert await second.run_due() == 5
    assert await running == CONCURRENCY


async def test_a_started_runner_does_what_is_due_and_what_becomes_due(handling: Handling) -> None:
    """By itself, also what others add."""
    runner = handling.runner()
    await handling.add("now")
    await handling.add("later", wait=1_000)
    runner.start()
    await _until(lambda: len(handling.ran) == 1)
    handling.scene.clock.pass_(1_000)
    await _until(lambda: len(handling.ran) == 2)
    await handling.add(*map(str, range(50)))
    await _until(lambda: runner.metrics.done == 52)
    await runner.close()
    assert len(set(handling.ran)) == 52


async def test_closing_finishes_the_job_at_hand(handling: Handling) -> None:
    """And takes no other."""
    runner = handling.runner()
    handling.gate = asyncio.Event()
    await handling.add("a")
    runner.start()
    await _until(lambda: handling.ran == ["test/a"])
    closing = asyncio.ensure_future(runner.close())
    await handling.add("b")
    for _ in range(5):
        await asyncio.sleep(0)
    assert not closing.done()
    handling.gate.set()
    await closing
    assert runner.metrics.done == 1
    assert handling.ran == ["test/a"]


async def test_a_runner_outlives_a_store_that_is_away(handling: Handling) -> None:
    """It looks again until the store is back."""
    store: Any = handling.scene.store
    runner = handling.runner()
    answer = store.take_jobs
    refusals = 0

    async def refuse(*args: Any, **kwargs: Any) -> list[Job]:
        nonlocal refusals
        refusals += 1
        if refusals == 1:
            raise StoreUnavailable("no")
        jobs: list[Job] = await answer(*args, **kwargs)
        return jobs

    store.take_jobs = refuse
    await handling.add("a")
    runner.start()
    await _until(lambda: runner.metrics.done == 1)
    await runner.close()
    assert refusals > 1


async def test_it_is_told_for_how_long_jobs_have_waited(handling: Handling) -> None:
    """In seconds; nothing waits, nothing is told."""
    runner = handling.runner()
    await runner._until_next()
    assert runner.overdue == 0
    await handling.add("a")
    handling.scene.clock.pass_(5_000)
    await runner._until_next()
    assert runner.overdue == 5


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the runner tells nobody
            await asyncio.sleep(0.005)
