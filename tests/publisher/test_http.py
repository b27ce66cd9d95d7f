"""Publishing over HTTP: the same calls, stored when they return."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from notifier import Publisher, SyncPublisher
from notifier.core.credentials import create_service_key
from notifier.core.models import PUBLISH, Publication, Receipt
from notifier.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    QueueUnavailable,
    RequestError,
    StoreUnavailable,
    Unauthenticated,
)
from tests.queue.site import stored, titled
from tests.realtime.engine.wire import until
from tests.realtime.nodes import Running, running
from tests.servers import free_port


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as node:
        yield node


async def make_key(node: Running, *scopes: str) -> str:
    key, text = create_service_key("shop", scopes, 0)
    await node.node.store.add_key(key)
    return text


@pytest.fixture
async def shop(node: Running) -> AsyncIterator[Publisher]:
    async with Publisher(node.url, key=await make_key(node, PUBLISH)) as publisher:
        yield publisher


async def test_it_is_stored_when_the_call_returns(node: Running, shop: Publisher) -> None:
    """And can be withdrawn with the id that was returned."""
    first = await shop.publish("user:ada", "Hello", type="message", except_=["user:bob"])
    assert (await shop.outcome(first)).state == "published"
    assert await stored(node, "user:ada") == ["Hello"]
    await shop.withdraw(first)
    async with node.synced("ada") as ada:
        assert (await ada.call("feed"))["items"] == []
    with pytest.raises(NotFound):
        await shop.withdraw("0190b2a0-0000-7000-8000-000000000000")


async def test_many_go_in_batches_and_in_order(node: Running, shop: Publisher) -> None:
    """More than one request can hold; those with a key of their own among them count once."""
    many = [{"to": "user:ada", "title": title} for title in titled(1_100)]
    many[600]["idempotency_key"] = "only-once"
    ids = await shop.publish_many(many)
    assert await stored(node, "user:ada") == titled(1_100)
    assert len(set(ids)) == 1_100
    again = await shop.publish("user:ada", "number 600", idempotency_key="only-once")
    assert again == ids[600]
    with pytest.raises(Conflict):
        await shop.publish("user:ada", "another", idempotency_key="only-once")


async def test_what_the_server_refuses_is_raised(node: Running, shop: Publisher) -> None:
    """As the error that it is."""
    with pytest.raises(InvalidRequest) as caught:
        await shop.publish("user:ada", "Hello", type="unheard_of")
    assert list(caught.value.errors) == ["type"]
    wrong = {"to": "user:ada", "title": "x", "type": "unheard_of"}
    with pytest.raises(InvalidRequest):
        await shop.publish_many([wrong, {"to": "user:ada", "title": "good"}])
    assert await stored(node, "user:ada") == ["good"]


@pytest.mark.parametrize("place", [3, 700, 1_000])
async def test_what_the_server_refuses_among_many_is_named(
    node: Running, shop: Publisher, place: int
) -> None:
    """By its index in the iterable, wherever the batches are cut; with asyncio and without."""
    many = [{"to": "user:ada", "title": title} for title in titled(1_001)]
    many[place]["type"] = "unheard_of"
    with pytest.raises(InvalidRequest) as caught:
        await shop.publish_many(many)
    assert (caught.value.index, list(caught.value.errors)) == (place, [f"{place}.type"])
    key = await make_key(node, PUBLISH)

    def work() -> None:
        with SyncPublisher(node.url, key=key) as publisher:
            publisher.publish_many(many)

    with pytest.raises(InvalidRequest) as caught:
        await asyncio.to_thread(work)
    assert (caught.value.index, list(caught.value.errors)) == (place, [f"{place}.type"])


async def test_a_refused_one_does_not_keep_back_those_that_have_to_wait(
    node: Running, shop: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the store could not take at first is sent again, and nothing of the others."""
    append, calls = node.node.store.append, 0

    async def failing_first(publication: Publication) -> Receipt:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise StoreUnavailable("The store is away.", retry_after=0.01)
        return await append(publication)

    monkeypatch.setattr(node.node.store, "append", failing_first)
    many = [{"to": "user:ada", "title": title} for title in titled(3)]
    with pytest.raises(InvalidRequest) as caught:
        await shop.publish_many([*many, {**many[0], "type": "unheard_of"}])
    assert list(caught.value.errors) == ["3.type"]
    assert sorted(await stored(node, "user:ada")) == titled(3)
    assert calls == 4


@pytest.mark.parametrize("key", ["nk_000000000000_" + "x" * 43, "x"])
async def test_a_wrong_key_is_told(node: Running, key: str) -> None:
    """At once: waiting does not help."""
    async with Publisher(node.url, key=key, patience=600) as publisher:
        with pytest.raises(Unauthenticated):
            await publisher.publish("user:ada", "Hello")


async def test_a_key_that_may_not_publish_is_told(node: Running) -> None:
    """It is a matter of scopes."""
    async with Publisher(node.url, key=await make_key(node)) as publisher:
        with pytest.raises(Forbidden):
            await publisher.publish("user:ada", "Hello")


