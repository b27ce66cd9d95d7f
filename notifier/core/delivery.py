"""How an order gets into the logs: which ones, how loudly; stored first, then told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from notifier.core.jobs.collapse import Gathering, is_private, visible
from notifier.core.models import IdempotencyKey, Notification, Publication, Receipt
from notifier.core.orders import Order
from notifier.core.ports import Bus, Store
from notifier.core.throttle import Throttle
from notifier.core.types import NotificationType


class Route(NamedTuple):
    """Where an order goes: a log for each audience, and which of them get a silent entry.

    ``fixed``: another attempt might be sent elsewhere, so a retry must take the logs of the first.
    """

    logs: tuple[str, ...]
    silent: frozenset[str]
    fixed: bool

    def as_dict(self) -> dict[str, Any]:
        return {"logs": list(self.logs), "silent": sorted(self.silent), "fixed": self.fixed}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        return cls(tuple(row["logs"]), frozenset(row["silent"]), row["fixed"])


@dataclass(slots=True)
class DeliveryMetrics:
    """Since the start of this node."""

    entries: int = 0
    """In logs that somebody can read."""

    collapsed: int = 0
    """Gathered, to be shown as one card."""

    silent: int = 0
    """Too many of their type: in the bell menu only."""


class Delivery:
    """Puts orders into logs. Repeating it with the same route changes nothing."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        types: Mapping[str, NotificationType],
        *,
        clock: Callable[[], int],
    ) -> None:
        self.gathering = Gathering(store, bus, types, clock=clock)
        self.metrics = DeliveryMetrics()
        self._throttle = Throttle(store, types)
        self._store = store
        self._bus = bus
        self._clock = clock

    async def route(self, order: Order, key: IdempotencyKey | None = None) -> Route:
        now = self._clock()
        logs = await self.gathering.logs(order, now=now)
        shown = [log for log in logs if not is_private(log)]
        silent = await self._throttle.silent(order, shown, key, now=now)
        return Route(logs, silent, fixed=self.gathering.gathers(order))

    async def carry(
        self,
        order: Order,
        notification: Notification,
        route: Route,
        key: IdempotencyKey | None = None,
    ) -> Receipt:
        """Store, then tell. The receipt's entries include those that were gathered."""
        receipt = await self._store.append(
            Publication(notification, route.logs, key, silent=route.silent, fixed=route.fixed)
        )
        shown = visible(receipt.entries)
        self._bus.announce(shown)
        await self.gathering.note(order, (entry.audience for entry in receipt.entries))
        if not receipt.repeated:
            self.metrics.entries += len(shown)
            self.metrics.collapsed += len(receipt.entries) - len(shown)
            self.metrics.silent += sum(entry.silent for entry in shown)
        return receipt
