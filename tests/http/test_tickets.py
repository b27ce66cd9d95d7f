"""Tickets against a whole node, and with a browser's own ``EventSource``."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import Browser

from notifier.app import Node
from notifier.core.credentials import create_service_key
from notifier.core.models import PUBLISH, now_ms
from notifier.http.tickets import Tickets
from tests.conftest import StartNotifier
from tests.eventsource import open_stream
from tests.http.client import SECRET, Api, token_of
from tests.http.conftest import OpenApi, OpenNode


async def ticket_of(api: Api, user: str = "ada", **options: Any) -> str:
    answer = await api("POST", "/v1/tickets", user=user, **options)
    assert answer.status == 201, answer.text
    assert answer.json["expires_in"] == 30
    return str(answer.json["ticket"])


async def show(api: Api, ticket: str, path: str = "/v1/feed/poll") -> int:
    return (await api("GET", path, params={"ticket": ticket})).status


async def test_a_ticket_opens_a_stream_without_a_header(api: Api) -> None:
    """Of the user who asked for it, in all roles."""
    await api.publish("role:operator", type="system_alert", title="For operators")
    token = token_of("ada", roles=["operator"])
    answer = await api("POST", "/v1/tickets", token=token)
    since = (await api("GET", "/v1/feed", token=token)).json["cursor"]
    await api.publish("role:operator", type="system_alert", title="Another")
    url = api.client.make_url("/v1/feed/stream")
    query = {"ticket": answer.json["ticket"], "since": since}
    async with open_stream(api.client.session, url, params=query) as stream:
        assert (await stream.expect("notification")).data["title"] == "Another"


async def test_a_ticket_is_good_once(api: Api) -> None:
    """Whoever finds it later in a log or a history has nothing."""
    ticket = await ticket_of(api)
    shown = await asyncio.gather(*(show(api, ticket) for _ in range(5)))
    assert sorted(shown) == [200, 401, 401, 401, 401]


async def test_a_ticket_is_good_on_every_node(
    api: Api, start_node: OpenNode, open_api: OpenApi
) -> None:
    """A balancer may send the stream elsewhere than the call before."""
    other = await open_api((await start_node()).app)
    assert await show(other, await ticket_of(api)) == 200


async def test_a_ticket_is_good_for_a_short_time(node: Node) -> None:
    """Thirty seconds, by the clock."""
    times = [now_ms()]
    tickets = Tickets(node.store, node.authenticator, clock=lambda: times[0])
    ada = await node.authenticator.user(token_of("ada"))
    early, late = [(await tickets.issue(ada))["ticket"] for _ in range(2)]
    times[0] += 29_999
    assert await tickets.redeem(early) == ada
    times[0] += 1
    with pytest.raises(Exception, match="good once"):
        await tickets.redeem(late)


async def test_a_ticket_opens_nothing_else(api: Api) -> None:
    """Only streams and polls, which browsers cannot give a header."""
    ticket = await ticket_of(api)
    assert await show(api, ticket, "/v1/feed") == 401
    assert await show(api, ticket, "/v1/types") == 401
    assert await show(api, ticket) == 200


async def test_a_ticket_does_not_outlive_its_token(api: Api, node: Node) -> None:
    """The stream it opens ends when the token it was given for does."""
    answer = await api("POST", "/v1/tickets", token=token_of("ada", lifetime=2))
    url = api.client.make_url("/v1/feed/stream")
    query = {"ticket": answer.json["ticket"]}
    async with open_stream(api.client.session, url, params=query) as stream:
        goodbye = (await stream.until("goodbye"))[-1]
    assert goodbye.data["reason"] == "expired"


@pytest.mark.parametrize("ticket", ["", "x", "x" * 5000, "x" * 42 + "!", "\ud800", "🎟"])
async def test_what_is_no_ticket_is_refused(
    api: Api, node: Node, ticket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is, and without asking the store."""
    monkeypatch.setattr(node.store, "take_ticket", None)
    url = api.client.make_url("/v1/feed/poll").with_query(
        ticket=ticket.encode(errors="replace").decode()
    )
    answer = await api("GET", str(url.relative()))
    assert (answer.status, answer.code) == (401, "unauthenticated")


async def test_a_service_gets_no_ticket(api: Api, node: Node) -> None:
    """It has no feed to read."""
    key, text = create_service_key("shop", {PUBLISH}, now_ms())
    await node.store.add_key(key)
    answer = await api("POST", "/v1/tickets", token=text)
    assert (answer.status, answer.code) == (403, "forbidden")


async def test_head_does_not_use_a_ticket_up(api: Api) -> None:
    """Link checkers ask that way."""
    ticket = await ticket_of(api)
    url = api.client.make_url("/v1/feed/stream").with_query(ticket=ticket)
    async with api.client.session.head(url) as answer:
        assert answer.status == 405
    assert await show(api, ticket) == 200


async def test_a_ticket_is_never_logged(start_notifier: StartNotifier) -> None:
    """Neither when it is given out, nor when it is shown, nor when it is refused."""
    server = await start_notifier(NOTIFIER_LOG__LEVEL="debug", NOTIFIER_JWT_SECRET=SECRET)
    async with aiohttp.ClientSession(server.url) as session:
        headers = {"Authorization": f"Bearer {token_of('ada')}"}
        async with session.post("/v1/tickets", headers=headers) as answer:
            ticket = (await answer.json())["ticket"]
        for expected in (200, 401):
            async with session.get("/v1/feed/poll", params={"ticket": ticket}) as answer:
                assert answer.status == expected
        async with open_stream(session, "/v1/feed/stream", params={"ticket": ticket}) as stream:
            assert stream.response.status == 401
    await server.stop()
    assert "/v1/feed/poll 401" in server.output
    assert ticket not in server.output


PAGE = """<!doctype html><title>Reader</title><script>
const got = [];
async function read(url, headers) {
  const {ticket} = await (await fetch(url + "/v1/tickets", {method: "POST", headers})).json();
  const source = new EventSource(url + "/v1/feed/stream?ticket=" + ticket);
  for (const name of ["synced", "notification", "goodbye"])
    source.addEventListener(name, e => got.push([name, JSON.parse(e.data), e.lastEventId]));
}
</script>"""


async def test_a_browsers_eventsource_reads_with_a_ticket(
    start_node: OpenNode, open_api: OpenApi, stack: AsyncExitStack, chromium: Browser
) -> None:
    """A page of another, listed origin, without any library."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    home = (await open_api(app)).client.make_url("/")
    node = await start_node(NOTIFIER_ALLOWED_ORIGINS=str(home.origin()))
    api = await open_api(node.app)
    context = await stack.enter_async_context(await chromium.new_context())
    tab = await context.new_page()
    await tab.goto(str(home))
    headers = {"Authorization": f"Bearer {token_of('ada')}"}
    await tab.evaluate(
        "([url, headers]) => read(url, headers)", [str(api.client.make_url("").origin()), headers]
    )
    await tab.wait_for_function("got.length == 1")
    await api.publish(title="Hello")
    await tab.wait_for_function("got.length == 2")
    [synced, shown] = await tab.evaluate("got")
    assert synced[0] == "synced"
    assert (shown[0], shown[1]["title"]) == ("notification", "Hello")
    assert shown[2] == (await api.feed())["cursor"]