async def test_patience_ends_when_nobody_answers() -> None:
    """With the same error as over Redis."""
    url = f"http://127.0.0.1:{free_port()}"
    async with Publisher(url, key="SECRET", patience=0.3) as publisher:
        with pytest.raises(QueueUnavailable) as caught:
            await publisher.publish("user:ada", "Hello")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("asked_for", [None, 3600.0])
async def test_patience_ends_when_the_store_is_away(
    node: Running, monkeypatch: pytest.MonkeyPatch, count: int, asked_for: float | None
) -> None:
    """With that error as well, and no later because the server asks to come back in an hour."""

    async def away(publication: Publication) -> Receipt:
        raise StoreUnavailable("The store is away.", retry_after=asked_for)

    monkeypatch.setattr(node.node.store, "append", away)
    async with (
        Publisher(node.url, key=await make_key(node, PUBLISH), patience=0.3) as publisher,
        asyncio.timeout(20),
    ):
        with pytest.raises(QueueUnavailable, match="The store is away"):
            await publisher.publish_many([{"to": "user:ada", "title": t} for t in titled(count)])


async def test_services_without_asyncio_do_the_same(node: Running) -> None:
    """Through the thread of a ``SyncPublisher``."""
    key = await make_key(node, PUBLISH)

    def work() -> list[str]:
        with SyncPublisher(node.url, key=key) as publisher:
            return publisher.publish_many([{"to": "user:ada", "title": t} for t in titled(3)])

    assert len(await asyncio.to_thread(work)) == 3
    assert await stored(node, "user:ada") == titled(3)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Unauthenticated), (403, Forbidden), (404, NotFound), (418, RequestError)],
)
@pytest.mark.parametrize("count", [1, 2])
async def test_what_stands_in_front_of_the_server_may_refuse(
    proxy: Proxy, status: int, kind: type[RequestError], count: int
) -> None:
    """At once, though it does not do so in JSON."""
    proxy.answers = [web.Response(status=status, text="<h1>No</h1>")]
    async with Publisher(proxy.url, key="x", patience=600) as publisher, asyncio.timeout(10):
        with pytest.raises(
            RequestError, match=f"The server answered {status}, and not as"
        ) as caught:
            await publisher.publish_many([{"to": "user:ada", "title": t} for t in titled(count)])
    assert type(caught.value) is kind


@pytest.mark.parametrize("text", ["<h1>Not now</h1>", '{"status": "maintenance"}'])
@pytest.mark.parametrize("status", [200, 429, 502])
async def test_what_stands_in_front_of_the_server_may_fail(
    proxy: Proxy, status: int, text: str
) -> None:
    """It is asked again, in JSON or not, until the server answers."""
    proxy.answers = [web.Response(status=status, text=text), receipt()]
    async with Publisher(proxy.url, key="x") as publisher:
        assert await publisher.publish("user:ada", "Hello") == "7"


async def test_patience_begins_but_once(proxy: Proxy) -> None:
    """Also for what is sent again because the store could not take all of a batch."""
    later = {"code": "store_unavailable", "message": "Later.", "retry_after": 1.5}
    results = [{"status": 201, "id": "7"}, {"status": 503, "error": later}]
    away = [web.Response(status=503, headers={"Retry-After": "1"}) for _ in range(3)]
    proxy.answers = [web.json_response({"results": results}), *away]
    async with Publisher(proxy.url, key="x", patience=2.0) as publisher:
        with pytest.raises(QueueUnavailable):
            await publisher.publish_many([{"to": "user:ada", "title": t} for t in titled(2)])
    assert proxy.asked == 2


async def test_closing_waits_for_calls_under_way(proxy: Proxy) -> None:
    """They get their answers; it may be used again afterwards."""
    proxy.answers = [receipt(), receipt()]
    proxy.open.clear()
    publisher = Publisher(proxy.url, key="x")
    calls = [asyncio.create_task(publisher.publish("user:ada", "Hello")) for _ in range(2)]
    await until(lambda: proxy.asked == 2)
    closing = asyncio.create_task(publisher.close())
    await asyncio.sleep(0)
    proxy.open.set()
    await closing
    assert [call.done() and call.result() for call in calls] == ["7", "7"]
    proxy.answers = [receipt()]
    assert await publisher.publish("user:ada", "Hello again") == "7"
    await publisher.close()


async def test_closing_may_be_given_up(proxy: Proxy) -> None:
    """What is under way goes on, and it can be closed later."""
    proxy.answers = [receipt()]
    proxy.open.clear()
    publisher = Publisher(proxy.url, key="x")
    call = asyncio.create_task(publisher.publish("user:ada", "Hello"))
    await until(lambda: proxy.asked == 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(publisher.close(), 0.01)
    proxy.open.set()
    assert await call == "7"
    await publisher.close()


def receipt() -> web.Response:
    return web.json_response({"id": "7"}, status=201)


class Proxy:
    """Answers in the place of a server, one after another, while it is open."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = 0
        self.answers: list[web.Response] = []
        self.open = asyncio.Event()
        self.open.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        await self.open.wait()
        return self.answers.pop(0)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", proxy.answer)
    async with TestServer(app) as server:
        proxy.url = str(server.make_url("/"))
        yield proxy
