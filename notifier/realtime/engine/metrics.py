"""What the engine counts."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class EngineMetrics:
    """Plain counters (which only grow) and gauges of one engine. Reading them costs nothing."""

    websocket_connections: int = 0
    """Gauge: open connections on WebSocket."""
    polling_connections: int = 0
    """Gauge: open connections on long-polling, those about to upgrade included."""
    outbox_bytes: int = 0
    """Gauge: bytes that wait for readers which are behind."""
    loop_lag: float = 0.0
    """Gauge: how many seconds late the event loop was when last measured, see `Pulse`."""
    opened: int = 0
    """Counter: connections that were accepted."""
    refused: int = 0
    """Counter: connections that were not admitted."""
    upgraded: int = 0
    """Counter: connections that went from long-polling to WebSocket."""
    slow_closes: int = 0
    """Counter: connections closed because their reader was too far behind."""
    packets_in: int = 0
    """Counter: messages received."""
    packets_out: int = 0
    """Counter: frames sent, or put into an outbox."""
    closes: dict[str, int] = field(default_factory=dict)
    """Counters: connections closed, by reason."""
