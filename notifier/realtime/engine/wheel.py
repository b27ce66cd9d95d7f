"""One timer for every heartbeat and deadline of an engine."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

logger = logging.getLogger(__name__)

NOWHERE = -1


class Item(Protocol):
    """Something with a next deadline. `slot` belongs to the wheel and starts as NOWHERE."""

    slot: int

    def expire(self, edge: float) -> float | None:
        """Act on every deadline before `edge`; return the next one, None when there is none."""


class Wheel:
    """Calls each item when its deadline is less than one `resolution` (seconds) away.

    An item sits in one slot; moving or removing it costs the same whatever the number of items.
    Times are those of the running loop: monotonic. An empty wheel holds no timer.
    """

    def __init__(self, resolution: float) -> None:
        self._resolution = resolution
        self._slots: dict[int, set[Item]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def schedule(self, item: Item, when: float) -> None:
        """Have the item called at `when`, or before if it is already due sooner."""
        slot = int(when / self._resolution)
        if item.slot != NOWHERE:
            if item.slot <= slot:
                return
            self.cancel(item)
        item.slot = slot
        self._slots.setdefault(slot, set()).add(item)
        if self._timer is None:
            self._wait()

    def cancel(self, item: Item) -> None:
        """Take the item out, wherever it is."""
        if (items := self._slots.get(item.slot)) is not None:
            items.discard(item)
            if not items:
                del self._slots[item.slot]
        item.slot = NOWHERE
        if not self._slots and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        boundary = (int(loop.time() / self._resolution) + 1) * self._resolution
        self._timer = loop.call_at(boundary, self._tick, boundary)

    def _tick(self, boundary: float) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        # call_at may come a moment early: the boundary counts as reached.
        edge = int(max(now, boundary + self._resolution / 2) / self._resolution)
        for slot in sorted(slot for slot in self._slots if slot <= edge):
            for item in list(self._slots.get(slot, ())):
                self._expire(item, (edge + 1) * self._resolution)
        if self._slots and self._timer is None:
            self._wait()

    def _expire(self, item: Item, edge: float) -> None:
        self.cancel(item)
        try:
            due = item.expire(edge)
        except Exception:
            logger.exception("a deadline failed")
            return
        if due is not None:
            self.schedule(item, max(due, edge))
