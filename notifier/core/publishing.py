"""The path of a notification from a publisher to the logs: the one place that knows its steps."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson

from notifier.core import policy
from notifier.core.delivery import Delivery
from notifier.core.errands import Errands
from notifier.core.jobs.collapse import visible
from notifier.core.jobs.schedule import Schedule
from notifier.core.loading import load
from notifier.core.models import (
    ADMIN,
    Entry,
    IdempotencyKey,
    Principal,
    Receipt,
    in_milliseconds,
    new_id,
    now_ms,
)
from notifier.core.orders import Order
from notifier.core.ports import Bus, Store
from notifier.core.schemas import NOTIFICATION
from notifier.core.types import DEFAULT_TYPE, NotificationType
from notifier.errors import Forbidden, InvalidRequest, NotFound

_KEY = re.compile(r"[\x21-\x7e]{1,255}")

MAX_AHEAD = 366 * 86_400_000
"""Milliseconds from now within which a delivery can be scheduled."""

_PASSED_ON = ("body", "sender", "icon", "url", "data", "actions", "collapse_key")
"""Optional fields that readers get exactly as they were published."""


@dataclass(slots=True)
class PublisherMetrics:
    """Since the start of this node."""

    published: int = 0
    scheduled: int = 0
    repeated: int = 0
    withdrawn: int = 0


class Publisher:
    """Checks, stores, tells - in this order; or has it done later.

    ``retention`` is how long a notification lives, in milliseconds, when neither it nor its type
    says so; no notification lives longer.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        types: Mapping[str, NotificationType],
        *,
        retention: int,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.delivery = Delivery(store, bus, types, clock=clock)
        self.schedule = Schedule(store, self.delivery, clock=clock)
        self.metrics = PublisherMetrics()
        self._store = store
        self._bus = bus
        self._types = types
        self._retention = retention
        self._clock = clock
        self._errands = Errands()

    async def publish(
        self,
        body: object,
        caller: Principal,
        *,
        idempotency_key: str | None = None,
        notification_id: str | None = None,
    ) -> Receipt:
        """Publish a notification; when this returns, it is durable.

        ``body`` is what ``NotificationSchema`` describes. ``notification_id`` is a UUID that a
        trusted caller has made before (``new_id``); without it one is made here. Raises
        ``Forbidden``, ``InvalidRequest`` or ``Conflict``: nothing was published; or
        ``StoreUnavailable``: it may have been.
        """
        return await self._errands.to_its_end(
            self.accept(
                body, caller, idempotency_key=idempotency_key, notification_id=notification_id
            )
        )

    async def accept(
        self,
        body: object,
        caller: Principal,
        *,
        idempotency_key: str | None = None,
        notification_id: str | None = None,
    ) -> Receipt:
        """``publish`` for who sees to it that it is not cancelled, for many at once say."""
        _require(policy.may_publish(caller, self._types))
        request = load(NOTIFICATION, body)
        at = self._delivery_time(request)
        order = self._order(request, caller, notification_id)
        key = _key(idempotency_key, body, caller)
        receipt = await self._place(order, at, key)
        self._count(receipt)
        return receipt

    async def withdraw(self, notification_id: str, caller: Principal) -> None:
        """Take a notification back from everybody, or cancel it: publishers their own, admins any.

        Repeating it changes nothing. Raises ``Forbidden``, ``NotFound`` or ``StoreUnavailable``.
        """
        _require(policy.may_publish(caller, self._types))
        owner = None if ADMIN in caller.scopes else caller.publisher
        await self._errands.to_its_end(self._take_back(_uuid(notification_id), owner))
        self.metrics.withdrawn += 1

    async def close(self) -> None:
        """Wait until what was stored has been told."""
        await self._errands.close()

    async def _place(self, order: Order, at: int | None, key: IdempotencyKey | None) -> Receipt:
        now = self._clock()
        if at is not None and at > now:
            return await self.schedule.add(order, at, key)
        route = await self.delivery.route(order, key)
        receipt = await self.delivery.carry(order, order.notification(now), route, key)
        if at is not None and receipt.repeated and not receipt.entries:
            # The first call was ahead of its time, and may have been cut short.
            await self.schedule.resume(replace(order, id=receipt.notification_id), now)
            return replace(receipt, entries=(), deliver_at=at)
        return replace(receipt, entries=visible(receipt.entries))

    async def _take_back(self, notification_id: str, owner: str | None) -> None:
        if await self.schedule.cancel(notification_id, owner):
            return
        withdrawals: list[Entry] = await self._store.withdraw(
            notification_id, publisher=owner, now=self._clock()
        )
        self._bus.announce(visible(withdrawals))

    def _delivery_time(self, request: Mapping[str, Any]) -> int | None:
        if request.get("deliver_at") is None:
            return None
        at = in_milliseconds(request["deliver_at"])
        if at > self._clock() + MAX_AHEAD:
            raise InvalidRequest({"deliver_at": ["Must be within 366 days from now."]})
        return at

    def _order(
        self, request: Mapping[str, Any], caller: Principal, notification_id: str | None
    ) -> Order:
        kind = self._type(request.get("type"))
        _require(policy.may_send(caller, kind, request["to"]))
        addressed = policy.is_for(kind, request["to"])
        if not addressed.allowed:
            raise InvalidRequest({"to": [addressed.reason]})
        passed_on = {n: request[n] for n in _PASSED_ON if request.get(n) is not None}
        return Order(
            id=notification_id or new_id(self._clock()),
            type=kind.name,
            priority=request.get("priority", kind.priority),
            publisher=caller.publisher,
            audiences=tuple(request["to"]),
            excluded=frozenset(a.partition(":")[2] for a in request["excluded"]),
            lifetime=kind.lifetime(self._retention, request.get("ttl")),
            fields={"title": request["title"], **passed_on},
        )

    def _type(self, name: str | None) -> NotificationType:
        kind = self._types.get(name or DEFAULT_TYPE)
        if kind is None:
            known = ", ".join(sorted(self._types))
            raise InvalidRequest({"type": [f"Not in the type catalogue. Known types: {known}."]})
        return kind

    def _count(self, receipt: Receipt) -> None:
        if receipt.repeated:
            self.metrics.repeated += 1
        elif receipt.deliver_at is not None:
            self.metrics.scheduled += 1
        else:
            self.metrics.published += 1


def _require(decision: policy.Decision) -> None:
    if not decision.allowed:
        raise Forbidden(decision.reason)


def _key(text: str | None, body: object, caller: Principal) -> IdempotencyKey | None:
    if text is None:
        return None
    check_key(text, "Idempotency-Key")
    canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return IdempotencyKey(caller.publisher, text, hashlib.sha256(canonical).hexdigest())


def check_key(text: object, field: str) -> None:
    """Raise ``InvalidRequest`` for that field if this is no idempotency key."""
    if not isinstance(text, str) or not _KEY.fullmatch(text):
        raise InvalidRequest({field: ["Must be 1 to 255 visible ASCII characters."]})


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise NotFound("There is no such notification.") from None
