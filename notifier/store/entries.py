"""What both stores know about entries: where the next one stands, how long it stays, how one is
taken back.

A log loses its entries from the front only: ``purge_at`` grows from each entry to the next. Else
the last entry could go before one in front of it, and its number would be given away again, to
something that a reader who has seen the number will drop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from notifier.core.models import (
    EXPIRY_GRACE,
    Entry,
    Kind,
    Notification,
    encode_content,
    first_seq,
)
from notifier.errors import NotFound

KEY_LIFE = 86_400_000
"""Milliseconds that an idempotency key is remembered: a day, as long as any sane retry goes on."""


class Head(NamedTuple):
    """The last entry of a log: its number, and when (in milliseconds) it may be removed."""

    seq: int
    purge_at: int

    @classmethod
    def behind(cls, head: Head | None, *, stays_until: int, now: int) -> Head:
        """The place of the next entry; ``head`` None: the log is empty.

        What comes late, and has expired already, stays for the grace as well: readers have to pass
        its number before it can be given away again.
        """
        stays_until = max(stays_until, now + EXPIRY_GRACE)
        if head is None:
            return cls(first_seq(now), stays_until)
        return cls(head.seq + 1, max(stays_until, head.purge_at + 1))


def stays_until(notification: Notification, *, keyed: bool) -> int:
    """How long an entry of this notification is kept at least, in milliseconds since 1970.

    Expired for the grace, and beyond the life of an idempotency key, whose retry asks for it.
    """
    kept = notification.expires_at
    if keyed:
        kept = max(kept, notification.created_at + KEY_LIFE)
    return kept + EXPIRY_GRACE


class Withdrawing(NamedTuple):
    """What is left to do to take a notification back."""

    done: Sequence[Entry]
    alive: Sequence[Entry]
    missing: Mapping[str, Notification]

    @classmethod
    def of(cls, entries: Iterable[Entry], *, publisher: str | None, now: int) -> Withdrawing:
        """``entries`` are those of one notification. Raises ``NotFound`` if none is left to end."""
        found = [e for e in entries if publisher in (None, e.notification.publisher)]
        done = [e for e in found if e.notification.kind is Kind.WITHDRAWAL]
        alive = [
            e
            for e in found
            if e.notification.kind is not Kind.WITHDRAWAL and e.notification.expires_at > now
        ]
        if not done and not alive:
            raise NotFound("There is no such notification.")
        told = {e.audience for e in done}
        missing = {e.audience: _withdrawal(e, now) for e in alive if e.audience not in told}
        return cls(done, alive, missing)


def _withdrawal(entry: Entry, now: int) -> Notification:
    """Takes back one entry, and is worth telling as long as that entry would have been shown."""
    content = encode_content({"ids": [str(entry.ref)]})
    return replace(entry.notification, kind=Kind.WITHDRAWAL, created_at=now, content=content)


def by_log(entries: Collection[Entry]) -> dict[str, list[Entry]]:
    """The entries of each log, in the order given."""
    logs: dict[str, list[Entry]] = {}
    for entry in entries:
        logs.setdefault(entry.audience, []).append(entry)
    return logs
