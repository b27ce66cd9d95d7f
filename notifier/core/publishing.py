"""The path of a notification from a publisher to the logs: the one place that knows its steps."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import orjson

from notifier.core import policy
from notifier.core.models import (
    ADMIN,
    Entry,
    IdempotencyKey,
    Notification,
    Principal,
    Publication,
    Receipt,
    encode_content,
    new_id,
    now_ms,
    rfc3339,
)
from notifier.core.ports import Bus, Log
from notifier.core.schemas import NOTIFICATION, load
from notifier.core.types import DEFAULT_TYPE, NotificationType
from notifier.errors import Forbidden, InvalidRequest, NotFound

_KEY = re.compile(r"[\x21-\x7e]{1,255}")

Stored = TypeVar("Stored")

_PASSED_ON = ("body", "sender", "icon", "url", "data", "actions", "collapse_key")
"""Optional fields that readers get exactly as they were published."""


@dataclass(slots=True)
class PublisherMetrics:
    """Since the start of this node."""

    published: int = 0
    entries: int = 0
    repeated: int = 0
    withdrawn: int = 0


class Publisher:
    """Checks, stores, tells - in this order.

    ``retention`` is how long a notification lives, in milliseconds, when neither it nor its type
    says so; no notification lives longer.
    """

    def __init__(
        self,
        log: Log,
        bus: Bus,
        types: Mapping[str, NotificationType],
        *,
        retention: int,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._log = log
        self._bus = bus
        self._types = types
        self._retention = retention
        self._clock = clock
        self.metrics = PublisherMetrics()
        self._telling: set[asyncio.Task[Any]] = set()

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
        ``Forbidden``, ``InvalidRequest``, ``Conflict`` or ``StoreUnavailable``; then nothing was
        published.
        """
        _require(policy.may_publish(caller))
        request = load(NOTIFICATION, body)
        publication = Publication(
            self._notification(request, caller, notification_id),
            tuple(request["to"]),
            _key(idempotency_key, body, caller),
        )
        receipt = await self._told(self._log.append(publication), lambda stored: stored.entries)
        self._count(receipt)
        return receipt

    async def withdraw(self, notification_id: str, caller: Principal) -> None:
        """Take a notification back from everybody: publishers their own, admins any.

        Repeating it changes nothing. Raises ``Forbidden``, ``NotFound`` or ``StoreUnavailable``.
        """
        _require(policy.may_publish(caller))
        owner = None if ADMIN in caller.scopes else caller.publisher
        withdrawing = self._log.withdraw(_uuid(notification_id), publisher=owner, now=self._clock())
        await self._told(withdrawing, lambda withdrawals: withdrawals)
        self.metrics.withdrawn += 1

    async def close(self) -> None:
        """Wait until what was stored has been told."""
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def _told(
        self, storing: Coroutine[Any, Any, Stored], entries: Callable[[Stored], Sequence[Entry]]
    ) -> Stored:
        """Store, then tell. A caller who gives up in between (hangs up, say) does not keep the
        second from following the first."""

        async def store_and_tell() -> Stored:
            stored = await storing
            self._bus.announce(entries(stored))
            return stored

        task = asyncio.create_task(store_and_tell())
        self._telling.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._telling.discard(task)
        if not task.cancelled():
            task.exception()  # told to the caller, if that one is still there

    def _notification(
        self, request: Mapping[str, Any], caller: Principal, notification_id: str | None
    ) -> Notification:
        kind = self._type(request.get("type"))
        if request.get("deliver_at") is not None:
            raise InvalidRequest({"deliver_at": ["Scheduled delivery is not available yet."]})
        now = self._clock()
        expires_at = now + self._lifetime(request.get("ttl"), kind)
        notification_id = notification_id or new_id(now)
        content = {
            "notification_id": notification_id,
            "type": kind.name,
            "priority": request.get("priority", kind.priority),
            "title": request["title"],
            **{name: request[name] for name in _PASSED_ON if request.get(name) is not None},
            "created_at": rfc3339(now),
            "expires_at": rfc3339(expires_at),
        }
        return Notification(
            id=notification_id,
            type=kind.name,
            priority=request.get("priority", kind.priority),
            publisher=caller.publisher,
            created_at=now,
            expires_at=expires_at,
            excluded=frozenset(a.partition(":")[2] for a in request["excluded"]),
            copies=len(request["to"]),
            content=encode_content(content),
        )

    def _type(self, name: str | None) -> NotificationType:
        kind = self._types.get(name or DEFAULT_TYPE)
        if kind is None:
            known = ", ".join(sorted(self._types))
            raise InvalidRequest({"type": [f"Not in the type catalogue. Known types: {known}."]})
        return kind

    def _lifetime(self, ttl: int | None, kind: NotificationType) -> int:
        seconds = ttl if ttl is not None else kind.ttl
        return self._retention if seconds is None else min(seconds * 1000, self._retention)

    def _count(self, receipt: Receipt) -> None:
        if receipt.repeated:
            self.metrics.repeated += 1
        else:
            self.metrics.published += 1
            self.metrics.entries += len(receipt.entries)


def _require(decision: policy.Decision) -> None:
    if not decision.allowed:
        raise Forbidden(decision.reason)


def _key(text: str | None, body: object, caller: Principal) -> IdempotencyKey | None:
    if text is None:
        return None
    if not _KEY.fullmatch(text):
        message = "Must be 1 to 255 visible ASCII characters."
        raise InvalidRequest({"Idempotency-Key": [message]})
    canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return IdempotencyKey(caller.publisher, text, hashlib.sha256(canonical).hexdigest())


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise NotFound("There is no such notification.") from None
