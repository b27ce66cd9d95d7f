"""The bus of a single node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.realtime.nodes import Running, running


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as site:
        yield site


async def test_what_is_published_is_delivered_before_the_publisher_is_answered(
    site: Running,
) -> None:
    """Without a Redis there is nothing to wait for: the hub has it at once."""
    async with site.synced("ada"):
        before = site.node.hub.metrics.delivered
        await site.publish(["user:ada", "everyone", "user:grace"])
        assert site.node.hub.metrics.delivered - before == 2


async def test_what_is_published_is_told_to_every_connection_once(site: Running) -> None:
    """However many connections and publishers there are."""
    async with site.synced("ada") as phone, site.synced("ada") as laptop:
        for n in range(20):
            await site.publish(["user:ada", "everyone"][n % 2], str(n))
        for client in (phone, laptop):
            await client.until("notification", 20)
            assert client.titles == [str(n) for n in range(20)]
        assert site.node.hub.metrics.repaired == 0
