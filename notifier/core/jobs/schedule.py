"""Notifications to be delivered at a later time, until then they can be cancelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from notifier.core.delivery import Delivery, Route
from notifier.core.models import IdempotencyKey, Publication, Receipt
from notifier.core.models.jobs import Job
from notifier.core.orders import Order
from notifier.core.ports import Store
from notifier.errors import IdTaken, NotFound

KIND = "publish"

KEPT = 25 * 3_600_000
"""Milliseconds that a finished job is kept: longer than its idempotency key is remembered, so that
no retry adds it again."""


class Schedule:
    """Orders that wait for their time.

    A job is waiting, then has a plan, then is over. Whoever moves it on does so by replacing it, so
    cancelling and delivering exclude each other.
    """

    def __init__(self, store: Store, delivery: Delivery, *, clock: Callable[[], int]) -> None:
        self._store = store
        self._delivery = delivery
        self._clock = clock

    async def add(self, order: Order, at: int, key: IdempotencyKey | None) -> Receipt:
        """Deliver the order at a time. A retry with the same key gets the id of the first call."""
        first = Receipt(order.id, ())
        if key is not None:
            nowhere = Publication(order.notification(at), (), key, fixed=True)
            first = await self._store.append(nowhere)
        await self.resume(replace(order, id=first.notification_id), at)
        return replace(first, entries=(), deliver_at=at)

    async def resume(self, order: Order, at: int) -> None:
        """See to it that the order has a job, unless it has had one.

        Raises ``IdTaken`` if that is of another publisher.
        """
        data = {"order": order.as_dict(), "kept_until": self._clock() + KEPT}
        if not await self._store.add_jobs([Job(_id(order.id), at, data)]):
            there = await self._store.job(_id(order.id))
            if there is not None and there.data["order"]["publisher"] != order.publisher:
                raise IdTaken

    async def cancel(self, notification_id: str, owner: str | None) -> bool:
        """Cancel what waits. False: there is nothing to cancel, withdraw what was delivered.

        ``owner`` None: anybody's. Raises ``NotFound`` for what belongs to somebody else.
        """
        while True:
            job = await self._store.job(_id(notification_id))
            if job is None:
                return False
            if owner not in (None, job.data["order"]["publisher"]):
                raise NotFound("There is no such notification.")
            if "over" in job.data:
                return bool(job.data["over"] == "cancelled")
            if "plan" in job.data:
                # A runner has it at hand, or has died over it. Once it is delivered for certain, it
                # can be taken back for certain.
                await self._deliver(job)
                return False
            if await self._end(job, "cancelled"):
                return True

    async def run(self, job: Job) -> None:
        """Deliver what is due; forget what has long been over."""
        if "over" in job.data:
            await self._store.remove_job(job)
            return
        if "plan" not in job.data:
            order = Order.from_dict(job.data["order"])
            route = await self._delivery.route(order)
            plan = {"at": self._clock(), "route": route.as_dict()}
            with_plan = await self._store.replace_job(replace(job, data={**job.data, "plan": plan}))
            if with_plan is None:
                return  # cancelled, or another runner has it now
            job = with_plan
        await self._deliver(job)
        await self._end(job, "delivered")

    async def _deliver(self, job: Job) -> None:
        order, plan = Order.from_dict(job.data["order"]), job.data["plan"]
        notification = order.notification(plan["at"])
        await self._delivery.carry(order, notification, Route.from_dict(plan["route"]))

    async def _end(self, job: Job, how: str) -> bool:
        """False if somebody else has moved the job on."""
        owner = {"publisher": job.data["order"]["publisher"]}
        data: dict[str, Any] = {"order": owner, "over": how}
        kept_until = max(job.data["kept_until"], self._clock() + 1)
        return await self._store.replace_job(replace(job, due_at=kept_until, data=data)) is not None


def _id(notification_id: str) -> str:
    return f"{KIND}/{notification_id}"
