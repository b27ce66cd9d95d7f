"""``benchmarks/publish.py``, and that what it compares Notifier with does the same work."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import jwt
import orjson
import pytest

from benchmarks.peer import install
from benchmarks.services import RULES, UNLIMITED, notifier, on_node
from notifier.core.models import PUBLISH
from notifier.http.tokens import sign
from tests.servers import REPOSITORY, NotifierProcess, fresh_database

PATIENCE = 300.0
"""Seconds for what takes ten when nothing else runs."""

CASES = (
    *("Notifier", "Node", "batch", "queue"),
    *("1 node", "2 nodes", "2 nodes, busier", "all traffic", "elsewhere", "SQLite"),
)

GOOD: dict[str, Any] = {
    "to": "user:ada",
    "type": "message",
    "priority": "high",
    "title": "Grace sent you a message",
    "body": "First line\nsecond line",
    "sender": {"id": "7", "name": "Grace Hopper", "avatar": "https://example.org/grace.png"},
    "icon": "message",
    "url": "/chat/7",
    "data": {"chat": 7},
    "actions": [{"label": "Reply", "url": "/chat/7/reply"}],
    "ttl": 86_400,
    "except": ["user:grace"],
}

BAD: dict[str, dict[str, Any]] = {
    "no title": {"title": None},
    "long title": {"title": "x" * 201},
    "blank title": {"title": " \u3000"},
    "control character": {"title": "a\u0007b"},
    "unknown field": {"colour": "red"},
    "unknown type": {"type": "gossip"},
    "unknown priority": {"priority": "urgent"},
    "no audience": {"to": []},
    "odd audience": {"to": "users:ada"},
    "space in a name": {"to": ["user:ada", "user:a da"]},
    "too many audiences": {"to": [f"user:{number}" for number in range(10_001)]},
    "long body": {"body": "x" * 2_001},
    "unknown field of the sender": {"sender": {"id": "7", "mail": "x"}},
    "long name of the sender": {"sender": {"name": "x" * 101}},
    "odd icon": {"icon": "Message"},
    "script": {"url": "javascript:alert(1)"},
    "other site": {"url": "//example.org/"},
    "much data": {"data": {"x": "y" * 4_096}},
    "deep data": {"data": orjson.loads('{"x":' * 17 + "1" + "}" * 17)},
    "list as data": {"data": [1]},
    "many actions": {"actions": [{"label": "Reply", "url": "/"}] * 4},
    "action that leads nowhere": {"actions": [{"label": "Reply"}]},
    "no time to live": {"ttl": 0},
    "time to live in words": {"ttl": "long"},
    "long collapse key": {"collapse_key": "x" * 129},
}
"""What is wrong with each: fields in the place of those above."""


@pytest.fixture(scope="module", params=["Notifier", "Node"])
async def service(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    mongodb_uri: str,
    redis_url: str,
) -> AsyncIterator[NotifierProcess]:
    """Each of the two services that are compared."""
    databases = {"MONGODB_URI": fresh_database(mongodb_uri), "REDIS_URL": redis_url}
    make = {"Notifier": notifier, "Node": on_node}[request.param]
    if request.param == "Node":
        await asyncio.to_thread(install)
    server = make(tmp_path_factory.mktemp("service"), databases)
    await server.start()
    yield server
    await server.kill()


async def ask(
    service: NotifierProcess, method: str, path: str, token: str, body: object = None
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(service.url, headers=headers) as session,
        session.request(method, path, json=body) as answer,
    ):
        return answer.status, await answer.json()


async def publish(service: NotifierProcess, body: object) -> tuple[int, Any]:
    token = sign(RULES, "bench", lifetime=60, scopes=[PUBLISH])
    return await ask(service, "POST", "/v1/notifications", token, body)


async def test_both_services_take_the_same_and_page_by_it(service: NotifierProcess) -> None:
    """Three are published; a feed of two at a time shows them, newest first, with their fields."""
    for number in range(3):
        status, told = await publish(service, {**GOOD, "title": f"Message {number}"})
        assert status == 201, told
    token = sign(RULES, "ada", lifetime=60)
    status, first = await ask(service, "GET", "/v1/feed?limit=2", token)
    assert status == 200
    status, second = await ask(service, "GET", f"/v1/feed?limit=2&before={first['next']}", token)
    assert status == 200
    items = first["items"] + second["items"]
    assert [item["title"] for item in items] == ["Message 2", "Message 1", "Message 0"]
    for name in ("type", "priority", "body", "sender", "icon", "url", "data", "actions"):
        assert items[0][name] == GOOD[name]


@pytest.mark.parametrize("wrong", BAD)
async def test_both_services_refuse_the_same(service: NotifierProcess, wrong: str) -> None:
    """Neither saves work by looking less closely."""
    status, told = await publish(service, {**GOOD, **BAD[wrong]})
    assert status == 422
    assert told["errors"]


@pytest.mark.parametrize("claim", ["sub", "exp", "scope", "signature"])
async def test_both_services_verify_each_token(service: NotifierProcess, claim: str) -> None:
    """Who it is, until when, what is allowed, and that it was signed with the secret."""
    claims = {"sub": "bench", "exp": 4_000_000_000, "scope": PUBLISH}
    claims.pop(claim, None)
    secret = UNLIMITED["NOTIFIER_JWT_SECRET"] + "?" * (claim == "signature")
    token = jwt.encode(claims, secret, algorithm="HS256")
    status, _ = await ask(service, "POST", "/v1/notifications", token, GOOD)
    assert status == (403 if claim == "scope" else 401)


def test_the_benchmark_runs() -> None:
    """A slice of it: every case comes to its end with all that was accepted delivered and stored,
    and with a rate and a CPU time."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.publish", "--quick"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for case in CASES:
        assert re.search(rf"^\| {case} \|.* us \|", done.stdout, re.MULTILINE), done.stdout
    assert "| rate: Notifier | Node | **" in done.stdout
