"""How late the loop is."""

from __future__ import annotations

import time

from notifier.realtime.engine.metrics import EngineMetrics
from notifier.realtime.engine.pulse import INTERVAL, Pulse
from tests.realtime.engine.conftest import Site
from tests.realtime.engine.wire import until

BLOCKED = 0.2


async def test_a_blocked_loop_is_seen_without_connections(site: Site) -> None:
    """The lag is measured while nobody is connected."""
    time.sleep(INTERVAL + BLOCKED)  # noqa: ASYNC251
    await until(lambda: site.engine.metrics.loop_lag >= BLOCKED)


async def test_it_goes_on_and_stops() -> None:
    """The lag is measured again and again, until `stop`."""
    metrics = EngineMetrics()
    pulse = Pulse(metrics)
    pulse.start()
    for _ in range(2):
        metrics.loop_lag = -1
        await until(lambda: metrics.loop_lag >= 0)
    pulse.stop()
    pulse.stop()
    assert pulse._timer is None
