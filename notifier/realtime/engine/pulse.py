"""How late the event loop is, measured whether there are connections or not."""

from __future__ import annotations

import asyncio

from .metrics import EngineMetrics

INTERVAL = 0.5
"""Seconds between two measurements: a loop that is blocked for longer is always seen."""


class Pulse:
    """Asks for a call at a certain time, and notes as `loop_lag` how late it came."""

    def __init__(self, metrics: EngineMetrics) -> None:
        self._metrics = metrics
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Measure on the running loop until `stop`."""
        loop = asyncio.get_running_loop()
        due = loop.time() + INTERVAL
        self._timer = loop.call_at(due, self._measure, due)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _measure(self, due: float) -> None:
        self._metrics.loop_lag = max(0.0, asyncio.get_running_loop().time() - due)
        self.start()
