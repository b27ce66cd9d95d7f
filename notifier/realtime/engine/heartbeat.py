"""When to ping a client, and when to give it up."""

from __future__ import annotations

import random

from .options import EngineOptions

# Pings are sent up to this fraction early: a thousand clients that came together drift apart.
JITTER = 0.1


class Heartbeat:
    """A ping at every interval; its pong has to come within the timeout. `due` is the next time."""

    __slots__ = ("_options", "awaiting", "due")

    def __init__(self, options: EngineOptions, now: float) -> None:
        self._options = options
        self.restart(now)

    def restart(self, now: float) -> None:
        """The client is there: the next ping follows after the interval."""
        self.awaiting = False
        spread = 1 - JITTER * random.random()  # noqa: S311
        self.due = now + self._options.ping_interval * spread

    def pinged(self) -> None:
        """A ping was sent."""
        self.awaiting = True
        self.due += self._options.ping_timeout

    def postpone(self, now: float) -> None:
        """Wait for the pong once more as long."""
        self.due = now + self._options.ping_timeout
