"""The timer wheel."""

from __future__ import annotations

import asyncio
import logging

import pytest

from notifier.realtime.engine.wheel import NOWHERE, Wheel
from tests.realtime.engine.wire import until

RESOLUTION = 0.005


class Alarm:
    """Notes when it was called, and asks for further times."""

    def __init__(self, *again: float) -> None:
        self.slot = NOWHERE
        self.calls: list[float] = []
        self._again = list(again)

    def expire(self, edge: float) -> float | None:
        self.calls.append(asyncio.get_running_loop().time())
        return edge + self._again.pop(0) if self._again else None


@pytest.fixture
def wheel() -> Wheel:
    """A fine wheel."""
    return Wheel(RESOLUTION)


def now() -> float:
    """The time of the running loop."""
    return asyncio.get_running_loop().time()


async def test_called_in_time(wheel: Wheel) -> None:
    """An item is called less than one resolution before its time, never earlier."""
    alarm, when = Alarm(), now() + 0.05
    wheel.schedule(alarm, when)
    await until(lambda: alarm.calls)
    assert alarm.calls[0] > when - RESOLUTION
    assert len(wheel) == 0


async def test_called_again(wheel: Wheel) -> None:
    """An item that returns a time is called again at that time."""
    alarm = Alarm(0.01, 0.01)
    wheel.schedule(alarm, now())
    await until(lambda: len(alarm.calls) == 3)
    assert len(wheel) == 0


async def test_the_sooner_time_counts(wheel: Wheel) -> None:
    """Scheduling an item twice leaves it at the earlier of the two times."""
    early, late = Alarm(), Alarm()
    for first, second, alarm in ((60, 0.01, early), (0.01, 60, late)):
        wheel.schedule(alarm, now() + first)
        wheel.schedule(alarm, now() + second)
    await until(lambda: early.calls and late.calls)
    assert len(wheel) == 0


async def test_cancelled(wheel: Wheel) -> None:
    """A cancelled item is not called, and the last one takes the timer with it."""
    gone, kept = Alarm(), Alarm()
    wheel.schedule(gone, now() + 0.01)
    wheel.schedule(kept, now() + 0.02)
    wheel.cancel(gone)
    wheel.cancel(gone)
    await until(lambda: kept.calls)
    assert gone.calls == []
    wheel.schedule(gone, now() + 60)
    wheel.cancel(gone)
    assert wheel._timer is None


async def test_a_failing_item_harms_nobody(wheel: Wheel, caplog: pytest.LogCaptureFixture) -> None:
    """An item that raises is logged; the others are called."""

    class Failing(Alarm):
        def expire(self, edge: float) -> float | None:
            raise RuntimeError("broken")

    alarm = Alarm()
    wheel.schedule(Failing(), now())
    wheel.schedule(alarm, now())
    with caplog.at_level(logging.ERROR):
        await until(lambda: alarm.calls)
    assert "a deadline failed" in caplog.text
