"""The words of Notifier as types. Immutable values; nothing here does I/O.

Times are integers: milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, Self
from urllib.parse import quote, unquote
from uuid import UUID

import orjson

EVERYONE = "everyone"
"""The audience of all users."""

AUDIENCE_KINDS = ("user", "role", "topic")

_NAME = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]{1,128}")
"""A name inside an audience: 1 to 128 printable characters without white space."""

MAX_CURSOR_TEXT = 65_536
"""Characters of a cursor's text: 200 logs with names of 128 characters, percent-encoded."""

MAX_SEQ = 2**53 - 1
"""The largest whole number that every JavaScript client can hold exactly."""


class Priority(StrEnum):
    """How urgent a notification is; decides how it is displayed unless its type says otherwise."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class Kind(StrEnum):
    """What an entry does to its log: adds a notification, or takes one back."""

    NOTIFICATION = "notification"
    WITHDRAWAL = "withdrawal"


def is_name(text: str) -> bool:
    """Whether ``text`` can name a user, a role or a topic."""
    return _NAME.fullmatch(text) is not None and text.isprintable()


def parse_audience(text: str) -> str:
    """Check an audience and return it; ``ValueError`` says what is wrong with it."""
    if text == EVERYONE:
        return text
    kind, colon, name = text.partition(":")
    if not colon or kind not in AUDIENCE_KINDS:
        raise ValueError('Must be "everyone", or start with "user:", "role:" or "topic:".')
    if not is_name(name):
        raise ValueError("The name must be 1 to 128 printable characters without white space.")
    return text


class Ref(NamedTuple):
    """The place of an entry: its log and its number there. As text ``17@user:42``."""

    audience: str
    seq: int

    def __str__(self) -> str:
        return f"{self.seq}@{self.audience}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the public id of an entry; ``ValueError`` if it is none."""
        number, at, audience = text.partition("@")
        if not at or not number.isascii() or not number.isdigit() or len(number) > 16:
            raise ValueError("Not an entry id such as 17@user:42.")
        return cls(parse_audience(audience), int(number))


class Cursor(dict[str, int]):
    """How far a reader has got in each log: audience -> seq. As text ``everyone=5;user:42=17``."""

    def __str__(self) -> str:
        return ";".join(f"{_quoted(audience)}={seq}" for audience, seq in self.items())

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a cursor from its text or from a mapping; ``ValueError`` if it is neither."""
        if isinstance(value, str):
            return cls._from_text(value)
        if isinstance(value, Mapping):
            return cls._checked(value.items())
        raise ValueError("Must be a cursor such as everyone=5;user:42=17.")

    @classmethod
    def _from_text(cls, text: str) -> Self:
        if len(text) > MAX_CURSOR_TEXT:
            raise ValueError(f"Must not be longer than {MAX_CURSOR_TEXT} characters.")
        pairs: list[tuple[object, object]] = []
        for part in text.split(";") if text else ():
            name, equals, number = part.rpartition("=")
            if not equals or not number.isascii() or not number.isdigit() or len(number) > 16:
                raise ValueError("Must be a cursor such as everyone=5;user:42=17.")
            # Bytes that are no text become characters that no name can hold.
            pairs.append((unquote(name, errors="surrogateescape"), int(number)))
        return cls._checked(pairs)

    @classmethod
    def _checked(cls, pairs: Iterable[tuple[object, object]]) -> Self:
        cursor = cls()
        for audience, seq in pairs:
            if not isinstance(audience, str):
                raise ValueError("The keys of a cursor are audiences.")
            if type(seq) is not int or not 0 <= seq <= MAX_SEQ:
                raise ValueError("The numbers of a cursor are whole and not negative.")
            cursor[parse_audience(audience)] = seq
        return cursor


@lru_cache(maxsize=65_536)
def _quoted(audience: str) -> str:
    """Every event of a stream carries a cursor: the same few names are quoted again and again."""
    return quote(audience, safe=":@")


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
    publisher: str
    created_at: int
    expires_at: int
    excluded: frozenset[str] = frozenset()
    copies: int = 1
    content: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One notification at one place in one log."""

    audience: str
    seq: int
    notification: Notification

    @property
    def ref(self) -> Ref:
        return Ref(self.audience, self.seq)

    def wire(self, *, read: bool | None = None, seen: bool | None = None) -> bytes:
        """The JSON object a client gets: in a feed with ``read`` and ``seen``, else without."""
        head = b'{"id":' + orjson.dumps(str(self.ref))
        if read is not None:
            head += b',"read":' + (b"true" if read else b"false")
        if seen is not None:
            head += b',"seen":' + (b"true" if seen else b"false")
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
    """A notification on its way into the logs of its audiences."""

    notification: Notification
    audiences: tuple[str, ...]
    key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the store made of a publication: its durable entries, in the order of the audiences.

    ``repeated`` tells a retry: the entries are those of the first call.
    """

    notification_id: str
    entries: tuple[Entry, ...]
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Watermark:
    """One user's position in one log: everything up to a number is seen, read or dismissed.

    ``floor`` is where this user's view of a shared log starts.
    """

    seen: int = 0
    read: int = 0
    dismissed: int = 0
    floor: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """One user's state for one entry. ``read`` None: the watermark decides."""

    read: bool | None = None
    dismissed: bool = False


