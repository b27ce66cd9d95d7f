"""Liveness and readiness, and a store that cannot be reached."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from notifier.app import Node
from notifier.errors import Overloaded
from notifier.http import health
from notifier.http.health import SHARED_SECONDS, NotReady, Readiness
from tests.http.client import Api
from tests.http.conftest import OpenApi, OpenNode
from tests.servers import Mongod, fresh_database, until

BODY = {"to": "user:ada", "title": "x"}


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process holds the write lock and does not let go."""
    other = sqlite3.connect(database, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        other.close()


async def test_the_process_lives(api: Api) -> None:
    """Also by HEAD, as some load balancers ask."""
    answer = await api("GET", "/healthz")
    assert (answer.status, answer.json) == (200, {"status": "ok"})
    assert (await api("HEAD", "/healthz")).status == 200


async def test_the_node_is_ready(api: Api) -> None:
    """Store and bus are well."""
    answer = await api("GET", "/readyz")
    assert (answer.status, answer.json) == (200, {"status": "ready"})


async def test_a_leaving_node_is_not_ready_and_lives(api: Api, node: Node) -> None:
    """Load balancers turn away from it while it answers what is under way."""
    await node.drain()
    answer = await api("GET", "/readyz")
    assert (answer.status, answer.code) == (503, "overloaded")
    assert "shutting down" in answer.json["detail"]
    assert set(answer.json["errors"]) == {"node"}
    assert int(answer.headers["Retry-After"]) >= 1
    assert (await api("GET", "/healthz")).status == 200


async def test_without_its_store_the_node_is_not_ready(api: Api, tmp_path: Path) -> None:
    """The reason is named by part; the driver's words stay inside."""
    with locked(tmp_path / "notifier.db"):
        answer = await api("GET", "/readyz")
    assert (answer.status, answer.code) == (503, "overloaded")
    assert set(answer.json["errors"]) == {"store"}
    assert "locked" not in answer.text
    assert "sqlite" not in answer.text.lower()


async def test_without_its_store_nothing_is_accepted_and_nothing_half_stored(
    api: Api, tmp_path: Path
) -> None:
    """503 with advice; afterwards the same call, with the same key, publishes once."""
    await api.feed()
    headers = {"Idempotency-Key": "k1"}
    publish = {"user": "publisher", "json": BODY, "headers": headers}
    with locked(tmp_path / "notifier.db"):
        refused = await api("POST", "/v1/notifications", **publish)
        mark = await api("POST", "/v1/feed/seen", user="ada", json={"cursor": "everyone=0"})
    for answer in (refused, mark):
        assert (answer.status, answer.code) == (503, "store_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        assert "sqlite" not in answer.text.lower()
    assert (await api.feed())["items"] == []
    assert (await api("POST", "/v1/notifications", **publish)).status == 201
    assert len((await api.feed())["items"]) == 1


async def test_without_mongodb_nothing_is_accepted_until_it_is_back(
    mongod: Mongod, start_node: OpenNode, open_api: OpenApi
) -> None:
    """Answered within seconds, healed without a restart, published once."""
    node = await start_node(MONGODB_URI=fresh_database(mongod.uri))
    await node.store.migrate()
    api = await open_api(node.app)
    await api.feed()
    publish = {"user": "publisher", "json": BODY, "headers": {"Idempotency-Key": "k1"}}
    await mongod.kill()
    for refused in (
        await api("POST", "/v1/notifications", **publish),
        await api("GET", "/v1/feed", user="ada"),
        await api("GET", "/readyz"),
    ):
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert "127.0.0.1" not in refused.text
    await mongod.start()

    async def is_accepted() -> bool:
        return (await api("POST", "/v1/notifications", **publish)).status == 201

    await until(is_accepted, what="the store to be back")
    assert len((await api.feed())["items"]) == 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_callers_share_a_finding_for_a_second() -> None:
    """A public path must not be a way to keep the store busy."""
    asked = 0

    async def check() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise Overloaded("gone")

    clock = Clock()
    readiness = Readiness({"store": check}, clock=clock)
    await asyncio.gather(*(readiness.require() for _ in range(50)))
    assert asked == 1
    clock.now += SHARED_SECONDS
    for _ in range(10):
        with pytest.raises(NotReady, match="store: gone"):
            await readiness.require()
    assert asked == 2


async def test_a_part_that_does_not_answer_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for it is bounded, and the others are asked at the same time."""
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.02)

    async def hang() -> None:
        await asyncio.Event().wait()

    async def gone() -> None:
        raise Overloaded("gone")

    with pytest.raises(NotReady) as refusal:
        await Readiness({"store": hang, "bus": gone}).require()
    assert set(refusal.value.errors) == {"store", "bus"}


async def test_a_check_that_fails_by_itself_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log gets the traceback, the caller learns only that it failed."""

    async def broken() -> None:
        raise RuntimeError("inner life")

    with pytest.raises(NotReady) as refusal:
        await Readiness({"store": broken}).require()
    assert "inner life" not in str(refusal.value)
    assert "inner life" in caplog.text
