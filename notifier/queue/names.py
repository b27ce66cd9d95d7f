"""What the streams and keys of the queue are called in Redis, and how long what is kept."""

from __future__ import annotations

from uuid import UUID

from notifier.core.models import Priority

LANES = (Priority.CRITICAL, Priority.HIGH, Priority.NORMAL, Priority.LOW)
"""A stream, or a queue, for each priority, the most urgent first."""

GROUP = "notifier"
"""The consumer group of all nodes."""

KEPT_SECONDS = 86_400 + 3_600
"""How long outcomes and idempotency keys are kept: a day, and the hour that outcomes share."""

_HOUR = 3_600_000


class QueueNames:
    """All names start with ``prefix``, the channel in [redis]."""

    def __init__(self, prefix: str) -> None:
        self._prefix = f"{prefix}:queue"
        self.dead = f"{self._prefix}:dead"
        """The stream of dead letters."""
        self.types = f"{self._prefix}:types"
        """A hash: the priority of each type, for notifications that name none."""
        self.reader = f"{self._prefix}:reader"
        """The lease of the node that reads."""
        self.lanes = {priority: f"{self._prefix}:{priority}" for priority in LANES}

    def outcomes(self, notification_id: str) -> str:
        """A hash of what became of the notifications of one hour, by the bytes of their ids."""
        return f"{self._prefix}:outcomes:{(UUID(notification_id).int >> 80) // _HOUR}"

    def key(self, by: str, key: str) -> str:
        """What a service has published under an idempotency key: id and fingerprint.

        The space keeps two services apart: no name has one.
        """
        return f"{self._prefix}:key:{by} {key}"


def id_bytes(notification_id: str) -> bytes:
    """An id as the field of a hash: half as long."""
    return UUID(notification_id).bytes
