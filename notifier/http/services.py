"""What the handlers work with: given once, when the routes are added to an application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from notifier.core.explain import Explainer
from notifier.core.feed import Feed
from notifier.core.ports import Authenticator
from notifier.core.publishing import Publisher
from notifier.core.topics import Topics
from notifier.core.validity import Validity
from notifier.http.calls import Peer
from notifier.http.demo import DemoSessions
from notifier.http.metrics import Metric, MetricsAccess
from notifier.http.readers import OutboxLimits, Readers
from notifier.http.tickets import Tickets

Check = Callable[[], Awaitable[None]]
"""Returns when a part of the node is well; raises ``RequestError`` with the reason when not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of a node as HTTP sees them.

    ``allows`` tells whether the page that a request comes from may call ``/v1``. The limits are
    per caller, that of failures per ``peer`` and minute, and 0 switches one off; those of the
    ``outbox`` are per stream. Without ``client_folder`` the client is not built.
    """

    feed: Feed
    topics: Topics
    explainer: Explainer
    publisher: Publisher
    authenticator: Authenticator
    readers: Readers
    tickets: Tickets
    validity: Validity
    peer: Peer
    allows: Callable[[web.Request], bool]
    requests_per_minute: int = 300
    publishes_per_second: int = 200
    batched_per_second: int = 2_000
    failures_per_address: int = 60
    outbox: OutboxLimits = field(default_factory=OutboxLimits)
    checks: Mapping[str, Check] = field(default_factory=dict)
    metrics: Sequence[Metric] = ()
    metrics_access: MetricsAccess = field(default_factory=MetricsAccess)
    client_folder: Path | None = None
    demo: DemoSessions | None = None


SERVICES = web.AppKey("services", Services)
