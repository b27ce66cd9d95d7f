"""What a node counts, and who may read it."""

from __future__ import annotations

import dataclasses

import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from notifier.app import Node
from notifier.http.metrics import Metric, MetricsAccess
from notifier.http.routes import add_routes
from notifier.http.services import SERVICES
from tests.http.client import Api
from tests.http.conftest import OpenApi


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def with_services(node: Node, **changes: object) -> web.Application:
    """An application of its own with other services than the node's."""
    app = web.Application()
    add_routes(app, dataclasses.replace(node.app[SERVICES], **changes))
    return app


async def test_requests_are_counted_by_route_and_status(api: Api) -> None:
    """By the route's template, so that ids and made-up paths cannot grow the number of series."""
    await api("DELETE", "/v1/notifications/one", user="publisher")
    await api("DELETE", "/v1/notifications/two", user="publisher")
    for path in ("/a", "/b", "/c"):
        await api("GET", path)
    await api("PROPFIND", "/d")
    counted = samples((await api("GET", "/metrics")).text)

    def requests(method: str, route: str, status: str) -> float:
        labels = (("method", method), ("route", route), ("status", status))
        return counted["notifier_http_requests_total", labels]

    assert requests("DELETE", "/v1/notifications/{id}", "404") == 2
    assert requests("GET", "unmatched", "404") == 3
    assert requests("other", "unmatched", "404") == 1
    labels = (("method", "DELETE"), ("route", "/v1/notifications/{id}"))
    assert counted["notifier_http_request_seconds_count", labels] == 2


async def test_the_parts_of_the_node_are_read_when_somebody_looks(api: Api) -> None:
    """One publish, one more in the counter of the publisher."""

    async def published() -> float:
        text = (await api("GET", "/metrics")).text
        return samples(text)["notifier_publisher_published_total", ()]

    before = await published()
    await api.publish()
    assert await published() == before + 1


async def test_the_process_is_measured_too(api: Api) -> None:
    """Memory, processor time, open files."""
    answer = await api("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert ("process_resident_memory_bytes", ()) in samples(answer.text)
    assert "_created" not in answer.text


async def test_a_metric_may_have_a_label(node: Node, open_api: OpenApi) -> None:
    """One number for each value of it; names that need escaping are escaped."""
    closes = Metric("closes", "Why", "counter", lambda: {"slow": 2, 'a"b\n': 1}, "reason")
    gauge = Metric("lag", "Seconds", "gauge", lambda: 0.5)
    api = await open_api(with_services(node, metrics=(closes, gauge)))
    counted = samples((await api("GET", "/metrics")).text)
    assert counted["closes_total", (("reason", "slow"),)] == 2
    assert counted["closes_total", (("reason", 'a"b\n'),)] == 1
    assert counted["lag", ()] == 0.5


FORWARDED = {"X-Forwarded-For": "203.0.113.7"}


async def test_closed_metrics_are_for_this_host(node: Node, open_api: OpenApi) -> None:
    """A request that a proxy of this host passed on comes from elsewhere."""
    api = await open_api(with_services(node, metrics_access=MetricsAccess()))
    assert (await api("GET", "/metrics")).status == 200
    for header in FORWARDED, {"Forwarded": "for=203.0.113.7"}:
        answer = await api("GET", "/metrics", headers=header)
        assert (answer.status, answer.code) == (403, "forbidden")


async def test_a_token_opens_them_from_elsewhere(node: Node, open_api: OpenApi) -> None:
    """The configured one and no other."""
    access = MetricsAccess(token="the-token")
    api = await open_api(with_services(node, metrics_access=access))
    for value, status in (("the-token", 200), ("the-toke", 401), ("another", 401)):
        headers = {**FORWARDED, "Authorization": f"Bearer {value}"}
        assert (await api("GET", "/metrics", headers=headers)).status == status
    assert (await api("GET", "/metrics", headers=FORWARDED)).status == 401
    assert "the-token" not in repr(access)


@pytest.mark.parametrize("headers", [{}, FORWARDED])
async def test_open_metrics_are_for_everybody(
    node: Node, open_api: OpenApi, headers: dict[str, str]
) -> None:
    """As in development."""
    api = await open_api(with_services(node, metrics_access=MetricsAccess(open=True)))
    assert (await api("GET", "/metrics", headers=headers)).status == 200
