"""The words of Notifier as types. Immutable values; nothing here does I/O.

Times are integers: milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from notifier.core.models.audiences import (
    AUDIENCE_KINDS,
    EVERYONE,
    KINDS_OF_AUDIENCE,
    MAX_CURSOR_TEXT,
    MAX_SEQ,
    Cursor,
    Ref,
    is_name,
    kind_of,
    parse_audience,
)
from notifier.core.models.entries import (
    EXPIRY_GRACE,
    Entry,
    IdempotencyKey,
    Kind,
    Notification,
    Priority,
    Publication,
    Receipt,
    encode_content,
    first_seq,
    follows,
    new_id,
)
from notifier.core.models.preferences import (
    CHANNELS,
    DAYS,
    DIGESTS,
    Preferences,
    QuietHours,
    clock_minutes,
    clock_text,
    is_zone,
    zone,
)
from notifier.core.models.principals import (
    ADMIN,
    PUBLISH,
    TOPICS,
    Principal,
    Revocation,
    ServiceKey,
)
from notifier.core.models.subscribers import Hidden, Mark, Outline, Subscriber, View, Watermark
from notifier.core.models.times import from_rfc3339, in_milliseconds, now_ms, rfc3339

__all__ = [
    "ADMIN",
    "AUDIENCE_KINDS",
    "CHANNELS",
    "DAYS",
    "DIGESTS",
    "EVERYONE",
    "EXPIRY_GRACE",
    "KINDS_OF_AUDIENCE",
    "MAX_CURSOR_TEXT",
    "MAX_SEQ",
    "PUBLISH",
    "TOPICS",
    "Cursor",
    "Entry",
    "Hidden",
    "IdempotencyKey",
    "Kind",
    "Mark",
    "Notification",
    "Outline",
    "Preferences",
    "Principal",
    "Priority",
    "Publication",
    "QuietHours",
    "Receipt",
    "Ref",
    "Revocation",
    "ServiceKey",
    "Subscriber",
    "View",
    "Watermark",
    "clock_minutes",
    "clock_text",
    "encode_content",
    "first_seq",
    "follows",
    "from_rfc3339",
    "in_milliseconds",
    "is_name",
    "is_zone",
    "kind_of",
    "new_id",
    "now_ms",
    "parse_audience",
    "rfc3339",
    "zone",
]
