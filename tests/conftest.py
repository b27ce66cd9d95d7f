"""Fixtures that every test may use: real servers and a real browser."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.nursery import ForkedNotifier, Nursery
from tests.servers import Mongod, NotifierProcess, RabbitMQ, Valkey, fresh_database

StartNotifier = Callable[..., Awaitable[NotifierProcess]]

LONGEST = ("test_chaos", "test_npm", "test_look", "test_packaging")
"""What the names of the longest files begin with."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: none is then left for one process alone at the end."""
    items.sort(key=lambda item: not item.path.name.startswith(LONGEST))


@pytest.fixture(scope="session")
async def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A MongoDB replica set with an unused database; ``fresh_database(uri)`` gives another one."""
    given = os.environ.get("MONGODB_URI")
    if given:
        yield fresh_database(given)
        return
    server = Mongod(tmp_path_factory.mktemp("mongod"))
    await server.start()
    yield fresh_database(server.uri)
    await server.stop()


@pytest.fixture(scope="session")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A Redis server shared by all tests: use a channel or key of your own in it."""
    given = os.environ.get("REDIS_URL")
    if given:
        yield given
        return
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    await server.start()
    yield server.url
    await server.stop()


@pytest.fixture(scope="session")
async def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RabbitMQ]:
    """A RabbitMQ shared by all tests: use a prefix of your own in it. It takes seconds to start, so
    who kills it starts it again for the others."""
    server = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
async def mongod(tmp_path: Path) -> AsyncIterator[Mongod]:
    """A running MongoDB of the test's own, to be killed, frozen and restarted at will."""
    server = Mongod(tmp_path / "mongod")
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    """A running Redis server of the test's own, to be killed, frozen and restarted at will."""
    server = Valkey(tmp_path / "valkey")
    await server.start()
    yield server
    await server.kill()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Servers of Notifier, ready at once."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
async def start_notifier(tmp_path: Path, nursery: Nursery) -> AsyncIterator[StartNotifier]:
    """Start Notifier servers of the test's own: ``await start_notifier(PORT="0", args=(...))``.

    Keywords are environment variables; ``folder`` (default: a new one) may be shared by nodes.
    """
    servers: list[NotifierProcess] = []

    async def start(
        *, folder: Path | None = None, args: tuple[str, ...] = (), **env: str
    ) -> NotifierProcess:
        place = folder or tmp_path / f"notifier-{len(servers)}"
        server = ForkedNotifier(nursery, place, env, args)
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.kill()


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NotifierProcess]:
    """A Notifier server in development, as a newcomer starts it, shared by all tests."""
    process = NotifierProcess(tmp_path_factory.mktemp("notifier"))
    await process.start()
    yield process
    await process.stop()


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A real browser; ``await chromium.new_context()`` gives a separate user."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=QUIET_FLAGS
        )
        yield browser
        await browser.close()


QUIET_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""No sandbox: tests run as root in containers. The rest keeps the browser from calling home."""
