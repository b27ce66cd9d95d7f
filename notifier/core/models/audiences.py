"""Audiences, the places in their logs, and how far a reader has got."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple, Self
from urllib.parse import quote, unquote

EVERYONE = "everyone"
"""The audience of all users."""

AUDIENCE_KINDS = ("user", "role", "topic")

KINDS_OF_AUDIENCE = (*AUDIENCE_KINDS, EVERYONE)
"""What an audience may be; the last one stands for itself."""

_NAME = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]{1,128}")
"""A name inside an audience: 1 to 128 printable characters without white space."""

MAX_TOPICS = 100
"""Subscriptions of one user."""

MAX_ROLES = 50
"""Of one user. Each is a log that every page of a feed is merged from."""

MAX_LOGS = MAX_TOPICS + MAX_ROLES + 2
"""What one user can belong to, with the user's own log and that of everyone."""

_LONGEST_PAIR = len("topic:") + 128 * len("%F0%90%80%80") + len("=;") + 16

MAX_CURSOR_TEXT = MAX_LOGS * _LONGEST_PAIR
"""Characters of a cursor's text: all logs, with names as long as they can be percent-encoded."""

MAX_SEQ = 2**53 - 1
"""The largest whole number that every JavaScript client can hold exactly."""


def is_name(text: str) -> bool:
    """Whether ``text`` can name a user, a role, a topic or a service."""
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


def kind_of(audience: str) -> str:
    """One of ``KINDS_OF_AUDIENCE``."""
    return audience.partition(":")[0]


def topics_among(audiences: Iterable[str]) -> frozenset[str]:
    """The names of the topics."""
    return frozenset(a.removeprefix("topic:") for a in audiences if a.startswith("topic:"))


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
