"""The settings of an engine, checked together and frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

ANY_ORIGIN = "*"
TRANSPORTS = ("polling", "websocket")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine behaves. Times are in seconds, sizes in bytes; a cap of 0 is off.

    Heartbeats are those of Node's server (25 s and 20 s: hosts of the Heroku kind cut a
    connection that is silent for 55 s). `origins` lists the accepted values of the Origin header
    besides the server's own; `"*"` stands for any. A request without that header is not from a
    browser and passes. `trusted_hops` is the number of proxies in front that append to
    X-Forwarded-For; with one, X-Forwarded-Host is believed too.

    A ValueError names everything that is wrong.
    """

    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    max_payload: int = 1_000_000
    transports: tuple[str, ...] = TRANSPORTS
    origins: Collection[str] = ()
    trusted_hops: int = 0

    upgrade_timeout: float = 10.0
    body_timeout: float = 10.0
    """How long the body of one POST may take to arrive."""
    close_timeout: float = 2.0
    """How long a closing WebSocket may take to say goodbye before it is cut."""

    outbox_bytes: int = 1_048_576
    outbox_seconds: float = 10.0
    """How long a frame may wait in the outbox before its reader counts as too slow."""
    packets_per_second: int = 0
    """Above it, a connection's messages are handled later, not dropped."""

    connections: int = 0
    connections_per_address: int = 0
    connects_per_address: int = 0
    """New connections of one address a minute."""
    retry_after: float = 5.0
    """What a refused client is told to wait."""

    drain_seconds: float = 3.0
    """Shutdown spreads the closing of all connections over this time."""
    shutdown_seconds: float = 20.0

    def __post_init__(self) -> None:
        problems = [*self._not_positive(), *self._negative(), *self._unknown()]
        if problems:
            raise ValueError("; ".join(problems))

    def _not_positive(self) -> list[str]:
        names = (
            "ping_interval ping_timeout max_payload upgrade_timeout body_timeout close_timeout "
            "outbox_bytes outbox_seconds shutdown_seconds"
        )
        return [f"{name} must be above 0" for name in names.split() if getattr(self, name) <= 0]

    def _negative(self) -> list[str]:
        names = (
            "trusted_hops packets_per_second connections connections_per_address "
            "connects_per_address retry_after drain_seconds"
        )
        return [f"{name} must not be negative" for name in names.split() if getattr(self, name) < 0]

    def _unknown(self) -> list[str]:
        problems = []
        if not self.transports or set(self.transports) - set(TRANSPORTS):
            problems.append(f"transports must be some of {', '.join(TRANSPORTS)}")
        if isinstance(self.origins, str) and self.origins != ANY_ORIGIN:
            problems.append('origins must be a collection of origins or "*"')
        return problems
