"""A whole node in this process, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from notifier.app import Node, open_node
from notifier.config import load_config
from tests.http.client import SECRET, Api

UNRATIONED = {
    "NOTIFIER_LIMITS__PUBLISHES_PER_SECOND": "0",
    "NOTIFIER_LIMITS__REQUESTS_PER_MINUTE": "0",
}
"""For tests that publish more than a sane publisher does."""

OpenNode = Callable[..., Awaitable[Node]]
OpenApi = Callable[[web.Application], Awaitable[Api]]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Closes what a test opened."""
    async with AsyncExitStack() as closing:
        yield closing


@pytest.fixture
def start_node(tmp_path: Path, stack: AsyncExitStack) -> OpenNode:
    """Open a node with the settings of the test environment and these variables laid over them."""

    async def start(**variables: str) -> Node:
        config = load_config(
            {
                "NOTIFIER_ENV": "test",
                "NOTIFIER_STORE": f"sqlite:///{tmp_path}/notifier.db",
                "NOTIFIER_JWT_SECRET": SECRET,
                **variables,
            }
        )
        return await stack.enter_async_context(open_node(config))

    return start


@pytest.fixture
def open_api(stack: AsyncExitStack) -> OpenApi:
    """Serve an application on the loopback and return a client of it."""

    async def open_(app: web.Application) -> Api:
        server = TestServer(app, host="127.0.0.1")
        return Api(await stack.enter_async_context(TestClient(server)))

    return open_


@pytest.fixture
async def node(start_node: OpenNode) -> Node:
    return await start_node()


@pytest.fixture
async def api(node: Node, open_api: OpenApi) -> Api:
    return await open_api(node.app)
