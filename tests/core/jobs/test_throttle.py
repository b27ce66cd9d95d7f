"""Throttling: too many of a type in a log are silent, and none is lost."""

from __future__ import annotations

import asyncio

import orjson

from tests.core.domain import ADA, SERVICE
from tests.core.jobs.scene import MINUTE, Scene


async def silent(scene: Scene, to: str = "user:ada", type: str = "ping", **fields: str) -> bool:
    """Whether one more is silent."""
    receipt = await scene.publish(to, type=type, after=0, **fields)
    return receipt.entries[0].silent


def begin_a_window(scene: Scene) -> None:
    scene.clock.pass_(MINUTE - scene.clock() % MINUTE)


async def test_what_is_above_the_limit_is_silent(scene: Scene) -> None:
    """All of it is stored, told and counted; readers are told which is silent."""
    begin_a_window(scene)
    assert [await silent(scene) for _ in range(4)] == [False, False, True, True]
    told = [orjson.loads(entry.wire()).get("silent") for entry in scene.bus.announced]
    assert told == [None, None, True, True]
    assert len(await scene.items(ADA)) == 4
    assert await scene.counts(ADA) == (4, 4)


async def test_a_new_window_is_a_new_start(scene: Scene) -> None:
    """Windows follow each other on the clock."""
    begin_a_window(scene)
    assert [await silent(scene) for _ in range(3)] == [False, False, True]
    scene.clock.pass_(MINUTE - 1)
    assert await silent(scene)
    scene.clock.pass_(1)
    assert not await silent(scene)


async def test_logs_and_types_are_counted_apart(scene: Scene) -> None:
    """What one user gets too much of, another may have little of."""
    begin_a_window(scene)
    for _ in range(3):
        await silent(scene)
    assert not await silent(scene, to="user:grace")
    assert not await silent(scene, type="info")


async def test_in_one_call_each_log_has_its_own_answer(scene: Scene) -> None:
    """Some of its entries are silent, others are not."""
    begin_a_window(scene)
    for _ in range(2):
        await silent(scene)
    receipt = await scene.publish(["user:ada", "user:grace"], type="ping")
    assert [entry.silent for entry in receipt.entries] == [True, False]


async def test_what_is_critical_or_mandatory_is_never_silent(scene: Scene) -> None:
    """However much of it there is."""
    begin_a_window(scene)
    assert not any([await silent(scene, type="siren") for _ in range(5)])
    assert not any([await silent(scene, priority="critical") for _ in range(5)])
    assert not await silent(scene), "what is critical took nobody's place"


async def test_many_at_once_are_loud_up_to_the_limit(scene: Scene) -> None:
    """Exactly."""
    begin_a_window(scene)
    answers = await asyncio.gather(*(silent(scene) for _ in range(20)))
    assert answers.count(False) == 2


async def test_a_retry_takes_no_second_place(scene: Scene) -> None:
    """With the same key it is the same notification."""
    begin_a_window(scene)
    body = {"to": "user:ada", "title": "x", "type": "ping"}
    for _ in range(3):
        await scene.publisher.publish(body, SERVICE, idempotency_key="k")
    assert not await silent(scene)
    assert await silent(scene)


async def test_types_without_a_rule_cost_nothing(scene: Scene) -> None:
    """No count is kept of them."""
    before = scene.store.calls  # type: ignore[attr-defined]
    await silent(scene, type="info")
    assert scene.store.calls == before + 1  # type: ignore[attr-defined]


async def test_ten_thousand_logs_are_asked_together(scene: Scene) -> None:
    """In batches; all of them are loud the first time."""
    receipt = await scene.publish([f"user:{n}" for n in range(10_000)], type="ping")
    assert not any(entry.silent for entry in receipt.entries)
