"""The way in for python-socketio users: what a stock Redis manager emits is published.

``socketio.RedisManager(url, channel="notifier", write_only=True).emit("notification", {...},
room="user:42", namespace="/notifications")`` reaches every node that listens on the channel; the
one that holds a lease in Redis publishes it like any other notification. Redis pub/sub itself is
at-most-once: what is emitted while nobody holds the lease is gone. Every other method that such a
message may name (disconnect, enter_room, close_room ...) is ignored.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

import orjson

from notifier.core.models import PUBLISH, Principal, new_id, now_ms
from notifier.core.publishing import Publisher
from notifier.errors import RequestError, StoreUnavailable
from notifier.realtime.channels import RedisChannels
from notifier.redis.lease import Lease

logger = logging.getLogger(__name__)

QUEUE_MESSAGES = 10_000
"""Messages waiting for the store; more are dropped and counted."""

STORE_PATIENCE_SECONDS = 30.0
"""How long a message waits for a store that does not answer."""

PAUSE_SECONDS = 0.5
"""Between two tries."""

EMITTER = Principal(id="redis", is_service=True, name="Redis", scopes=frozenset({PUBLISH}))
"""Who publishes what comes this way: whoever may write to Redis."""


@dataclass(slots=True)
class InletMetrics:
    """Since the start of this node."""

    accepted: int = 0
    refused: int = 0
    dropped: int = 0


class Inlet:
    """Listens on the manager channel while this node holds the lease. ``start`` and ``close``."""

    def __init__(
        self,
        channels: RedisChannels,
        publisher: Publisher,
        *,
        channel: str,
        namespace: str,
    ) -> None:
        self.metrics = InletMetrics()
        self._publisher = publisher
        self._channel = channel
        self._namespace = namespace
        self._channels = channels
        self._lease = Lease(channels.commands, f"{channel}:inlet", channels.node)
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_MESSAGES)
        self._publishing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """All nodes listen, so that a takeover loses nothing; only the holder takes messages."""
        self._channels.handlers[self._channel] = self._take
        self._channels.hear([self._channel])
        self._lease.start()
        self._publishing = asyncio.get_running_loop().create_task(self._publish_forever())

    async def close(self) -> None:
        """Stop, and let another node take over at once."""
        if self._publishing is not None:
            self._publishing.cancel()
            await asyncio.gather(self._publishing, return_exceptions=True)
        await self._lease.close()

    @property
    def holds_lease(self) -> bool:
        """A Redis that lost its data may have given the lease to another node: what was confirmed
        before we listened to it counts no more."""
        return self._lease.held and self._lease.confirmed >= self._channels.listening_since

    def _take(self, payload: bytes) -> None:
        if not self.holds_lease:
            return
        try:
            self._queue.put_nowait(payload)
        except asyncio.QueueFull:
            self.metrics.dropped += 1

    async def _publish_forever(self) -> None:
        while True:
            payload = await self._queue.get()
            body = self._body(payload)
            if body is None:
                self.metrics.refused += 1
                continue
            try:
                await self._publish(body)
                self.metrics.accepted += 1
            except RequestError as error:
                self.metrics.refused += 1
                logger.warning("refused an emitted notification: %.300r", error.detail)
            except Exception:
                self.metrics.refused += 1
                logger.exception("an emitted notification could not be published")

    async def _publish(self, body: dict[str, Any]) -> None:
        patient_until = time.monotonic() + STORE_PATIENCE_SECONDS
        # Named before the first try: a store that failed may have kept it, and keeps it once.
        name = new_id(now_ms())
        while True:
            try:
                await self._publisher.publish(body, EMITTER, notification_id=name)
                return
            except StoreUnavailable:
                if time.monotonic() > patient_until:
                    raise
                await asyncio.sleep(PAUSE_SECONDS)

    def _body(self, payload: bytes) -> dict[str, Any] | None:
        """The notification in a manager's message; None, with a line in the log, for all else."""
        try:
            message = orjson.loads(payload)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict) or message.get("method") != "emit":
            logger.warning("ignored a message that is no emit")
            return None
        data = message.get("data")
        if (
            message.get("event") != "notification"
            or message.get("namespace") != self._namespace
            or message.get("binary")
            or not isinstance(data, list)
            or len(data) != 1
            or not isinstance(data[0], dict)
        ):
            logger.warning("ignored an emit that is no notification in %s", self._namespace)
            return None
        room = message.get("room")
        return data[0] if room is None else {**data[0], "to": room}
