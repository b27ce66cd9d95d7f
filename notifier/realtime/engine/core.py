"""What all parts of one engine share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .metrics import EngineMetrics
from .options import EngineOptions
from .wheel import Wheel

if TYPE_CHECKING:
    from .websocket import WebSocket

# A deadline may come this fraction of the shortest heartbeat time early.
PRECISION = 80
COARSEST, FINEST = 0.25, 0.005


@dataclass(slots=True)
class Core:
    """Settings, counters and clock of one engine, and the sockets that are still closing."""

    options: EngineOptions
    metrics: EngineMetrics
    wheel: Wheel
    lingering: set[WebSocket] = field(default_factory=set)

    @classmethod
    def of(cls, options: EngineOptions) -> Core:
        """The core for these settings; the wheel is as fine as the heartbeat needs."""
        shortest = min(options.ping_interval, options.ping_timeout)
        resolution = min(COARSEST, max(FINEST, shortest / PRECISION))
        metrics = EngineMetrics()
        return cls(options, metrics, Wheel(resolution, metrics))
