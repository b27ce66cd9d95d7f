"""Throttling: what comes too often goes to the bell menu silently. Nothing is dropped."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

import orjson

from notifier.core.models import IdempotencyKey, Priority
from notifier.core.models.jobs import Ration
from notifier.core.orders import Order
from notifier.core.ports import Jobs
from notifier.core.types import NotificationType, Rate


class Throttle:
    """Counts the entries of a type in a log, in windows that begin at multiples of their length."""

    def __init__(self, jobs: Jobs, types: Mapping[str, NotificationType]) -> None:
        self._jobs = jobs
        self._types = types

    async def silent(
        self, order: Order, audiences: Collection[str], key: IdempotencyKey | None, *, now: int
    ) -> frozenset[str]:
        """The audiences whose entry is to be silent. A retry with the same key counts once."""
        rate = self._rate(order)
        if rate is None or not audiences:
            return frozenset()
        rations = {audience: _ration(audience, order.type, rate, now) for audience in audiences}
        asker = order.id if key is None else _name(key.publisher, key.key)
        loud = await self._jobs.ration(rations.values(), asker)
        return frozenset(a for a, ration in rations.items() if ration.place not in loud)

    def _rate(self, order: Order) -> Rate | None:
        kind = self._types.get(order.type)
        if kind is None or not kind.mutable or order.priority is Priority.CRITICAL:
            return None
        return kind.rate


def _ration(audience: str, type: str, rate: Rate, now: int) -> Ration:
    length = rate.seconds * 1000
    number = now // length
    return Ration(_name(audience, type, number), rate.limit, purge_at=(number + 1) * length)


def _name(*parts: str | int) -> str:
    """Short, and different for different parts."""
    return hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()
