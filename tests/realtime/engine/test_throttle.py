"""How fast one client's messages are handled."""

from __future__ import annotations

import pytest

from notifier.realtime.engine.throttle import Throttle


def test_a_burst_then_the_rate() -> None:
    """One second's worth is handled at once; then each message waits its turn."""
    throttle = Throttle(10)
    delays = [throttle.delay(100.0) for _ in range(15)]
    assert delays[:10] == pytest.approx([0] * 10, abs=1e-9)
    assert delays[10:] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_rest_pays_for_the_next_burst() -> None:
    """A client that was quiet may burst again."""
    throttle = Throttle(10)
    for _ in range(10):
        throttle.delay(100.0)
    assert [throttle.delay(200.0) for _ in range(10)] == pytest.approx([0] * 10, abs=1e-9)


def test_no_rate() -> None:
    """Without a rate nothing waits."""
    throttle = Throttle(0)
    assert {throttle.delay(100.0) for _ in range(1000)} == {0.0}
