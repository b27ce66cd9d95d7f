"""What all parts of one engine share."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from .admission import Admission
from .metrics import EngineMetrics
from .options import EngineOptions
from .wheel import Wheel

if TYPE_CHECKING:
    from .connection import Connection
    from .packets import Frame
    from .websocket import WebSocket

# A deadline may come this fraction of the shortest heartbeat time early.
PRECISION = 80
COARSEST, FINEST = 0.25, 0.005


@dataclass(slots=True)
class Core:
    """Settings, counters, clock and connections of one engine."""

    options: EngineOptions
    metrics: EngineMetrics
    wheel: Wheel
    admission: Admission
    connections: dict[str, Connection] = field(default_factory=dict)
    """By session id, until their disconnect handler has run."""
    lingering: set[WebSocket] = field(default_factory=set)
    """Sockets that are closing, or probed for an upgrade."""

    @classmethod
    def of(cls, options: EngineOptions) -> Core:
        """The core for these settings; the wheel is as fine as the heartbeat needs."""
        shortest = min(options.ping_interval, options.ping_timeout)
        resolution = min(COARSEST, max(FINEST, shortest / PRECISION))
        return cls(options, EngineMetrics(), Wheel(resolution), Admission(options))


class Host(Protocol):
    """What a connection needs of its engine."""

    core: Core

    def handle(self, connection: Connection, message: str | bytes) -> Awaitable[None]:
        """Run the message handler."""

    def ended(self, connection: Connection) -> Awaitable[None]:
        """Run the disconnect handler and forget the connection."""

    def closed(self, connection: Connection) -> None:
        """The connection is closed; `ended` follows."""

    def farewell(self, connection: Connection, reason: str) -> Frame | None:
        """What to send last before the server closes the connection."""
