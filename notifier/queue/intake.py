"""Where a message from outside becomes a notification, whichever broker it came through."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from notifier.core.models import PUBLISH, Principal, Receipt
from notifier.core.publishing import Publisher
from notifier.errors import InvalidRequest, NotFound, Overloaded, RequestError, StoreUnavailable
from notifier.queue.messages import Message, Outcome

AWAY = (StoreUnavailable, Overloaded)
"""Nothing is wrong with the message: it is to be kept, and taken again later."""


@dataclass(slots=True)
class IntakeMetrics:
    """Since the start of this node."""

    published: int = 0
    withdrawn: int = 0
    dead: int = 0
    postponed: int = 0


class Intake:
    """Takes one message at a time, any number at once. A repeated one changes nothing."""

    def __init__(self, publisher: Publisher) -> None:
        self.metrics = IntakeMetrics()
        self._publisher = publisher

    async def take(self, message: Message) -> Outcome:
        """Carry it out; when this returns, it is durable or dead.

        Raises ``StoreUnavailable`` or ``Overloaded``: then it must be taken again; ``NotFound`` if
        there is nothing to be withdrawn.
        """
        try:
            return await self._carry_out(message)
        except AWAY:
            self.metrics.postponed += 1
            raise
        except NotFound:
            raise
        except RequestError as error:
            return self.refuse(message, error)

    def refuse(self, message: Message, error: RequestError) -> Outcome:
        """It is dead, for this reason."""
        self.metrics.dead += 1
        return Outcome.refused(message.id, error)

    async def _carry_out(self, message: Message) -> Outcome:
        caller = Principal(message.by, is_service=True, scopes=frozenset({PUBLISH}))
        if message.op == "withdraw":
            await self._publisher.withdraw(message.id, caller)
            self.metrics.withdrawn += 1
            return Outcome("published", message.id)
        receipt = await self._publish(message, caller)
        self.metrics.published += 1
        return Outcome("published", receipt.notification_id)

    async def _publish(self, message: Message, caller: Principal) -> Receipt:
        try:
            body = orjson.loads(message.body)
        except orjson.JSONDecodeError:
            raise InvalidRequest({"": ["Must be a JSON object."]}) from None
        return await self._publisher.accept(
            body,
            caller,
            idempotency_key=message.key or message.id,
            notification_id=message.id,
        )
