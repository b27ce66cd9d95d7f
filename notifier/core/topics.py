"""Which topics users follow: their own choice, or that of a service."""

from __future__ import annotations

from collections.abc import Callable

from notifier.core import policy
from notifier.core.counts import count
from notifier.core.loading import load
from notifier.core.models import MAX_TOPICS, Cursor, Principal, Subscriber, is_name, now_ms
from notifier.core.ports import Bus, Store
from notifier.core.schemas import TOPIC
from notifier.core.types import TypeCatalogue
from notifier.core.views import Visit, view_of
from notifier.errors import Forbidden, InvalidRequest


async def join(store: Store, subscriber: Subscriber, topic: str) -> Cursor:
    """Have the topic followed from now on; answer where the subscription begins.

    Raises ``InvalidRequest`` when there are too many.
    """
    if topic not in subscriber.topics and len(subscriber.topics) >= MAX_TOPICS:
        raise InvalidRequest({"topic": [f"At most {MAX_TOPICS} topics can be followed."]})
    audience = f"topic:{topic}"
    begins = await store.heads([audience])
    if not await store.join_topic(subscriber.user, topic, begins[audience]):
        known = await store.subscriber(subscriber.user) or subscriber
        begins = {audience: known.watermark(audience).floor}
    return Cursor(begins)


class Topics:
    """Subscribes users on behalf of services, also those who have never come."""

    def __init__(
        self, store: Store, bus: Bus, types: TypeCatalogue, *, clock: Callable[[], int] = now_ms
    ) -> None:
        self._store = store
        self._bus = bus
        self._types = types
        self._clock = clock

    async def subscribe(self, user: str, topic: str, caller: Principal) -> None:
        """Have a user follow a topic from now on; a first visit it is not.

        Raises ``Forbidden`` or ``InvalidRequest``.
        """
        topic = _allowed(user, topic, caller)
        subscriber = await self._store.subscriber(user)
        joined = await join(self._store, subscriber or Subscriber(user), topic)
        self._bus.tell(user, "state", {"joined": str(joined)})

    async def unsubscribe(self, user: str, topic: str, caller: Principal) -> None:
        """Have a user follow a topic no longer. Raises the same."""
        topic = _allowed(user, topic, caller)
        if not await self._store.leave_topic(user, topic):
            return
        subscriber = await self._store.subscriber(user) or Subscriber(user)
        view = view_of(Principal(user, roles=subscriber.roles), subscriber, self._types)
        visit = Visit(subscriber, view)
        ends = await self._store.ends(view.audiences)
        counts = await count(self._store, visit, ends, now=self._clock())
        left = {"left": [f"topic:{topic}"], "counts": counts.as_dict()}
        self._bus.tell(user, "state", left)


def _allowed(user: str, topic: str, caller: Principal) -> str:
    decision = policy.may_subscribe_others(caller)
    if not decision.allowed:
        raise Forbidden(decision.reason)
    if not is_name(user):
        raise InvalidRequest({"user": ["Not the name of a user."]})
    name: str = load(TOPIC, {"topic": topic})["topic"]
    return name
