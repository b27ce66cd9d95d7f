"""A queue in RabbitMQ, a service that fills it, and nodes that read it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import orjson
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.abc import ChannelFrame
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from notifier.core.models import Priority
from notifier.queue.amqp.consumer import Consumer
from notifier.queue.amqp.topology import Topology
from tests.queue.site import stored
from tests.realtime.nodes import Running, running
from tests.servers import until as eventually

_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


class Rabbit:
    """Exchanges and queues of the test's own; what it opens is closed with ``stack``."""

    def __init__(self, url: str, folder: Path, stack: AsyncExitStack) -> None:
        self.url = url
        self.prefix = f"test-{uuid4().hex[:12]}"
        self.topology = Topology(self.prefix)
        self._folder = folder
        self._stack = stack

    @property
    def variables(self) -> dict[str, str]:
        """What a node must know."""
        return {"AMQP_URL": self.url, "NOTIFIER_AMQP__PREFIX": self.prefix}

    async def open_node(self, **variables: str) -> Running:
        return await self._stack.enter_async_context(
            running(self._folder, **self.variables, **variables)
        )

    @asynccontextmanager
    async def reading(
        self, node: Running, ping: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """Read for a node that does not do so itself."""
        consumer = Consumer(self.url, node.node.intake, prefix=self.prefix, ping=ping)
        consumer.start()
        try:
            yield
        finally:
            await consumer.close()

    async def connect(self) -> AbstractChannel:
        """A channel of a connection of its own."""
        connection = await aio_pika.connect(self.url)
        self._stack.push_async_callback(connection.close)
        return await connection.channel(on_return_raises=True)

    async def declare(self) -> AbstractChannel:
        """A channel, once exchanges and queues exist."""
        channel = await self.connect()
        await self.topology.declare(channel)
        return channel

    async def publish(
        self, channel: AbstractChannel, *bodies: object, key: str = "normal", **properties: Any
    ) -> None:
        """Publish as a service does, and return when the broker has confirmed all of it."""
        exchange = await channel.get_exchange(self.prefix, ensure=False)
        letters = [self._letter(body, properties) for body in bodies]
        await asyncio.gather(*(exchange.publish(letter, key) for letter in letters))

    def _letter(self, body: object, properties: dict[str, Any]) -> aio_pika.Message:
        given = {"message_id": str(uuid4()), "app_id": "shop", **properties}
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return aio_pika.Message(content, delivery_mode=DeliveryMode.PERSISTENT, **given)

    async def publish_raw(self, body: bytes, **properties: Any) -> None:
        """Publish with exactly these properties, a number in ``timestamp`` as it is.

        aio-pika would make a ``message_id``, and refuse times that no calendar has.
        """
        channel = await self.connect()
        under = await channel.get_underlay_channel()
        number = properties.pop("timestamp", None)
        moment = None if number is None else _MOMENT
        header = ContentHeader(
            body_size=len(body),
            properties=commands.Basic.Properties(timestamp=moment, **properties),
        )
        start = commands.Basic.Publish(exchange=self.prefix, routing_key="normal")
        frames = [frame.marshal(one, under.number) for one in (start, header, ContentBody(body))]
        payload = b"".join(frames)
        if number is not None:
            seconds = struct.pack(">Q", int(_MOMENT.timestamp()))
            payload = payload.replace(seconds, struct.pack(">Q", number))
        await under.write_queue.put(ChannelFrame(payload, should_close=False))
        # What comes later over the same channel is answered later.
        await channel.declare_queue(self.topology.dead, passive=True)

    async def ghost_reads(self, lane: Priority, count: int, *, times: int = 1) -> None:
        """Nodes read so much and die, one after the other."""
        for _ in range(times):
            connection = await aio_pika.connect(self.url)
            channel = await connection.channel()
            await channel.set_qos(count)
            queue = await channel.get_queue(self.topology.lanes[lane], ensure=False)
            read: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
            await queue.consume(read.put)
            for _ in range(count):
                await read.get()
            await connection.close()

    async def waiting(self, channel: AbstractChannel, lane: Priority) -> int:
        """Messages that no node has taken."""
        name = self.topology.lanes[lane]
        queue = await channel.declare_queue(name, passive=True)
        return queue.declaration_result.message_count or 0

    async def consumers(self, channel: AbstractChannel) -> list[int]:
        """How many nodes read each priority, or stand by to do so."""
        queues = [
            await channel.declare_queue(name, passive=True) for name in self.topology.lanes.values()
        ]
        return [queue.declaration_result.consumer_count or 0 for queue in queues]

    async def letters(self, channel: AbstractChannel, count: int) -> Sequence[Any]:
        """So many dead letters, taken out of their queue."""
        queue = await channel.get_queue(self.topology.dead, ensure=False)
        found: list[AbstractIncomingMessage] = []

        async def have_come() -> bool:
            while letter := await queue.get(no_ack=True, fail=False):
                found.append(letter)
            return len(found) >= count

        await eventually(have_come, what=f"{count} dead letters")
        return found


def consumer(node: Running) -> Consumer:
    assert node.node.amqp is not None
    return node.node.amqp


async def until_stored(node: Running, count: int) -> list[str]:
    """The titles in the log of ada, once there are so many."""
    titles: list[str] = []

    async def are_stored() -> bool:
        titles[:] = await stored(node, "user:ada")
        return len(titles) >= count

    await eventually(are_stored, what=f"{count} notifications to be stored")
    return titles
