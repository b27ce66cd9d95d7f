"""Publishing over HTTP: the same calls, stored when they return."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from notifier import Publisher, SyncPublisher
from notifier.core.credentials import create_service_key
from notifier.core.models import PUBLISH, Publication, Receipt
from notifier.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    QueueUnavailable,
    StoreUnavailable,
    Unauthenticated,
)
from tests.queue.site import stored, titled
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
