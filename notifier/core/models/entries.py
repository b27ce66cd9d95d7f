"""Notifications and the entries that they become, from the request to the receipt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from notifier.core.models.audiences import Ref


class Priority(StrEnum):
    """How urgent a notification is; decides how it is displayed unless its type says otherwise."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Higher is more urgent."""
        return _RANKS[self]


_RANKS = {priority: rank for rank, priority in enumerate(Priority)}


class Kind(StrEnum):
    """What an entry does to its log: adds a notification, adds one that sums up others for one
    user, or takes one back."""

    NOTIFICATION = "notification"
    DIGEST = "digest"
    WITHDRAWAL = "withdrawal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What was published, ready to stand in any number of logs.

    ``content`` is the JSON text that every reader gets, encoded once, from behind the entry's own
    ``id`` to the closing brace. ``copies`` is the number of logs the notification went to: with
    more than one, the same user may find it twice and must be shown it once.
    """

    id: str
    kind: Kind = Kind.NOTIFICATION
    type: str
    priority: Priority = Priority.NORMAL
    publisher: str
    created_at: int
    expires_at: int
    excluded: frozenset[str] = frozenset()
    copies: int = 1
    content: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """The members of ``content``, decoded anew."""
        decoded: dict[str, Any] = orjson.loads(b"{" + self.content)
        return decoded


@dataclass(frozen=True, slots=True)
class Entry:
    """One notification at one place in one log. ``silent``: it came too often to be shown
    anywhere but in the bell menu."""

    audience: str
    seq: int
    notification: Notification
    silent: bool = False

    @property
    def ref(self) -> Ref:
        return Ref(self.audience, self.seq)

    @property
    def is_ordinary(self) -> bool:
        """Whether a digest may take its place: neither critical nor a digest itself."""
        notification = self.notification
        return (
            notification.kind is Kind.NOTIFICATION
            and notification.priority is not Priority.CRITICAL
        )

    def wire(self, *, read: bool | None = None, seen: bool | None = None) -> bytes:
        """The JSON object a client gets: in a feed with ``read`` and ``seen``, else without."""
        head = b'{"id":' + orjson.dumps(str(self.ref))
        if read is not None:
            head += b',"read":' + (b"true" if read else b"false")
        if seen is not None:
            head += b',"seen":' + (b"true" if seen else b"false")
        if self.silent:
            head += b',"silent":true'
        return head + b"," + self.notification.content


def encode_content(fields: Mapping[str, Any]) -> bytes:
    """The part of an entry's JSON that is the same in every log: members and closing brace."""
    return orjson.dumps(fields)[1:]


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Makes a retried publish the same publish: unique by publisher and key.

    ``fingerprint`` is a hash of the request body: the same key with another body is a conflict.
    """

    publisher: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Publication:
    """A notification on its way into the logs of its audiences; ``silent`` ones among them get a
    silent entry.

    ``fixed``: another call of the same publish may name other logs, so a retry with the same key is
    given those of the first call, whatever it names itself.
    """

    notification: Notification
    audiences: tuple[str, ...]
    key: IdempotencyKey | None = None
    silent: frozenset[str] = frozenset()
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the store made of a publication: its durable entries, in the order of the audiences.

    ``repeated`` tells a retry: the entries are those of the first call. ``deliver_at`` is when
    there will be some, in milliseconds; None: there are.
    """

    notification_id: str
    entries: tuple[Entry, ...]
    repeated: bool = False
    deliver_at: int | None = None


EXPIRY_GRACE = 7_200_000
"""Milliseconds that a store keeps an expired entry (unseen by readers) before it is purged.

A log of which no entry is left starts anew at ``first_seq``. Because whatever stood there expired
more than two hours ago, one for the rounding and one for clocks that differ, the new numbers lie
above every number the log ever used (if it grows by fewer than 3.6 million entries an hour).
"""


def first_seq(at: int) -> int:
    """The first seq of an empty log: the time in milliseconds, rounded down to the hour.

    Rounded, so that writers who race for an empty log collide on the same number.
    """
    return at - at % 3_600_000


def follows(seq: int, position: int, *, now: int) -> bool:
    """Whether an entry is the next one for who stands at ``position``; 0: the log was empty.

    No log begins in the future. Where clocks differ this says no to a first entry that is.
    """
    return seq == position + 1 if position else seq == first_seq(seq) <= now


def new_id(at: int) -> str:
    """A UUIDv7 (RFC 9562): sortable by its time ``at``, random in the rest."""
    value = (at & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    text = f"{value & ~(0x3 << 62) | 0x2 << 62:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
