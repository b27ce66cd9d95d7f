"""A domain with types that collapse, are throttled and can be summed up, and a runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifier.core.feed import Feed
from notifier.core.jobs.digests import Digests
from notifier.core.jobs.runner import Runner, handlers
from notifier.core.models import Principal
from notifier.core.ports import Store
from notifier.core.publishing import Publisher
from notifier.core.types import NotificationType, TypeCatalogue
from notifier.core.validity import Validity
from tests.core.domain import RETENTION, Clock, Domain

MINUTE = 60_000
HOUR = 60 * MINUTE
WINDOW = 300_000
LEASE = MINUTE

TYPES = TypeCatalogue.load(
    {
        "info": {"label": "Information"},
        "like": {
            "label": "Likes",
            "priority": "low",
            "collapse": {"window": 300, "title": "{senders} liked your post"},
        },
        "visit": {"label": "Visits", "collapse": {"window": 3600, "title": "{count} visits"}},
        "ping": {"label": "Pings", "rate": {"limit": 2, "seconds": 60}},
        "siren": {"label": "Sirens", "mutable": False, "rate": {"limit": 2, "seconds": 60}},
        "comment": {"label": "Comments"},
        "alert": {"label": "Alerts", "roles": ["admin"]},
    }
)

NAMES = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald")


class Scene(Domain):
    """A publisher, a feed and a runner on one store, with a clock moved by hand."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store, clock)
        self.publisher = Publisher(store, self.bus, TYPES, retention=RETENTION, clock=clock)
        self.feed = Feed(store, self.bus, TYPES, clock=clock)
        self.validity = Validity(store, self.bus, clock=clock)
        self.runner = self.another_runner()

    def another_runner(self, types: Mapping[str, NotificationType] = TYPES) -> Runner:
        digests = Digests(self.store, self.bus, types, retention=RETENTION, clock=self.clock)
        kinds = handlers(self.publisher, digests)
        return Runner(self.store, kinds, lease=LEASE, clock=self.clock)

    async def run(self) -> int:
        """Run what is due, until nothing is; how many jobs that were."""
        count = 0
        while ran := await self.runner.run_due():
            count += ran
        return count

    async def later(self, milliseconds: int) -> None:
        """Let time pass, and run what has become due by then."""
        self.clock.pass_(milliseconds)
        await self.run()

    async def like(self, name: str, to: str | list[str] = "user:ada", **fields: Any) -> str:
        """Somebody likes post 1; the notification's id."""
        given: dict[str, Any] = {"type": "like", "collapse_key": "post:1", **fields}
        sender = {"id": name.lower(), "name": name}
        receipt = await self.publish(to, f"{name} liked your post", sender=sender, **given)
        return receipt.notification_id

    async def items(self, user: Principal) -> list[dict[str, Any]]:
        """The user's feed, newest first."""
        items: list[dict[str, Any]] = (await self.page(user, limit=100))["items"]
        return items


class Killed(BaseException):
    """The process ended at this moment."""


class Mortal:
    """A store that dies before or after a call: nothing after that moment is done.

    ``after`` counts the calls that change something; None: it lives for ever.
    """

    CHANGES = frozenset(
        {"append", "end", "mark", "add_jobs", "replace_job", "touch_jobs", "remove_job", "ration"}
    )

    def __init__(self, store: Store) -> None:
        self._store = store
        self.left: int | None = None
        self.done_first = False
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in self.CHANGES:
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.left is not None:
                if self.left <= 0:
                    if self.left == 0 and self.done_first:
                        self.left = -1
                        await method(*args, **kwargs)
                    self.left = -1
                    raise Killed
                self.left -= 1
            return await method(*args, **kwargs)

        return call


__all__ = ["LEASE", "Killed", "Mortal", "Scene"]
