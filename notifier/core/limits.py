"""How often somebody may do something. Pure: the caller passes a monotonic time in."""

from __future__ import annotations

from collections.abc import Hashable


class RateLimit:
    """At most ``count`` actions per ``period`` seconds for each key, after an equal burst.

    The generic cell rate algorithm: per key one number, the time at which its burst would be
    regained in full. ``count`` 0 switches the limit off. Keys that are back at rest are forgotten
    in passing, so memory follows the keys of the last period and not all keys ever seen.
    """

    __slots__ = ("_interval", "_period", "_rested_at", "_swept_at")

    def __init__(self, count: int, period: float = 1.0) -> None:
        self._period = period
        self._interval = period / count if count else 0.0
        self._rested_at: dict[Hashable, float] = {}
        self._swept_at = float("-inf")

    def take(self, key: Hashable, now: float, actions: int = 1) -> float:
        """Take one action, or several at once. 0.0 if it is allowed, else the seconds until then.

        Several are allowed when one would be, and then paid for in full: the next has to wait.
        ``now`` is in seconds of any clock that never goes back. A refused action costs nothing.
        """
        if not self._interval:
            return 0.0
        if now - self._swept_at >= self._period:
            self._sweep(now)
        wait = self.wait(key, now)
        if not wait:
            self._rested_at[key] = self._rest(key, now) + self._interval * actions
        return wait

    def wait(self, key: Hashable, now: float) -> float:
        """What ``take`` would answer, without taking anything."""
        wait = self._rest(key, now) + self._interval - now - self._period
        # Adding up intervals leaves a rounding error.
        return wait if self._interval and wait > self._interval * 1e-6 else 0.0

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._rested_at)

    def _rest(self, key: Hashable, now: float) -> float:
        """When the burst of a key is regained in full."""
        return max(self._rested_at.get(key, now), now)

    def _sweep(self, now: float) -> None:
        self._swept_at = now
        self._rested_at = {key: at for key, at in self._rested_at.items() if at > now}
