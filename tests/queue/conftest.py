"""Nodes that read a queue of the test's own, and a service that fills it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from notifier import Publisher
from tests.queue.rabbit import Rabbit
from tests.queue.site import Site
from tests.servers import RabbitMQ


@pytest.fixture
def channel() -> str:
    """What the names of all streams and keys start with: tests share a Redis."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
async def shop(redis_url: str, channel: str) -> AsyncIterator[Publisher]:
    """A service that publishes."""
    async with Publisher(redis_url, name="shop", channel=channel) as publisher:
        yield publisher


@pytest.fixture
async def site(redis_url: str, channel: str, tmp_path: Path) -> AsyncIterator[Site]:
    """A queue, and nodes when the test opens them."""
    async with AsyncExitStack() as stack:
        yield Site(redis_url, channel, tmp_path, stack)


@pytest.fixture
async def rabbit(rabbitmq: RabbitMQ, tmp_path: Path) -> AsyncIterator[Rabbit]:
    """A queue in RabbitMQ, and nodes when the test opens them."""
    async with AsyncExitStack() as stack:
        yield Rabbit(rabbitmq.url, tmp_path, stack)
