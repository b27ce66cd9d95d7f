"""How fast one client's messages are handled."""

from __future__ import annotations

BURST = 1.0
"""Seconds' worth of messages that may be handled at once."""


class Throttle:
    """Spaces messages to a rate after a burst. `rate` is in messages per second, 0 is none."""

    __slots__ = ("_paid", "_rate")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        # The time at which everything that was handled has been paid for.
        self._paid = 0.0

    def delay(self, now: float) -> float:
        """Count one message; returns how many seconds it has to wait."""
        if not self._rate:
            return 0.0
        self._paid = max(self._paid, now - BURST) + 1 / self._rate
        return max(0.0, self._paid - now)
