"""Scheduling: delivered at its time, once, or cancelled for certain."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from notifier.core.models import PUBLISH, Principal, Receipt, rfc3339
from notifier.errors import Conflict, Forbidden, InvalidRequest, NotFound
from tests.core.domain import ADA, DAY, OPERATOR, RETENTION, SERVICE
from tests.core.jobs.scene import HOUR, LEASE, MINUTE, WINDOW, Killed, Scene


def at(scene: Scene, wait: int) -> str:
    """A time as it stands in a request."""
    return rfc3339(scene.clock() + wait)


async def schedule(scene: Scene, wait: int = HOUR, *, key: str | None = None, **fields: Any) -> Any:
    body = {"to": "user:ada", "title": "Later", "deliver_at": at(scene, wait), **fields}
    return await scene.publisher.publish(body, SERVICE, idempotency_key=key)


async def test_it_is_delivered_at_its_time(scene: Scene) -> None:
    """Nothing before; then it is like any other, of that time, and told."""
    receipt = await schedule(scene, ttl=60)
    assert receipt == Receipt(receipt.notification_id, (), deliver_at=scene.clock() + HOUR)
    await scene.later(HOUR - 1)
    assert await scene.items(ADA) == scene.bus.announced == []
    await scene.later(1)
    [item] = await scene.items(ADA)
    assert item["notification_id"] == receipt.notification_id
    assert item["created_at"] == rfc3339(scene.clock())
    assert item["expires_at"] == rfc3339(scene.clock() + 60_000)
    assert [str(entry.ref) for entry in scene.bus.announced] == [item["id"]]


async def test_it_comes_with_all_that_was_published(scene: Scene) -> None:
    """To everybody it was for, and without those it was not for."""
    fields = {"body": "b", "data": {"a": [1]}, "priority": "high", "sender": {"name": "Ada"}}
    to = ["user:ada", "role:admin", "everyone"]
    await schedule(scene, to=to, **fields, **{"except": ["user:grace"]})
    await scene.later(HOUR)
    assert [entry.audience for entry in scene.bus.announced] == to
    for entry in scene.bus.announced:
        assert orjson.loads(entry.wire()).items() >= fields.items()
        assert entry.notification.excluded == {"grace"}
        assert entry.notification.copies == 3


@pytest.mark.parametrize("wait", [-DAY, 0])
async def test_a_time_that_has_passed_is_now(scene: Scene, wait: int) -> None:
    """Published at once, as without it."""
    receipt = await schedule(scene, wait)
    assert (receipt.deliver_at, len(receipt.entries)) == (None, 1)
    assert await scene.store.next_job() is None


async def test_any_time_zone_will_do(scene: Scene) -> None:
    """It is the moment that counts."""
    moment = datetime.fromtimestamp(scene.clock() / 1000, UTC) + timedelta(hours=1)
    berlin = moment.astimezone(timezone(timedelta(hours=2))).isoformat()
    receipt = await schedule(scene, deliver_at=berlin)
    assert receipt.deliver_at == scene.clock() + HOUR


@pytest.mark.parametrize("when", ["2100-01-01T00:00:00Z", "2033-05-18T05:00:00", "soon", 5])
async def test_a_time_must_be_clear_and_not_too_far(scene: Scene, when: Any) -> None:
    """At most 366 days ahead, and with a time zone."""
    with pytest.raises(InvalidRequest) as refusal:
        await schedule(scene, deliver_at=when)
    assert list(refusal.value.errors) == ["deliver_at"]


async def test_everything_is_checked_when_it_is_scheduled(scene: Scene) -> None:
    """What is wrong, or not allowed, is refused now and not then."""
    with pytest.raises(InvalidRequest):
        await schedule(scene, type="nope")
    body = {"to": "everyone", "title": "x", "deliver_at": at(scene, HOUR)}
    with pytest.raises(Forbidden):
        await scene.publisher.publish(body, ADA)
    assert await scene.store.next_job() is None


async def test_no_retention_ends_it_before_its_time(scene: Scene) -> None:
    """Its life counts from the delivery."""
    await schedule(scene, 300 * DAY)
    await scene.store.purge(scene.clock() + 299 * DAY)
    await scene.later(300 * DAY)
    [item] = await scene.items(ADA)
    assert item["expires_at"] == rfc3339(scene.clock() + RETENTION)


# Cancelling


async def test_what_was_cancelled_never_appears(scene: Scene) -> None:
    """Nobody hears of it; cancelling again changes nothing."""
    receipt = await schedule(scene)
    for _ in range(2):
        await scene.publisher.withdraw(receipt.notification_id, SERVICE)
    await scene.later(HOUR)
    await scene.later(2 * DAY)
    assert scene.bus.announced == []
    assert await scene.store.next_job() is None


async def test_only_its_publisher_and_admins_cancel(scene: Scene) -> None:
    """For others there is no such notification."""
    receipt = await schedule(scene)
    other = Principal("other", is_service=True, scopes=frozenset({PUBLISH}))
    for _ in range(2):
        with pytest.raises(NotFound):
            await scene.publisher.withdraw(receipt.notification_id, other)
    await scene.publisher.withdraw(receipt.notification_id, OPERATOR)
    await scene.later(HOUR)
    assert scene.bus.announced == []


async def test_what_was_delivered_is_withdrawn(scene: Scene) -> None:
    """As any other."""
    receipt = await schedule(scene)
    await scene.later(HOUR)
    await scene.publisher.withdraw(receipt.notification_id, SERVICE)
    assert await scene.items(ADA) == []
    await scene.later(2 * DAY)
    assert await scene.items(ADA) == []


async def test_what_is_cancelled_while_it_is_delivered_is_gone_afterwards(scene: Scene) -> None:
    """At whatever step of the delivery: once cancelling is answered, it can no longer appear."""
    for step in range(6):
        receipt = await schedule(scene)
        scene.clock.pass_(HOUR)
        running = asyncio.ensure_future(scene.run())
        for _ in range(step):
            await asyncio.sleep(0.002)
        await scene.publisher.withdraw(receipt.notification_id, SERVICE)
        told = len(scene.bus.announced)
        assert await scene.items(ADA) == []
        await running
        await scene.later(LEASE)
        assert await scene.items(ADA) == []
        fresh = [e for e in scene.bus.announced[told:] if e not in scene.bus.announced[:told]]
        assert fresh == []


async def test_cancelling_finishes_what_a_dead_runner_began(scene: Scene) -> None:
    """It had a plan: somebody may still carry it out, and must find it done."""
    receipt = await schedule(scene)
    scene.clock.pass_(HOUR)
    store: Any = scene.store
    store.left, store.done_first = 1, False  # it writes the plan down and dies
    with pytest.raises(Killed):
        await scene.runner.run_due()
    store.left = None
    await scene.publisher.withdraw(receipt.notification_id, SERVICE)
    assert await scene.items(ADA) == []
    await scene.later(LEASE)
    assert await scene.items(ADA) == []


# Repeating


async def test_a_retry_is_the_same_schedule(scene: Scene) -> None:
    """The same id, before and after the delivery, and it is delivered once."""
    when = at(scene, HOUR)
    first = await schedule(scene, key="k", deliver_at=when)
    for wait in (0, HOUR, HOUR, 20 * HOUR):
        await scene.later(wait)
        again = await schedule(scene, key="k", deliver_at=when)
        assert (again.notification_id, again.repeated) == (first.notification_id, True)
    await scene.later(HOUR)
    assert len(await scene.items(ADA)) == 1
    await scene.later(2 * DAY)
    assert await scene.store.next_job() is None


async def test_a_retry_does_not_bring_back_what_was_cancelled(scene: Scene) -> None:
    """Neither before its time nor after."""
    when = at(scene, HOUR)
    first = await schedule(scene, key="k", deliver_at=when)
    await scene.publisher.withdraw(first.notification_id, SERVICE)
    for wait in (0, HOUR, 20 * HOUR):
        await scene.later(wait)
        again = await schedule(scene, key="k", deliver_at=when)
        assert again.notification_id == first.notification_id
        await scene.later(MINUTE)
    assert scene.bus.announced == []


async def test_a_key_with_another_time_is_a_conflict(scene: Scene) -> None:
    """It is another body."""
    await schedule(scene, key="k")
    with pytest.raises(Conflict):
        await schedule(scene, 2 * HOUR, key="k")


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("done_first", [False, True])
async def test_a_retry_completes_what_was_cut_short(
    scene: Scene, late: bool, done_first: bool
) -> None:
    """The first call died after taking its key: the retry schedules it, or delivers it if late."""
    when = at(scene, HOUR)
    store: Any = scene.store
    store.left, store.done_first = 1, done_first
    with pytest.raises(Killed):
        await schedule(scene, key="k", deliver_at=when)
    store.left = None
    await scene.later(2 * HOUR if late else 0)
    again = await schedule(scene, key="k", deliver_at=when)
    assert again.repeated
    await scene.later(2 * HOUR)
    assert [item["notification_id"] for item in await scene.items(ADA)] == [again.notification_id]


async def test_a_retry_of_one_whose_time_had_passed_is_not_delivered_again(scene: Scene) -> None:
    """Also where it collapses: the first call put it where it is."""
    fields: dict[str, Any] = {"type": "like", "collapse_key": "k", "deliver_at": at(scene, -HOUR)}
    for _ in range(3):
        await schedule(scene, key="k", **fields)
        await scene.run()
    await scene.later(WINDOW)
    assert [item.get("count") for item in await scene.items(ADA)] == [None]


# Together with the other rules


async def test_scheduled_ones_collapse_when_they_are_delivered(scene: Scene) -> None:
    """The first at once, the others as a card."""
    for _ in range(5):
        await schedule(scene, type="like", collapse_key="k", sender={"id": "1", "name": "Ada"})
    await scene.later(HOUR)
    assert len(scene.bus.announced) == 1
    await scene.later(WINDOW)
    assert [item["count"] for item in await scene.items(ADA)] == [5]


async def test_scheduled_ones_are_throttled_when_they_are_delivered(scene: Scene) -> None:
    """The window is that of the delivery."""
    for _ in range(5):
        await schedule(scene, type="ping")
    await scene.later(HOUR)
    assert sum(entry.silent for entry in scene.bus.announced) == 3


async def test_the_id_of_another_publishers_schedule_is_refused(scene: Scene) -> None:
    """Whoever names the id: nothing is accepted that would never be delivered."""
    first = await schedule(scene)
    body = {"to": "user:grace", "title": "Other", "deliver_at": at(scene, HOUR)}
    other = Principal("other", is_service=True, scopes=frozenset({PUBLISH}))
    with pytest.raises(Conflict):
        await scene.publisher.publish(body, other, notification_id=first.notification_id)
