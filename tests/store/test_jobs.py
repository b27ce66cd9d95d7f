"""Jobs: claimed by one, lost by nobody; rations: the first few, again and again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from notifier.core.models.jobs import Job, Ration
from notifier.core.ports import Store
from tests.store.conftest import OpenNode
from tests.store.samples import DAY, NAMES, Clock

MINUTE = 60_000


def job(clock: Clock, name: str = "one", *, wait: int = 0, **data: object) -> Job:
    return Job(f"publish/{name}", clock() + wait, data)


async def add(store: Store, *jobs: Job) -> frozenset[str]:
    return await store.add_jobs(jobs)


async def test_a_job_is_added_once(store: Store, clock: Clock) -> None:
    """Added again under the same id, the first stays as it is."""
    assert await add(store, job(clock, a=1)) == {"publish/one"}
    assert await add(store, job(clock, wait=5, a=2), job(clock, "two")) == {"publish/two"}
    assert await store.job("publish/one") == job(clock, a=1)
    assert await store.job("publish/three") is None


async def test_many_jobs_are_added_together(store: Store, clock: Clock) -> None:
    """As many as a notification may have audiences; those that were there are not named."""
    jobs = [job(clock, str(number)) for number in range(10_000)]
    await add(store, *jobs[:3])
    assert await add(store, *jobs) == {one.id for one in jobs[3:]}


@pytest.mark.parametrize("name", NAMES)
async def test_names_and_data_come_back_as_they_went_in(
    store: Store, clock: Clock, name: str
) -> None:
    """Whatever they mean to some database."""
    one = job(clock, name, **{name: [name, {name: None}]})
    await add(store, one)
    assert await store.job(one.id) == one


async def test_jobs_are_taken_when_they_are_due(store: Store, clock: Clock) -> None:
    """Those due longest first, up to the limit, and none before its time."""
    await add(store, *(job(clock, str(wait), wait=wait) for wait in (3, 1, 2, 9)))
    now = clock() + 3
    taken = await store.take_jobs(now, until=now + MINUTE, limit=2)
    assert [one.id for one in taken] == ["publish/1", "publish/2"]
    taken = await store.take_jobs(now, until=now + MINUTE, limit=9)
    assert [one.id for one in taken] == ["publish/3"]
    assert await store.take_jobs(now, until=now + MINUTE, limit=9) == []


async def test_a_job_that_nobody_finishes_is_taken_again(store: Store, clock: Clock) -> None:
    """Taking postpones: who dies leaves it to others after the lease."""
    await add(store, job(clock, a=1))
    [first] = await store.take_jobs(clock(), until=clock() + MINUTE, limit=1)
    assert first == replace(job(clock, a=1), due_at=clock() + MINUTE, version=first.version)
    assert await store.next_job() == clock() + MINUTE
    clock.advance(MINUTE)
    [second] = await store.take_jobs(clock(), until=clock() + MINUTE, limit=1)
    assert second.version > first.version


async def test_a_job_is_taken_by_one_of_many(open_node: OpenNode, clock: Clock) -> None:
    """Runners on several nodes, all at once: each job goes to one of them."""
    nodes = [await open_node() for _ in range(3)]
    await add(nodes[0], *(job(clock, str(number)) for number in range(60)))
    taken: list[str] = []

    async def take(node: Store) -> None:
        while jobs := await node.take_jobs(clock(), until=clock() + MINUTE, limit=7):
            taken.extend(one.id for one in jobs)

    await asyncio.gather(*map(take, nodes * 2))
    left = await nodes[0].take_jobs(clock(), until=clock() + MINUTE, limit=99)
    names = [*taken, *(one.id for one in left)]
    assert sorted(names) == sorted(f"publish/{number}" for number in range(60))


async def test_the_next_job_is_the_first_to_be_due(store: Store, clock: Clock) -> None:
    """None without any."""
    assert await store.next_job() is None
    await add(store, job(clock, "late", wait=9), job(clock, "soon", wait=4))
    assert await store.next_job() == clock() + 4


async def test_only_who_holds_a_job_replaces_it(store: Store, clock: Clock) -> None:
    """With an older version nothing is replaced: somebody else has it by now."""
    await add(store, job(clock, a=1))
    [held] = await store.take_jobs(clock(), until=clock() + MINUTE, limit=1)
    assert await store.replace_job(replace(job(clock), data={"a": 2})) is None
    changed = await store.replace_job(replace(held, due_at=clock() + DAY, data={"a": 3}))
    assert changed is not None
    assert changed.version > held.version
    assert await store.job(held.id) == changed
    assert await store.replace_job(held) is None


async def test_a_touch_is_not_overlooked(store: Store, clock: Clock) -> None:
    """Touched since it was read, a job is not removed; those not there are named."""
    await add(store, job(clock))
    [held] = await store.take_jobs(clock(), until=clock() + MINUTE, limit=1)
    assert await store.touch_jobs([held.id, "publish/gone"]) == {"publish/gone"}
    assert not await store.remove_job(held)
    touched = await store.job(held.id)
    assert touched is not None
    assert touched.due_at == held.due_at
    assert await store.remove_job(touched)
    assert not await store.remove_job(touched)
    assert await store.job(held.id) is None


async def test_a_touch_makes_a_job_due_sooner_never_later(store: Store, clock: Clock) -> None:
    """The earlier of both times counts."""
    await add(store, job(clock, wait=5))
    for due_at in (clock() + 9, clock() + 2, clock() + 4):
        assert await store.touch_jobs(["publish/one"], due_at=due_at) == frozenset()
    assert await store.next_job() == clock() + 2


async def test_a_job_that_was_taken_again_is_not_removed(store: Store, clock: Clock) -> None:
    """The one who holds it now removes it."""
    await add(store, job(clock))
    [first] = await store.take_jobs(clock(), until=clock(), limit=1)
    [second] = await store.take_jobs(clock(), until=clock(), limit=1)
    assert not await store.remove_job(first)
    assert await store.remove_job(second)


async def test_jobs_outlive_everything_that_expires(store: Store, clock: Clock) -> None:
    """Clearing up removes no job, however long it waits."""
    await add(store, job(clock, wait=DAY))
    await store.purge(clock() + 400 * DAY)
    assert await store.job("publish/one") is not None


# Rations


def ration(clock: Clock, place: str = "here", limit: int = 2) -> Ration:
    return Ration(place, limit, clock() + MINUTE)


async def test_the_first_few_pass(store: Store, clock: Clock) -> None:
    """In each place apart; who asks again gets the same answer."""
    for _ in range(2):
        passed = [bool(await store.ration([ration(clock)], asker)) for asker in "abc"]
        assert passed == [True, True, False]
    both = [ration(clock), ration(clock, "there")]
    assert await store.ration(both, "c") == {"there"}


async def test_racing_askers_never_pass_beyond_the_limit(open_node: OpenNode, clock: Clock) -> None:
    """Thirty at once from three nodes: exactly as many as the limit says."""
    nodes = [await open_node() for _ in range(3)]
    answers = await asyncio.gather(
        *(nodes[n % 3].ration([ration(clock, limit=7)], str(n)) for n in range(30))
    )
    assert sum(map(bool, answers)) == 7


async def test_many_places_are_asked_together(store: Store, clock: Clock) -> None:
    """As many as a notification may have audiences."""
    places = [ration(clock, str(number), 1) for number in range(10_000)]
    await store.ration(places[:5], "a")
    assert len(await store.ration(places, "b")) == 9_995


async def test_rations_are_forgotten_after_their_time(store: Store, clock: Clock) -> None:
    """Then everybody may pass anew."""
    await store.ration([ration(clock, limit=1)], "a")
    await store.purge(clock() + MINUTE)
    assert await store.ration([ration(clock, limit=1)], "b") == {"here"}
