"""Redis pub/sub as the bus needs it: many channels, few connections, losses noticed.

One connection listens. What it should hear is a set of wanted channels that may change at any
time; changes of one loop turn are sent together, and a channel counts as heard only when Redis has
confirmed it. Another connection publishes, pipelined, from a bounded queue: a publisher never waits
for Redis. Messages may be lost, as always with Redis pub/sub; ``on_gap`` tells after which moment
they may have been. Who could not send tells so as soon as sending works again: an empty message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from notifier.redis.client import FAILURES, connect, stop

logger = logging.getLogger(__name__)

CONFIRM_SECONDS = 1.0
"""How long a new reader waits for Redis before going on without it."""

PUBLISH_SECONDS = 1.0
"""How long one pipeline of messages may take before the messages are given up."""

HEARTBEAT_SECONDS = 3.0
"""How often a node sends itself a message."""

DEAF_SECONDS = 10.0
"""Without hearing even one's own messages for so long, the listening connection is replaced: a
connection can die without an error, and a deaf node looks healthy from everywhere else."""

RENEWAL_SECONDS = 1.0
"""How often that deadline is put off: for each message it would cost as much as the message."""

MESSAGES_IN_TURN = 32
"""Messages taken before everybody else has had a turn of the event loop: some 2 ms. A read that
finds a message does not wait, and of small ones a thousand and more may have come at once."""

QUEUE_BYTES = 16 * 1024 * 1024
"""Bound of the outgoing queue; what does not fit is lost, which readers notice as a gap."""

PIPELINE_MESSAGES = 512

LOSS = b""
"""The message that says: earlier ones on this channel were lost on their way to Redis."""

LOST_CHANNELS = 100_000
"""Channels remembered for that, some 10 MB; on others a loss goes untold."""


@dataclass(slots=True)
class ChannelMetrics:
    """Since the start of this node."""

    sent: int = 0
    received: int = 0
    senseless: int = 0
    """Of these, in a form that no node sends."""

    lost: int = 0
    """Without the heartbeats, which nobody else would have heard."""

    reconnects: int = 0


class RedisChannels:
    """Wanted channels in, messages out; ``start`` and ``close`` frame its life.

    ``on_message(channel, payload)`` is called for every message on a channel without a handler of
    its own in ``handlers``; neither may raise.
    ``on_gap(channels)`` is called when these are heard again after messages may have been lost.
    """

    def __init__(self, url: str, *, prefix: str, verify_tls: bool = True) -> None:
        self.node = uuid.uuid4().hex
        self._own = f"{prefix}:node:{self.node}"
        self.metrics = ChannelMetrics()
        self.on_message: Callable[[str, bytes], None] = lambda channel, payload: None
        self.on_gap: Callable[[Collection[str]], None] = lambda channels: None
        self.handlers: dict[str, Callable[[bytes], None]] = {self._own: lambda payload: None}
        # RESP2: for each push of RESP3 redis-py writes out the whole message for a log line that
        # nobody reads.
        self._listener = connect(url, verify_tls=verify_tls, socket_timeout=None, protocol=2)
        # Replies have no time-out each, the pipeline has one.
        self._sender = connect(url, verify_tls=verify_tls, socket_timeout=None)
        self.commands = connect(url, verify_tls=verify_tls, socket_timeout=PUBLISH_SECONDS)
        """A client for other short commands on the same Redis."""
        self._wanted: Counter[str] = Counter()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._heard: set[str] = set()
        self._changed = asyncio.Event()
        self._lost: set[str] = set()
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued_bytes = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._sending_works = True
        self.listening_since = float("inf")
        """Since when there is a connection to hear on, in monotonic seconds; inf: there is none."""
        self._last_heard = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._listen_forever()),
            loop.create_task(self._send_forever()),
            loop.create_task(self._beat_forever()),
        ]

    async def close(self) -> None:
        """Send what is queued, for at most PUBLISH_SECONDS, and disconnect."""
        if self._sending_works:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), PUBLISH_SECONDS)
        await stop(self._tasks)
        for client in (self._listener, self._sender, self.commands):
            await client.aclose()

    @property
    def healthy(self) -> bool:
        """Whether messages go out and come in."""
        return self._sending_works and not self._silent

    @property
    def deaf(self) -> bool:
        """Whether Redis takes what this node sends, but this node hears nothing.

        Other nodes serve better then. When Redis itself is away all nodes are alike, and all ask
        the store instead.
        """
        return self._sending_works and self._silent

    @property
    def _silent(self) -> bool:
        return time.monotonic() - self._last_heard >= DEAF_SECONDS

    # Listening

    async def want(self, channels: Collection[str]) -> None:
        """Hear these channels; return when Redis has confirmed, or after CONFIRM_SECONDS.

        Wanted twice, a channel must be unwanted twice.
        """
        self.hear(channels)
        loop = asyncio.get_running_loop()
        waiting = {
            channel: self._waiting.setdefault(channel, loop.create_future())
            for channel in channels
            if channel not in self._heard
        }
        if not waiting:
            return
        await asyncio.wait(waiting.values(), timeout=CONFIRM_SECONDS)
        for channel, confirmed in waiting.items():
            if not confirmed.done() and self._waiting.get(channel) is confirmed:
                del self._waiting[channel]  # nobody waits now: the confirmation ends a gap

    def hear(self, channels: Collection[str]) -> None:
        """Want these channels without waiting for the confirmation."""
        self._wanted.update(channels)
        self._changed.set()

    def unwant(self, channels: Collection[str]) -> None:
        for channel in channels:
            self._wanted[channel] -= 1
            if self._wanted[channel] <= 0:
                del self._wanted[channel]
        self._changed.set()

    async def _listen_forever(self) -> None:
        pause = 0.1
        while True:
            try:
                async with self._listener.pubsub() as pubsub:
                    await pubsub.subscribe(self._own)
                    self.listening_since = time.monotonic()
                    logger.info("listening to Redis")
                    pause = 0.1
                    await self._listen(pubsub)
            except FAILURES as error:
                logger.warning("not listening to Redis: %s", type(error).__name__)
            self.listening_since = float("inf")
            self._last_heard = float("-inf")
            self.metrics.reconnects += 1
            self.send(self._own, b"")  # tells at once whether it is Redis that is away
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.5)

    async def _listen(self, pubsub: Any) -> None:
        self._heard = set()
        self._changed.set()
        renewed, taken = time.monotonic(), 0
        loop = asyncio.get_running_loop()
        following = loop.create_task(self._follow_wishes(pubsub))
        try:
            async with asyncio.timeout(DEAF_SECONDS) as silence:
                while True:
                    message = await pubsub.get_message(timeout=None)
                    self._last_heard = time.monotonic()
                    if self._last_heard - renewed >= RENEWAL_SECONDS:
                        renewed = self._last_heard
                        silence.reschedule(loop.time() + DEAF_SECONDS)
                    if message["type"] == "message":
                        self._receive(message["channel"].decode(), message["data"])
                    elif message["type"] == "subscribe":
                        self._confirm(message["channel"].decode())
                    if following.done():
                        await following
                    taken += 1
                    if taken % MESSAGES_IN_TURN == 0:
                        await asyncio.sleep(0)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow_wishes(self, pubsub: Any) -> None:
        """Keep what Redis was asked for equal to what is wanted, a batch each loop turn."""
        asked: set[str] = set()
        while True:
            await self._changed.wait()
            await asyncio.sleep(0)
            self._changed.clear()
            missing = self._wanted.keys() - asked
            surplus = asked - self._wanted.keys()
            if surplus:
                self._heard -= surplus
                asked -= surplus
                await pubsub.unsubscribe(*surplus)
            if missing:
                asked |= missing
                await pubsub.subscribe(*missing)

    def _confirm(self, channel: str) -> None:
        if channel not in self._wanted:
            return
        self._heard.add(channel)
        waiting = self._waiting.pop(channel, None)
        if waiting is None:
            self.on_gap([channel])
        elif not waiting.done():
            waiting.set_result(None)

    def _receive(self, channel: str, payload: bytes) -> None:
        self.metrics.received += 1
        handler = self.handlers.get(channel)
        if handler is not None:
            handler(payload)
        elif payload == LOSS:
            self.on_gap([channel])
        else:
            self.on_message(channel, payload)

    # Sending

    def send(self, channel: str, payload: bytes) -> None:
        """Queue a message. Never waits; what does not fit into the queue is lost."""
        if self._queued_bytes + len(payload) > QUEUE_BYTES:
            self._lose([channel])
            return
        self._queue.append((channel, payload))
        self._queued_bytes += len(payload)
        self._filled.set()
        self._emptied.clear()

    async def _send_forever(self) -> None:
        while True:
            await self._filled.wait()
            count = min(len(self._queue), PIPELINE_MESSAGES)
            batch = [self._queue.popleft() for _ in range(count)]
            self._queued_bytes -= sum(len(payload) for _, payload in batch)
            if not self._queue:
                self._filled.clear()
            try:
                async with asyncio.timeout(PUBLISH_SECONDS):
                    async with self._sender.pipeline(transaction=False) as pipeline:
                        for channel, payload in batch:
                            pipeline.publish(channel, payload)
                        await pipeline.execute()
            except FAILURES as error:
                self._lose([channel for channel, _ in batch])
                if self._sending_works:
                    logger.warning("cannot publish to Redis: %s", type(error).__name__)
                self._sending_works = False
                await asyncio.sleep(0.1)
                self.send(self._own, b"")  # losses are told as soon as Redis takes this
            else:
                self.metrics.sent += len(batch)
                self._sending_works = True
                self._tell_losses()
                if not self._queue:
                    self._emptied.set()

    def _lose(self, channels: Sequence[str]) -> None:
        """Count and remember them, but those that were meant for this node alone."""
        missed = [channel for channel in channels if channel != self._own]
        self.metrics.lost += len(missed)
        if len(self._lost) < LOST_CHANNELS:
            self._lost.update(missed)

    def _tell_losses(self) -> None:
        lost, self._lost = self._lost, set()
        for channel in lost:
            self.send(channel, LOSS)

    async def _beat_forever(self) -> None:
        while True:
            self.send(self._own, b"")
            await asyncio.sleep(HEARTBEAT_SECONDS)
