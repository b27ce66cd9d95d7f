"""When a client is pinged, and when it is given up."""

from __future__ import annotations

from notifier.realtime.engine import EngineOptions
from notifier.realtime.engine.heartbeat import JITTER, Heartbeat

OPTIONS = EngineOptions(ping_interval=20, ping_timeout=10)


def test_pings_are_spread() -> None:
    """The ping comes within the last tenth of the interval, not for all at the same time."""
    times = [Heartbeat(OPTIONS, 100.0).due for _ in range(200)]
    assert min(times) >= 100 + 20 * (1 - JITTER)
    assert max(times) <= 120
    assert max(times) - min(times) > 1


def test_a_pong_that_is_missing() -> None:
    """After a ping the timeout runs, from when it was due; a pong starts the interval again."""
    heartbeat = Heartbeat(OPTIONS, 100.0)
    due = heartbeat.due
    heartbeat.pinged()
    assert (heartbeat.awaiting, heartbeat.due) == (True, due + 10)
    heartbeat.restart(130.0)
    assert not heartbeat.awaiting
    assert 148 <= heartbeat.due <= 150


def test_one_more_chance() -> None:
    """A missing pong can be waited for once more."""
    heartbeat = Heartbeat(OPTIONS, 100.0)
    heartbeat.pinged()
    heartbeat.postpone(130.0)
    assert (heartbeat.awaiting, heartbeat.due) == (True, 140.0)
