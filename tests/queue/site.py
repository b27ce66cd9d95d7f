"""A queue in Redis and nodes that read it, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
from redis import asyncio as aioredis

from notifier import Publisher
from notifier.core.models import Priority
from notifier.queue.consumer import Consumer
from notifier.queue.desk import Desk
from notifier.queue.messages import Outcome
from notifier.queue.names import GROUP, QueueNames
from tests.realtime.nodes import Running, running
from tests.servers import until as eventually


class Site:
    """Nodes on one SQLite file, opened one by one and closed with ``stack``."""

    def __init__(self, url: str, channel: str, folder: Path, stack: AsyncExitStack) -> None:
        self.url = url
        self.names = QueueNames(channel)
        self._channel = channel
        self._folder = folder
        self._stack = stack
        self.redis: Any = aioredis.Redis.from_url(url)
        stack.push_async_callback(self.redis.aclose)
        self.desk = Desk(self.redis, self.names)

    async def open_node(self, **variables: str) -> Running:
        settings = {"REDIS_URL": self.url, "NOTIFIER_REDIS__CHANNEL": self._channel, **variables}
        return await self._stack.enter_async_context(running(self._folder, **settings))

    async def put(self, lane: Priority, fields: dict[str, Any]) -> bytes:
        """Write to a stream what no publisher of ours would."""
        return bytes(await self.redis.xadd(self.names.lanes[lane], fields))

    async def ghost_reads(self, lane: Priority, count: int, *, times: int = 1) -> None:
        """A node reads and dies, so many times, without having settled anything."""
        stream = self.names.lanes[lane]
        await self.redis.xgroup_create(stream, GROUP, id="0", mkstream=True)
        [(_, rows)] = await self.redis.xreadgroup(GROUP, "ghost", {stream: ">"}, count=count)
        places = [place for place, _ in rows]
        await self.redis.xclaim(stream, GROUP, "ghost", 0, places, retrycount=times, justid=True)

    async def empty(self) -> None:
        """Wait until nothing is left in any stream."""
        await eventually(self._is_empty, what="the queue to be empty")

    async def _is_empty(self) -> bool:
        return all(lane.waiting == 0 for lane in await self.desk.status())

    async def settled(self, publisher: Publisher, notification_id: str) -> Outcome:
        """Wait for the outcome of a notification."""
        found: list[Outcome] = []

        async def is_settled() -> bool:
            found.append(await publisher.outcome(notification_id))
            return found[-1].state != "queued"

        await eventually(is_settled, what="an outcome")
        return found[-1]


def consumer(node: Running) -> Consumer:
    assert node.node.queue is not None
    return node.node.queue


async def stored(node: Running, *audiences: str) -> list[str]:
    """The titles of all that stands in these logs, in order; withdrawals have none."""
    found = await node.node.store.after(dict.fromkeys(audiences, 0), limit=100_000, now=0)
    contents = [orjson.loads(e.wire()) for audience in audiences for e in found.get(audience, [])]
    return [content["title"] for content in contents if "title" in content]


def titled(count: int, start: int = 0) -> Sequence[str]:
    return [f"number {number}" for number in range(start, start + count)]
