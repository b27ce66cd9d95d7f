"""One connection to RabbitMQ that reads one queue, from its opening until something breaks it.

The errors of aio-pika end here: all of them become ``Broken``, and the next session begins anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Self

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.connection import make_url
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    ChannelClosed,
    ConnectionClosed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from notifier.queue.amqp.topology import Topology

CONNECT_SECONDS = 5.0

ANSWER_SECONDS = 10.0
"""How long the broker may take to answer or to confirm."""

HEARTBEAT_SECONDS = 10
"""RabbitMQ recommends 5 to 20; a connection that is silent three times as long is lost."""

LOOK_SECONDS = 2.0
"""How often the lengths of the queues are looked at."""

CLOSE_SECONDS = 1.0

_FAILURES = (*CONNECTION_EXCEPTIONS, TimeoutError, ValueError)
"""All that aio-pika may raise when the broker cannot be reached or refuses; ValueError is how it
answers an address that is none."""

_TOLD_BY_BROKER = (ChannelClosed, ConnectionClosed, ProbableAuthenticationError)
"""Their text names what the broker refuses, and never a password."""


class Broken(Exception):
    """The session is over. ``unreadable``: the broker sent what aio-pika could not read."""

    def __init__(self, error: BaseException | None) -> None:
        name = type(error).__name__ if error else "closed"
        super().__init__(f"{name}: {error}" if isinstance(error, _TOLD_BY_BROKER) else name)
        self.unreadable = isinstance(error, InvalidFrameError)


class Session:
    """Consumes ``queue``; the broker sends ``prefetch`` messages ahead of their acknowledgements.

    ``waiting`` and ``dead`` are how many messages stand there and among the dead letters.
    """

    def __init__(
        self, connection: AbstractConnection, topology: Topology, queue: str, prefetch: int
    ) -> None:
        self.prefetch = prefetch
        self.waiting = 0
        self.dead = 0
        self._connection = connection
        self._topology = topology
        self._queue = queue
        self._deliveries: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        self._end: Broken | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls, url: str, topology: Topology, queue: str, *, prefetch: int
    ) -> AsyncIterator[Self]:
        """A session, as long as the block lasts. Raises ``Broken``."""
        connection = await _connect(url, f"notifier: {queue}")
        session = cls(connection, topology, queue, prefetch)
        looking: asyncio.Task[None] | None = None
        try:
            with _mapped():
                await session._open()
            looking = asyncio.get_running_loop().create_task(session._look_forever())
            yield session
        finally:
            await _disconnect(connection)
            # Not before: aio-pika does not stand it well when a call is cancelled.
            if looking is not None:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)

    async def next(self, limit: int) -> list[AbstractIncomingMessage]:
        """What has come, once there is something. Raises ``Broken``."""
        came = [await self._deliveries.get()]
        while len(came) < limit and not self._deliveries.empty():
            came.append(self._deliveries.get_nowait())
        if self._end is not None:
            raise self._end
        return [delivery for delivery in came if delivery is not None]

    async def acknowledge(self, deliveries: Sequence[AbstractIncomingMessage]) -> None:
        """They leave the queue. Raises ``Broken``."""
        with _mapped():
            await asyncio.gather(*(delivery.ack() for delivery in deliveries))

    async def bury(self, letter: aio_pika.Message, lane: str) -> None:
        """Return when the broker has confirmed that the dead letter is safe. Raises ``Broken``."""
        with _mapped():
            await self._graves.publish(letter, lane, mandatory=True, timeout=ANSWER_SECONDS)

    @property
    def is_over(self) -> bool:
        return self._end is not None

    async def _open(self) -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            self._desk = await self._channel()
            await self._topology.declare(self._desk)
            self._graves = await self._desk.get_exchange(self._topology.dead, ensure=False)
            self._reading = await self._channel()
            await self._reading.set_qos(self.prefetch)
            lane = await self._reading.get_queue(self._queue, ensure=False)
            await lane.consume(self._deliveries.put)

    async def _channel(self) -> AbstractChannel:
        channel = await self._connection.channel(on_return_raises=True)
        channel.close_callbacks.add(lambda _, error: self._note_end(error))
        # Who deletes a queue ends its consumers.
        under = await channel.get_underlay_channel()
        under.on_consumer_cancel_callbacks.add(lambda _: self._note_end(None))
        return channel

    async def _look_forever(self) -> None:
        try:
            with _mapped():
                while True:
                    self.waiting = await self._count(self._queue)
                    self.dead = await self._count(self._topology.dead)
                    await asyncio.sleep(LOOK_SECONDS)
        except Broken as broken:
            self._finish(broken)

    async def _count(self, name: str) -> int:
        queue = await self._desk.declare_queue(name, passive=True, timeout=ANSWER_SECONDS)
        return queue.declaration_result.message_count or 0

    def _note_end(self, error: BaseException | None) -> None:
        self._finish(Broken(error))

    def _finish(self, broken: Broken) -> None:
        if self._end is None:
            self._end = broken
            self._deliveries.put_nowait(None)


async def reach(url: str) -> None:
    """Connect and leave again. Raises ``Broken``."""
    await _disconnect(await _connect(url, "notifier check"))


async def _connect(url: str, name: str) -> AbstractConnection:
    with _mapped():
        address = make_url(url, heartbeat=HEARTBEAT_SECONDS)
        connection = aio_pika.Connection(address, client_properties={"connection_name": name})
    try:
        with _mapped():
            await connection.connect(timeout=CONNECT_SECONDS)
    except BaseException:
        await _disconnect(connection)
        raise
    return connection


async def _disconnect(connection: AbstractConnection) -> None:
    try:
        with contextlib.suppress(Broken), _mapped():
            async with asyncio.timeout(CLOSE_SECONDS):
                await connection.close()
    finally:
        # It would try to close itself when it is collected, whether there is a loop then or not.
        if not connection.is_closed:
            await connection.close()


@contextlib.contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except asyncio.CancelledError as error:
        # aio-pika also cancels who waits for an answer over a connection that breaks.
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Broken(error) from None
    except _FAILURES as error:
        raise Broken(error) from None
