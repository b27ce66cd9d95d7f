"""What the tests of the stores publish, and the clock that they move by hand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from notifier.core.models import (
    Hidden,
    IdempotencyKey,
    Kind,
    Notification,
    Priority,
    Publication,
    View,
    encode_content,
    new_id,
    now_ms,
)

HOUR = 3_600_000
DAY = 24 * HOUR
LIFETIME = 30 * DAY

NAMES = [
    "plain",
    "a.b.c",
    "$where",
    "$",
    "quote'double\"back`tick",
    ";=%@:&?/",
    "%25",
    "ünï-ö-😀-漢字",
    "n" * 128,
    "null",
    "0",
    "__proto__",
    "*",
    "[1]",
    "{}",
]
"""Names that mean something to some database, format or language."""


@dataclass
class Clock:
    """A clock that only tests move. It starts now: MongoDB removes what expired by its own."""

    now: int = field(default_factory=now_ms)

    def __call__(self) -> int:
        return self.now

    def advance(self, milliseconds: int) -> int:
        self.now += milliseconds
        return self.now


def publication(
    clock: Clock,
    *audiences: str,
    key: str | None = None,
    fingerprint: str = "body",
    title: str = "Lunch?",
    type: str = "info",
    publisher: str = "service:app",
    excluded: Collection[str] = (),
    lifetime: int = LIFETIME,
    priority: Priority = Priority.NORMAL,
    kind: Kind = Kind.NOTIFICATION,
    silent: Collection[str] = (),
) -> Publication:
    now = clock()
    notification_id = new_id(now)
    notification = Notification(
        id=notification_id,
        kind=kind,
        type=type,
        priority=priority,
        publisher=publisher,
        created_at=now,
        expires_at=now + lifetime,
        excluded=frozenset(excluded),
        copies=len(audiences),
        content=encode_content({"notification_id": notification_id, "title": title}),
    )
    idempotency_key = None if key is None else IdempotencyKey(publisher, key, fingerprint)
    return Publication(notification, audiences, idempotency_key, frozenset(silent))


def view(user: str, *audiences: str, hidden: Collection[str] = (), **floors: int) -> View:
    """What a user sees of these logs; ``everyone=5`` gives a log a floor. ``hidden`` are types."""
    return View(user, dict.fromkeys(audiences, 0) | floors, Hidden(frozenset(hidden)))
