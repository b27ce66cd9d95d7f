"""The bus of a single node: everybody who has to hear of it is here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from notifier.core.models import Entry
from notifier.core.ports import Bus
from notifier.realtime.hub import Hub


class LocalBus(Bus):
    """Hands entries and events straight to the hub. The bus of many nodes is ``RedisManager``."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def announce(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._hub.deliver(entry)

    def tell(self, user: str, event: str, data: Any, *, skip: str | None = None) -> None:
        self._hub.tell(user, event, data, skip)
