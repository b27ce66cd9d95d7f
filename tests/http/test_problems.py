"""Every refusal is a problem document, and unexpected errors tell nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from notifier import errors
from notifier.app import Node
from notifier.core.feed import Feed
from notifier.errors import QueueUnavailable, UnknownEvent
from notifier.http.files import PAGES
from notifier.http.problems import PROBLEM_TYPE
from tests.http.client import Api


async def test_an_unknown_path_is_a_problem_document(api: Api) -> None:
    """Also what the router refuses, which never reaches a handler."""
    answer = await api("GET", "/v1/nothing/here?secret=1")
    assert (answer.status, answer.code) == (404, "not_found")
    assert answer.json["instance"] == "/v1/nothing/here"
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


async def test_a_method_that_a_path_lacks_is_named(api: Api) -> None:
    """405 says which methods there are."""
    answer = await api("PUT", "/v1/feed")
    assert (answer.status, answer.code) == (405, "invalid_request")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "OPTIONS"])
async def test_odd_methods_are_refused(api: Api, method: str) -> None:
    """TRACE would echo tokens; OPTIONS is for preflights of pages."""
    assert (await api(method, "/v1/feed")).status == 405


async def test_fields_are_named(api: Api) -> None:
    """``errors`` maps each wrong field to what is wrong with it."""
    body = {"to": ["user:ada", "nobody"], "titel": "x", "actions": [{"label": "Go"}]}
    answer = await api("POST", "/v1/notifications", user="publisher", json=body)
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert set(answer.json["errors"]) == {"to.1", "title", "titel", "actions.0.url"}


async def test_an_unexpected_error_tells_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets the request id, the log gets the traceback under the same id."""

    async def fail(*_: Any) -> None:
        raise RuntimeError("the inner life of the server")

    monkeypatch.setattr(Feed, "preferences", fail)
    answer = await api("GET", "/v1/preferences", user="ada")
    assert (answer.status, answer.code) == (500, "internal")
    assert "inner life" not in answer.text
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert answer.json["request_id"] in record.getMessage()
    assert "inner life" in str(record.exc_info)


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 65, False)]
)
async def test_a_given_request_id_is_kept_if_it_is_harmless(
    api: Api, given: str, kept: bool
) -> None:
    """So that the line in a proxy's log and the line in ours find each other."""
    answer = await api("GET", "/healthz", headers={"X-Request-ID": given})
    assert (answer.headers["X-Request-ID"] == given) is kept


async def test_every_code_is_explained_on_the_page_that_problems_link_to() -> None:
    """``type`` leads to an anchor of /docs."""
    page = (PAGES / "index.html").read_text()
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.RequestError)
    ]
    # Those of Socket.IO and of the publisher's side of the queue never come over HTTP.
    codes = {kind.code for kind in kinds} - {UnknownEvent.code, QueueUnavailable.code}
    assert len(codes) == 11
    for code in codes:
        anchor = f"{PROBLEM_TYPE}{code}".removeprefix("/docs#")
        assert f'id="{anchor}"' in page, code


async def test_routes_of_others_are_left_alone(node: Node, api: Api) -> None:
    """The Socket.IO server answers for itself."""
    answer = await api("GET", "/socket.io/?EIO=4&transport=nonsense")
    assert answer.status == 400
    assert "problem" not in answer.headers["Content-Type"]
    metrics = (await api("GET", "/metrics")).text
    assert "socket.io" not in metrics


async def test_the_access_log_has_one_line_without_query_and_token(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """Method, path, status, time, request id; control characters stay encoded."""
    with caplog.at_level(logging.DEBUG, "notifier.access"):
        answer = await api("GET", "/v1/feed%0Ax?type=secret", user="ada")
    [line] = [r.getMessage() for r in caplog.records if r.name == "notifier.access"]
    assert line.startswith("GET /v1/feed%0Ax 404 ")
    assert answer.headers["X-Request-ID"] in line
    assert "secret" not in line
    assert "eyJ" not in line


async def test_every_answer_carries_the_safe_headers(api: Api) -> None:
    """Pages, answers and refusals alike."""
    for path in ("/docs", "/healthz", "/v1/feed", "/nothing"):
        headers = (await api("GET", path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Server"] == "notifier"


async def test_answers_are_not_cached(api: Api) -> None:
    """A feed is personal and of this moment."""
    assert (await api("GET", "/v1/feed", user="ada")).headers["Cache-Control"] == "no-store"


def test_web_exceptions_are_not_ours_to_raise() -> None:
    """Handlers raise the project's errors; the router alone raises aiohttp's."""
    for module in PAGES.parent.glob("*.py"):
        if module.name != "problems.py":
            assert "raise web.HTTP" not in module.read_text(), module
