"""What stands in the streams, and what becomes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self, cast, get_args
from uuid import UUID

from notifier.core.models import is_name
from notifier.errors import InvalidRequest, RequestError

Op = Literal["publish", "withdraw"]

State = Literal["queued", "published", "dead"]

MAX_REASON = 1_000
"""Characters; who sends a thousand wrong fields is told of the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a service asks for: to publish ``body`` as the notification ``id``, or to withdraw it.

    ``by`` is the name of the service; ``key`` an idempotency key, without which the id is one.
    """

    op: Op
    id: str
    by: str
    body: bytes = b""
    key: str = ""

    def fields(self) -> dict[str, str | bytes]:
        """As it stands in a stream."""
        fields: dict[str, str | bytes] = {"op": self.op, "id": self.id, "by": self.by}
        if self.body:
            fields["body"] = self.body
        if self.key:
            fields["key"] = self.key
        return fields

    @property
    def record(self) -> str:
        """What is kept under its idempotency key: whose it is, and whether it says the same."""
        return f"{self.id} {fingerprint(self.body)}"

    @classmethod
    def read(cls, fields: Mapping[bytes, bytes]) -> Self:
        """Read an item of a stream; ``InvalidRequest`` if it is no message."""
        try:
            op, by = fields[b"op"].decode(), fields[b"by"].decode()
            notification_id = str(UUID(fields[b"id"].decode()))
            key = fields.get(b"key", b"").decode()
        except (KeyError, ValueError):
            raise InvalidRequest({"": ["Not a message of a publisher."]}) from None
        if op not in get_args(Op) or not is_name(by):
            raise InvalidRequest({"": ["Not a message of a publisher."]})
        body = fields.get(b"body", b"")
        return cls(op=cast("Op", op), id=notification_id, by=by, body=body, key=key)


def fingerprint(body: bytes) -> str:
    """The same for the same notification."""
    return hashlib.sha256(body).hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a notification that was handed over.

    ``published``: it is stored, under ``notification_id``. ``dead``: it never will be, for the
    ``reason``; ``code`` is that of the error. ``queued``: neither yet.
    """

    state: State
    notification_id: str
    code: str = ""
    reason: str = ""

    @classmethod
    def refused(cls, notification_id: str, error: RequestError) -> Self:
        return cls("dead", notification_id, error.code, error.detail[:MAX_REASON])

    def text(self) -> str:
        """As it is kept, once it is settled."""
        if self.state == "dead":
            return f"dead:{self.code}:{self.reason}"
        return f"published:{self.notification_id}"

    @classmethod
    def read(cls, notification_id: str, text: str) -> Self:
        """What was kept for this id."""
        state, _, rest = text.partition(":")
        if state == "dead":
            code, _, reason = rest.partition(":")
            return cls("dead", notification_id, code, reason)
        published_as = rest if state == "published" else notification_id
        return cls(cast("State", state), published_as)
