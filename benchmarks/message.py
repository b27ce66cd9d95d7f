"""The notification that is published: it carries the time at which it was sent.

Its reader compares that with the time at which it comes, by the clock that all processes share.
"""

from __future__ import annotations

import re
import time
from typing import Any

import orjson


def notification(user: str, at: str) -> dict[str, Any]:
    """What is published, some 300 bytes as JSON."""
    return {
        "to": f"user:{user}",
        "type": "message",
        "title": "Ada sent you a message",
        "body": "Lunch at one? The others are in already, we only need somebody to book the table.",
        "sender": {"id": "7", "name": "Ada Lovelace"},
        "url": "/chat/7",
        "data": {"chat": 7, "at": at},
    }


def stamp() -> int:
    """The time, in microseconds."""
    return time.monotonic_ns() // 1_000


BODY = orjson.dumps(notification("%b", "%b")).replace(b'"%b"}', b'"%016d"}')
"""The same as JSON, to be completed with a user and a time."""

STAMP = re.compile(rb'"at":"(\d{16})"')
"""The time in what a user receives."""
