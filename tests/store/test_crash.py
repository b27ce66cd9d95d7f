"""What SQLite was told to keep is there after any crash, and a full disk passes."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.chaos.cluster import COMMON_SETTINGS, publisher_token
from tests.chaos.crash import crash
from tests.chaos.oracle import PROMISES, judge
from tests.servers import NotifierProcess

ROUNDS = 4
"""``make chaos`` does it 200 times."""


async def test_what_was_accepted_survives_being_killed(tmp_path: Path) -> None:
    """A server killed at random moments loses nothing, repeats nothing, keeps the order."""
    result = await crash(ROUNDS, seed=1, folder=tmp_path, say=print)
    assert result.evidence.accepted()
    assert judge(result.evidence, PROMISES) == []


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[NotifierProcess]:
    node = NotifierProcess(tmp_path, COMMON_SETTINGS)
    await node.start()
    yield node
    await node.kill()


async def test_a_full_disk_is_told_and_passes(node: NotifierProcess) -> None:
    """While no file can grow publishers are told 503; what was accepted is there, and publishing
    works again as soon as there is room."""
    async with aiohttp.ClientSession(node.url) as http:
        accepted = [await publish(http, number) for number in range(5)]
        limits = resource.prlimit(node.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (400_000, limits[1]))
        while (answer := await publish(http, len(accepted)))[0] == 201:
            accepted.append(answer)
        assert answer == (503, "store_unavailable")
        async with http.get("/healthz") as alive:
            assert alive.status == 200
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, limits)
        accepted.append(await publish(http, len(accepted)))
        assert accepted[-1][0] == 201
        await node.kill()
        await node.start()
        headers = {"Authorization": f"Bearer {publisher_token('ada')}"}
        async with http.get(f"{node.url}/v1/feed?limit=100", headers=headers) as feed:
            items = (await feed.json())["items"]
    assert [item["id"] for item in reversed(items)] == [place for _, place in accepted][-100:]


async def publish(http: aiohttp.ClientSession, number: int) -> tuple[int, str]:
    """Publish something large to Ada: the status, and the entry's id or the error's code."""
    headers = {"Authorization": f"Bearer {publisher_token('ada')}"}
    message = {
        "to": "user:ada",
        "title": str(number),
        "body": "x" * 2_000,
        "data": {"more": "y" * 4_000},
    }
    async with http.post("/v1/notifications", json=message, headers=headers) as answer:
        body = await answer.json()
        return answer.status, body["entries"][0]["id"] if answer.status == 201 else body["code"]
