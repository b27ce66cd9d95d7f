"""Times: milliseconds since 1970-01-01 UTC; as text, RFC 3339."""

from __future__ import annotations

import functools
import time
from datetime import UTC, datetime


def now_ms() -> int:
    """The wall clock, for what people see and for expiry. Never for timers."""
    return time.time_ns() // 1_000_000


def rfc3339(at: int) -> str:
    """A time as clients get it: UTC with milliseconds, for instance 2026-01-31T08:00:00.000Z."""
    seconds, millis = divmod(at, 1000)
    return f"{_to_the_second(seconds)}.{millis:03d}Z"


@functools.lru_cache(maxsize=256)
def _to_the_second(seconds: int) -> str:
    """Kept, because what is published at a time has the same times."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def from_rfc3339(text: str) -> int:
    """The time that such a text tells, of any time zone. Raises ``ValueError``."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("A time zone is missing.")
    return in_milliseconds(moment)


def in_milliseconds(moment: datetime) -> int:
    """A time with its zone as milliseconds since 1970, rounded down."""
    return int((moment - _EPOCH).total_seconds() * 1000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
