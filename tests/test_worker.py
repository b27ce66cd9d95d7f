"""``notifier worker``: a process for the jobs, beside nodes that run none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from notifier import Publisher
from notifier.core.models import PUBLISH, now_ms, rfc3339
from notifier.http.tokens import TokenRules, sign
from tests.realtime.nodes import SECRET, token
from tests.servers import NotifierProcess, WorkerProcess, until

SHOP = sign(TokenRules(secrets=(SECRET,)), "shop", lifetime=3600, scopes=[PUBLISH])


@pytest.fixture
def env(tmp_path: Path, redis_url: str) -> dict[str, str]:
    """A node that leaves jobs and queue to workers, and its workers, on one store and one Redis."""
    return {
        "NOTIFIER_ENV": "test",
        "NOTIFIER_JWT_SECRET": SECRET,
        "NOTIFIER_STORE": f"sqlite:///{tmp_path}/notifier.db",
        "REDIS_URL": redis_url,
        "NOTIFIER_REDIS__CHANNEL": f"test-{uuid4().hex[:12]}",
        "NOTIFIER_JOBS__IN_SERVER": "false",
        "NOTIFIER_QUEUE__IN_SERVER": "false",
    }


@pytest.fixture
async def node(tmp_path: Path, env: dict[str, str]) -> AsyncIterator[NotifierProcess]:
    server = NotifierProcess(tmp_path / "node", env)
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
async def worker(tmp_path: Path, env: dict[str, str]) -> AsyncIterator[WorkerProcess]:
    process = WorkerProcess(tmp_path / "worker", env)
    await process.start()
    yield process
    await process.kill()


async def call(node: NotifierProcess, method: str, path: str, bearer: str, **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {bearer}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.request(method, f"{node.url}{path}", **options) as answer,
    ):
        assert answer.status < 300, await answer.text()
        return await answer.json()


async def test_a_worker_delivers_what_a_node_has_scheduled(
    node: NotifierProcess, worker: WorkerProcess
) -> None:
    """Who waits for it at the node is told at once, through Redis."""
    ada = token("ada")
    since = (await call(node, "GET", "/v1/feed/poll", ada))["cursor"]
    body = {"to": "user:ada", "title": "Later", "deliver_at": rfc3339(now_ms() + 1_000)}
    polling = asyncio.ensure_future(
        call(node, "GET", "/v1/feed/poll", ada, params={"since": since, "wait": "15"})
    )
    await call(node, "POST", "/v1/notifications", SHOP, json=body)
    # The node compares itself with the store every 20 s: only Redis is faster than the poll.
    assert [item["title"] for item in (await polling)["items"]] == ["Later"]


async def test_a_worker_reads_the_queue(
    node: NotifierProcess, worker: WorkerProcess, env: dict[str, str]
) -> None:
    """What services hand over is stored by it, and found on the node."""
    async with Publisher(env["REDIS_URL"], channel=env["NOTIFIER_REDIS__CHANNEL"]) as publisher:
        notification_id = await publisher.publish("user:ada", "through the queue")

        async def is_published() -> bool:
            return (await publisher.outcome(notification_id)).state == "published"

        await until(is_published, what="the worker to publish it")


async def test_a_worker_ends_in_order(worker: WorkerProcess) -> None:
    """On SIGTERM, with exit status 0."""
    assert await worker.stop() == 0
    assert "Traceback" not in worker.output


async def test_a_worker_waits_for_a_store_that_is_away(tmp_path: Path) -> None:
    """It starts, says so, and goes on trying."""
    address = {"MONGODB_URI": "mongodb://127.0.0.1:9/notifier?replicaSet=rs0"}
    process = WorkerProcess(tmp_path / "worker", {"NOTIFIER_ENV": "test", **address})
    await process.start()
    try:

        async def complains() -> bool:
            return "the store is not available" in process.output

        await until(complains, what="the worker to notice")
        assert process.is_running
    finally:
        await process.kill()
