"""What a node counts, in the text format of Prometheus."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from notifier.errors import Forbidden, Unauthenticated
from notifier.http.auth import bearer_of

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. From below a local SQLite commit to the longest wait for a body."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that a part of the node counts.

    ``read`` gives the number of now, or with a ``label`` the numbers by the label's values. It is
    called when somebody looks: counting itself stays a plain ``+= 1``.
    """

    name: str
    help: str
    kind: Literal["counter", "gauge"]
    read: Callable[[], float | Mapping[str, float]]
    label: str | None = None

    def family(self) -> Family:
        kind = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        family = kind(self.name, self.help, labels=[self.label] if self.label else [])
        value = self.read()
        if isinstance(value, Mapping):
            for name, number in value.items():
                family.add_metric([name], number)
        else:
            family.add_metric([], value)
        return family


@dataclass(frozen=True, slots=True)
class MetricsAccess:
    """Who may read the metrics: anybody if ``open``; else the holder of ``token``, and loopback."""

    open: bool = False
    token: str | None = field(default=None, repr=False)

    def check(self, request: web.Request) -> None:
        """Raise ``Unauthenticated`` or ``Forbidden`` unless this request may read them."""
        if self.open or _is_direct_from_here(request):
            return
        if self.token is None:
            raise Forbidden("Metrics are for this host only, until a token is configured for them.")
        if not hmac.compare_digest(bearer_of(request.headers).encode(), self.token.encode()):
            raise Unauthenticated("This token does not open the metrics.")


def _is_direct_from_here(request: web.Request) -> bool:
    """From this host, and not passed on by a proxy that runs here."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


class NodeMetrics(Collector):
    """The metrics of one node: those of its parts, of HTTP and of the process."""

    def __init__(self, metrics: Sequence[Metric], access: MetricsAccess) -> None:
        self.access = access
        self._metrics = metrics
        self._registry = CollectorRegistry()
        # Without this, every counter has a second series that nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        labels = ("method", "route", "status")
        self._requests = Counter(
            "notifier_http_requests", "HTTP requests answered", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "notifier_http_request_seconds",
            "Time from the head of a request to its answer",
            ("method", "route"),
            buckets=LATENCY_BUCKETS,
            registry=self._registry,
        )
        self._registry.register(self)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. ``method`` and ``route`` must come from bounded sets."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def collect(self) -> Iterable[Family]:
        return [metric.family() for metric in self._metrics]

    def text(self) -> bytes:
        return generate_latest(self._registry)


METRICS = web.AppKey("metrics", NodeMetrics)


async def metrics(request: web.Request) -> web.Response:
    node = request.app[METRICS]
    node.access.check(request)
    return web.Response(body=node.text(), headers={"Content-Type": CONTENT_TYPE})
