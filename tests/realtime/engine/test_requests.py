"""What the engine reads from an HTTP request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from notifier.realtime.engine import EngineOptions, requests


def request(headers: dict[str, str], path: str = "/engine.io/?EIO=4", method: str = "GET") -> Any:
    """A request from 10.0.0.1."""
    made = make_mocked_request(method, path, headers={"Host": "push.example", **headers})
    return made.clone(remote="10.0.0.1")


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, None, "10.0.0.1"),
        (0, "1.1.1.1", "10.0.0.1"),
        (1, None, "10.0.0.1"),
        (1, "1.1.1.1", "1.1.1.1"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (3, "1.1.1.1", "1.1.1.1"),
        (1, " , ", "10.0.0.1"),
    ],
)
def test_client_address(hops: int, forwarded: str | None, address: str) -> None:
    """X-Forwarded-For is believed for as many hops as are trusted, and no more."""
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert requests.client_address(request(headers), hops) == address


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ([], None, True),
        ([], "http://push.example", True),
        ([], "https://push.example", True),
        ([], "http://push.example:8080", False),
        ([], "http://push.example.evil.example", False),
        ([], "capacitor://push.example", False),
        ([], "http://[push.example", False),
        ([], "null", False),
        ([], "", False),
        (["https://app.example"], None, True),
        (["https://app.example"], "https://app.example", True),
        (["https://app.example"], "https://app.example:8443", False),
        (["https://app.example"], "http://app.example", False),
        (["https://app.example"], "http://push.example", True),
        ("*", "https://anybody.example", True),
    ],
)
def test_origin(origins: Any, origin: str | None, allowed: bool) -> None:
    """Listed origins pass, exactly, and the server's own, by its host; `*` means any."""
    headers = {} if origin is None else {"Origin": origin}
    options = EngineOptions(origins=origins)
    assert requests.origin_allowed(request(headers), options) is allowed


def test_own_origin_behind_a_proxy() -> None:
    """Behind trusted proxies the own host is also the one that the first was asked for."""
    headers = {"Origin": "https://site.example", "X-Forwarded-Host": "site.example, push.example"}
    assert requests.origin_allowed(request(headers), EngineOptions(trusted_hops=1))
    assert not requests.origin_allowed(request(headers), EngineOptions())
    headers = {"Origin": "http://push.example", "X-Forwarded-Host": "elsewhere.example"}
    assert requests.origin_allowed(request(headers), EngineOptions(trusted_hops=1))


def test_preflight() -> None:
    """A preflight request is told the methods and gets the headers it asked for."""
    asked = {"Origin": "https://a.example", "Access-Control-Request-Headers": "x-token"}
    headers = requests.cors_headers(request(asked, method="OPTIONS"))
    assert headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert headers["Access-Control-Allow-Headers"] == "x-token"


def test_environ() -> None:
    """Connect handlers see address, query and headers under the names of WSGI."""
    environ = requests.Environ(request({"X-Tag": "a:b"}, "/engine.io/?EIO=4&a=%0Ab"), "1.1.1.1")
    assert environ["REMOTE_ADDR"] == "1.1.1.1"
    assert environ["QUERY_STRING"] == "EIO=4&a=%0Ab"
    assert environ["HTTP_X_TAG"] == "a:b"
    assert environ.get("HTTP_COOKIE") is None
    assert set(environ) >= {"REQUEST_METHOD", "PATH_INFO", "HTTP_HOST"}
    assert len(environ) == len(list(environ))


def test_environ_of_a_repeated_header() -> None:
    """Values of one header are one, whatever its case; bytes that are no text survive."""
    raw = [(b"X-Tag", b"a"), (b"Host", b"h"), (b"x-tag", b"\xff")]
    made: Any = SimpleNamespace(rel_url=URL("/"), method="GET", raw_headers=raw)
    environ = requests.Environ(made, "1.1.1.1")
    assert environ["HTTP_X_TAG"].encode(errors="surrogateescape") == b"a,\xff"
    assert environ["HTTP_HOST"] == "h"


def test_environ_cannot_be_forged() -> None:
    """A line feed in the URL does not become a line of ours."""
    path = "/engine.io/?x=%0AREMOTE_ADDR:6.6.6.6"
    assert requests.Environ(request({}, path), "1.1.1.1")["REMOTE_ADDR"] == "1.1.1.1"
