"""Which pages may call from a browser."""

from __future__ import annotations

import pytest
from aiohttp import WSServerHandshakeError

from tests.http.client import Api
from tests.http.conftest import OpenApi, OpenNode

OURS = "https://app.example"


@pytest.fixture
async def api(start_node: OpenNode, open_api: OpenApi) -> Api:
    node = await start_node(NOTIFIER_ALLOWED_ORIGINS=f"{OURS},https://other.example:8443")
    return await open_api(node.app)


def from_page(origin: str) -> dict[str, str]:
    return {"Origin": origin}


async def test_a_listed_origin_may_call_and_read(api: Api) -> None:
    """Its browser is told so, and which headers it may see."""
    answer = await api("GET", "/v1/types", user="ada", headers=from_page(OURS))
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_refusals_are_readable_too(api: Api) -> None:
    """A page must be able to tell an expired token from a lost network."""
    answer = await api("GET", "/v1/feed", headers=from_page(OURS))
    assert answer.status == 401
    assert answer.headers["Access-Control-Allow-Origin"] == OURS


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example",
        "https://app.example.evil.example",
        "https://app.example:444",
        "https://other.example",
        "null",
        "",
        "https://[::1",
        "*",
    ],
)
async def test_a_foreign_origin_is_refused_before_anything_is_done(api: Api, origin: str) -> None:
    """Nothing is published, and its page may not even read the refusal."""
    body = {"to": "user:ada", "title": "x"}
    answer = await api(
        "POST", "/v1/notifications", user="publisher", json=body, headers=from_page(origin)
    )
    assert (answer.status, answer.code) == (403, "forbidden")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert (await api.feed())["items"] == []


async def test_the_servers_own_pages_may_call(api: Api) -> None:
    """By any name that leads here, also behind a proxy that ends TLS."""
    own = str(api.client.make_url("/").origin())
    assert (await api("GET", "/v1/types", user="ada", headers=from_page(own))).status == 200
    headers = {"Host": "notify.example", **from_page("https://notify.example")}
    assert (await api("GET", "/v1/types", user="ada", headers=headers)).status == 200


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_sockets_are_for_the_same_pages(api: Api, transport: str) -> None:
    """The server's own and the listed ones may connect, and no others."""
    own = str(api.client.make_url("/").origin())
    pages = [own, OURS, "https://evil.example"]
    assert [await shakes_hands(api, transport, page) for page in pages] == [True, True, False]


async def shakes_hands(api: Api, transport: str, origin: str) -> bool:
    path = f"/socket.io/?EIO=4&transport={transport}"
    if transport == "polling":
        return (await api("GET", path, headers=from_page(origin))).status == 200
    try:
        async with api.client.ws_connect(path, headers=from_page(origin)) as socket:
            return (await socket.receive_str()).startswith("0{")
    except WSServerHandshakeError:
        return False


async def test_without_an_origin_it_is_no_page(api: Api) -> None:
    """Servers and command lines send none."""
    answer = await api("GET", "/v1/types", user="ada")
    assert answer.status == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_caches_must_tell_origins_apart(api: Api) -> None:
    """``Vary`` stands on every answer, whoever asked."""
    for headers in ({}, from_page(OURS), from_page("https://evil.example")):
        answer = await api("GET", "/v1/types", user="ada", headers=headers)
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/feed/read", "/v1/not/there"])
async def test_a_preflight_is_answered_without_a_token(api: Api, path: str) -> None:
    """Browsers send none with it."""
    headers = {**from_page(OURS), "Access-Control-Request-Method": "PATCH"}
    answer = await api("OPTIONS", path, headers=headers)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"]
    assert {"Authorization", "Content-Type", "Idempotency-Key"} <= set(allowed.split(", "))


async def test_a_foreign_preflight_is_refused(api: Api) -> None:
    """So the request itself is never sent."""
    headers = {**from_page("https://evil.example"), "Access-Control-Request-Method": "POST"}
    answer = await api("OPTIONS", "/v1/notifications", headers=headers)
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