CHANNELS = ("bell", "toast", "browser", "push")
"""Where a notification can appear. Without the bell channel a type is muted altogether."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a user wants: ``types`` maps a type to the channels switched on or off for it."""

    types: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    sound: bool = True
    version: int = 0

    @property
    def muted(self) -> frozenset[str]:
        """Types that the user has switched off altogether."""
        return frozenset(t for t, channels in self.types.items() if channels.get("bell") is False)

    def as_dict(self) -> dict[str, Any]:
        return {
            "types": {name: dict(channels) for name, channels in self.types.items()},
            "sound": self.sound,
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class Subscriber:
    """What is kept per user. Without an entry in ``watermarks`` a log is untouched."""

    user: str
    preferences: Preferences = field(default_factory=Preferences)
    topics: frozenset[str] = frozenset()
    watermarks: Mapping[str, Watermark] = field(default_factory=dict)

    def watermark(self, audience: str) -> Watermark:
        return self.watermarks.get(audience, _UNTOUCHED)


_UNTOUCHED = Watermark()


@dataclass(frozen=True, slots=True)
class View:
    """The part of the logs that one user may see: which logs, from where, without which types."""

    user: str
    floors: Mapping[str, int]
    hidden_types: frozenset[str] = frozenset()

    @property
    def audiences(self) -> tuple[str, ...]:
        return tuple(self.floors)

    def shows(self, entry: Entry) -> bool:
        """Whether this user may be shown the entry (its expiry is the store's business)."""
        floor = self.floors.get(entry.audience)
        return (
            floor is not None
            and entry.seq > floor
            and entry.notification.type not in self.hidden_types
            and self.user not in entry.notification.excluded
        )


@dataclass(frozen=True, slots=True)
class Outline:
    """What counting needs of an entry."""

    seq: int
    notification_id: str


PUBLISH = "notifications:publish"
ADMIN = "notifications:admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller: a user with roles, or a service with a key.

    ``expires_at`` and ``issued_at`` are in milliseconds. A service key has no expiry; a token that
    does not say when it was issued counts as issued at 0.
    """

    id: str
    is_service: bool = False
    name: str = ""
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    expires_at: int | None = None
    issued_at: int = 0

    @property
    def publisher(self) -> str:
        """The owner of what this caller publishes, and of its idempotency keys."""
        return f"{'service' if self.is_service else 'user'}:{self.id}"


@dataclass(frozen=True, slots=True)
class Revocation:
    """What one user's tokens are good for no longer, by when they were issued (milliseconds).

    ``tokens``: those issued until then prove nothing. ``roles``: those issued until then do not
    prove this role.
    """

    tokens: int | None = None
    roles: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """An API key of an internal service, without its secret: only a SHA-256 of it is kept."""

    id: str
    name: str
    digest: str
    scopes: frozenset[str]
    created_at: int
    revoked_at: int | None = None


def now_ms() -> int:
    """The wall clock, for what people see and for expiry. Never for timers."""
    return time.time_ns() // 1_000_000


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


def follows(seq: int, position: int) -> bool:
    """Whether an entry is the next one for who stands at ``position``; 0: the log was empty."""
    return seq == position + 1 if position else seq == first_seq(seq)


def new_id(at: int) -> str:
    """A UUIDv7 (RFC 9562): sortable by its time ``at``, random in the rest."""
    value = (at & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return str(UUID(int=value & ~(0x3 << 62) | 0x2 << 62))


def rfc3339(at: int) -> str:
    """A time as clients get it: UTC with milliseconds, for instance 2026-01-31T08:00:00.000Z."""
    seconds, millis = divmod(at, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{millis:03d}Z"
