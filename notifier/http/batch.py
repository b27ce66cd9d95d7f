"""``POST /v1/notifications/batch``: many publishes in one call, each for itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from notifier.core.limits import RateLimit
from notifier.core.loading import load
from notifier.core.models import Principal
from notifier.core.publishing import Publisher, check_key
from notifier.core.schemas import BATCH
from notifier.errors import RateLimited, RequestError
from notifier.http.api import answer, idempotency_key, receipt
from notifier.http.bodies import read_json
from notifier.http.calls import CALLER
from notifier.http.services import SERVICES

TOGETHER = 64
"""Notifications that are checked and stored together: some 10 ms of the event loop."""

BATCHED = web.AppKey("batched", RateLimit)
"""Counts notifications in batches by publisher."""


async def publish_batch(request: web.Request) -> web.Response:
    """A result for each notification, in order; a refused one does not keep back the others.

    The call counts once against the limit of publishes; its notifications have a limit of their
    own, which a batch may exceed for its size and which the next ones then have to wait for.
    """
    notifications = load(BATCH, await read_json(request))["notifications"]
    caller, key = request[CALLER], idempotency_key(request)
    wait = request.app[BATCHED].take(caller.publisher, time.monotonic(), len(notifications))
    if wait:
        raise RateLimited("Too many notifications in batches; slow down.", retry_after=wait)
    keys = [key and f"{key}/{index}" for index in range(len(notifications))]
    publisher = request.app[SERVICES].publisher
    results: list[dict[str, Any]] = []
    for start in range(0, len(notifications), TOGETHER):
        some = slice(start, start + TOGETHER)
        results += await _publish(publisher, caller, notifications[some], keys[some])
    return answer({"results": results})


async def _publish(
    publisher: Publisher,
    caller: Principal,
    notifications: Sequence[object],
    keys: Sequence[str | None],
) -> list[dict[str, Any]]:
    async def one(notification: object, key: str | None) -> dict[str, Any]:
        try:
            notification, key = _with_key(notification, key)
            status, told = receipt(
                await publisher.accept(notification, caller, idempotency_key=key)
            )
        except RequestError as error:
            return {"status": error.status, "error": error.as_dict()}
        return {"status": status, **told}

    return await asyncio.gather(*map(one, notifications, keys))


def _with_key(notification: object, key: str | None) -> tuple[object, str | None]:
    """A notification as it would be published alone, with its own key before that of the batch."""
    if not isinstance(notification, dict) or "idempotency_key" not in notification:
        return notification, key
    alone = dict(notification)
    own = alone.pop("idempotency_key")
    if own is None:
        return alone, key
    check_key(own, "idempotency_key")
    return alone, own
