"""A notification as a service hands it over: checked here, before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from notifier.core.loading import load
from notifier.core.models import new_id, now_ms
from notifier.core.schemas import NOTIFICATION
from notifier.errors import InvalidRequest, RequestError, TooLarge
from notifier.queue.messages import Outcome

MAX_BYTES = 1_000_000
"""Of one notification as JSON; a server takes requests of 1 MiB."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A notification that a server will take, unless its type is none of the server's.

    ``body`` is its JSON. ``id`` is made here; ``key`` is the caller's idempotency key, if any.
    """

    id: str
    body: bytes
    key: str
    type: str
    priority: str

    @classmethod
    def of(cls, notification: Mapping[str, Any]) -> Draft:
        """Check a notification as REST takes it, which may hold an ``idempotency_key``.

        Raises ``InvalidRequest`` or ``TooLarge``.
        """
        fields = {name: value for name, value in notification.items() if value is not None}
        if "except_" in fields:
            fields["except"] = fields.pop("except_")
        key = fields.pop("idempotency_key", "")
        if key and not (isinstance(key, str) and _KEY.fullmatch(key)):
            raise InvalidRequest(
                {"idempotency_key": ["Must be 1 to 255 visible ASCII characters."]}
            )
        body = _json(fields)
        load(NOTIFICATION, orjson.loads(body))
        if len(body) > MAX_BYTES:
            raise TooLarge(f"A notification must not be longer than {MAX_BYTES} bytes.")
        return cls(
            id=new_id(now_ms()),
            body=body,
            key=key,
            type=str(fields.get("type", "")),
            priority=str(fields.get("priority", "")),
        )


class Sender(Protocol):
    """A way to a server."""

    async def send(self, drafts: list[Draft]) -> list[str | RequestError]:
        """Hand all over; the id of each, or why it was refused for good, in order.

        Raises ``RequestError`` for what concerns all of them.
        """
        ...

    async def withdraw(self, notification_id: str) -> None: ...

    async def outcome(self, notification_id: str) -> Outcome: ...

    async def close(self) -> None: ...


def _json(fields: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONEncodeError) as error:
        raise InvalidRequest({"": [f"Must be JSON: {error}."]}) from None
