"""The Procfile does on a host of the Heroku kind what such hosts expect."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from notifier.config import load_config
from notifier.http.tokens import TokenRules, sign
from tests.servers import (
    PATIENCE,
    REPOSITORY,
    ServerProcess,
    clean_environment,
    free_port,
    fresh_database,
    until,
)

SECRET = "0123456789abcdef0123456789abcdef"

LEAVING_SECONDS = 20.0
"""Hosts of the Heroku kind kill 30 seconds after SIGTERM; ten are left for a busy machine."""


class Dyno(ServerProcess):
    """One process of the Procfile, started by honcho as the platform would."""

    def __init__(self, folder: Path, process: str, env: dict[str, str]) -> None:
        super().__init__(folder)
        self.process = process
        self.port = free_port()
        self.env = env

    def command(self) -> list[str]:
        procfile = str(REPOSITORY / "Procfile")
        folder = str(self.folder)
        return [sys.executable, "-m", "honcho", "-d", folder, "-f", procfile, "start", self.process]

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        mine = {"PATH": path, "PORT": str(self.port), "DYNO": f"{self.process}.1"}
        return {**clean_environment(), "PYTHONPATH": str(REPOSITORY), **mine, **self.env}

    async def is_ready(self) -> bool:
        async with aiohttp.ClientSession() as session:
            try:
                async with session.get(f"http://127.0.0.1:{self.port}/healthz") as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False


@pytest.fixture
def env(mongodb_uri: str, redis_url: str) -> dict[str, str]:
    """What the platform and its owner set."""
    return {
        "MONGODB_URI": fresh_database(mongodb_uri),
        "REDIS_URL": redis_url,
        "NOTIFIER_REDIS__CHANNEL": "procfile",
        "NOTIFIER_JWT_SECRET": SECRET,
        "NOTIFIER_ALLOWED_ORIGINS": "https://app.example",
    }


@pytest.fixture
async def release(tmp_path: Path, env: dict[str, str]) -> Dyno:
    """The release process, which has run as before every deploy."""
    dyno = Dyno(tmp_path / "release", "release", env)
    await dyno.run()
    return dyno


@pytest.fixture
async def web(tmp_path: Path, env: dict[str, str], release: Dyno) -> AsyncIterator[Dyno]:
    """The web process, running."""
    dyno = Dyno(tmp_path / "web", "web", env)
    await dyno.start()
    yield dyno
    await dyno.stop()


async def test_release_migrates(release: Dyno, env: dict[str, str]) -> None:
    """The release process ends well and leaves indexes behind."""
    assert "release.1 stopped (rc=0)" in release.output
    async with AsyncMongoClient(env["MONGODB_URI"]) as client:
        database = client.get_default_database()
        indexes = [
            index
            for name in await database.list_collection_names()
            async for index in await database[name].list_indexes()
        ]
    assert any(index.get("unique") for index in indexes)


async def test_web_becomes_ready_on_the_given_port(web: Dyno) -> None:
    """$PORT answers that store and bus are reached."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{web.port}") as session:

        async def is_ready() -> bool:
            async with session.get("/readyz") as answer:
                return answer.status == 200

        await until(is_ready, what="the node to be ready")


async def test_worker_waits_for_jobs_and_ends_in_order(
    tmp_path: Path, env: dict[str, str], release: Dyno
) -> None:
    """The worker process, until the platform sends SIGTERM."""
    worker = Dyno(tmp_path / "worker", "worker", env)
    worker._launch()

    async def waits() -> bool:
        return "waiting for jobs" in worker.output

    await until(waits, what="the worker to start")
    await worker.stop()
    assert "worker.1 stopped (rc=0)" in worker.output


def test_the_app_manifest_asks_for_known_settings() -> None:
    """With app.json's values and answers to its questions, production starts."""
    answers = {
        "NOTIFIER_JWT_SECRET": SECRET,
        "NOTIFIER_ALLOWED_ORIGINS": "https://app.example",
        "MONGODB_URI": "mongodb://db.example/notifier",
    }
    asked = json.loads((REPOSITORY / "app.json").read_text())["env"]
    env = {name: entry.get("value") or answers[name] for name, entry in asked.items()}
    config = load_config({**env, "DYNO": "web.1"})
    assert config.env == "production"
    assert config.server.trusted_hops == 1
    assert config.redis.verify_tls is False


async def test_sigterm_sends_clients_elsewhere_and_ends_in_time(web: Dyno) -> None:
    """A connected client gets close code 1001, which makes it reconnect; then the process ends."""
    token = sign(TokenRules(secrets=(SECRET,)), "ada", lifetime=600)
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{web.port}") as session,
        session.ws_connect("/socket.io/?EIO=4&transport=websocket") as socket,
        asyncio.timeout(PATIENCE),
    ):
        assert (await socket.receive_str())[0] == "0"
        await socket.send_str(f"40/notifications,{json.dumps({'token': token})}")
        while '"synced"' not in await socket.receive_str():
            pass
        started = time.monotonic()
        stopping = asyncio.create_task(web.stop())
        while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        await stopping
    assert time.monotonic() - started < LEAVING_SECONDS
    assert "web.1 stopped (rc=0)" in web.output
