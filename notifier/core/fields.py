"""The kinds of fields that requests have: how each is read, and what it must be."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from marshmallow import ValidationError, fields, validate

from notifier.core.models import (
    Cursor,
    Ref,
    clock_minutes,
    in_milliseconds,
    is_name,
    is_zone,
    parse_audience,
)

MAX_AUDIENCES = 10_000
"""Audiences of one notification."""

MAX_DATA_BYTES = 4_096
"""A publisher's own data, as JSON."""

MAX_DATA_DEPTH = 16
"""Levels of lists and objects in it."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202d\u202e\ud800-\udfff]")
"""Characters that draw nothing and can garble a log, a terminal or a card: the C0 and C1 controls,
line and paragraph separators, the overrides of text direction, and halves of characters."""


def text(limit: int, *, lines: bool = False, **options: Any) -> fields.String:
    """1 to ``limit`` characters, no control characters (``lines``: but for newline and tab)."""

    def printable(value: str) -> None:
        checked = value.replace("\n", "").replace("\t", "") if lines else value
        if _CONTROL.search(checked):
            raise ValidationError("Must not contain control characters.")
        if not any(char.isprintable() and not char.isspace() for char in value):
            raise ValidationError("Must not be blank.")

    return fields.String(validate=[validate.Length(1, limit), printable], **options)


def _check_url(value: str) -> None:
    """https, http or a path on the same site; nothing a browser would execute or reinterpret."""
    message = "Must be an https or http address, or a path that starts with one /."
    if _CONTROL.search(value) or "\\" in value or " " in value:
        raise ValidationError(message)
    if value.startswith("/") and not value.startswith("//"):
        return
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        raise ValidationError(message) from None
    if parts.scheme not in ("https", "http") or not host or "@" in parts.netloc:
        raise ValidationError(message)


def web_address(**options: Any) -> fields.String:
    """Where a browser may go: an address with http or https, or a path on the page's own site."""
    return fields.String(validate=[validate.Length(1, 2048), _check_url], **options)


def check_name(value: str) -> None:
    """The name of a user, a role or a topic."""
    if not is_name(value):
        raise ValidationError("Must be 1 to 128 printable characters without white space.")


class Audience(fields.String):
    """An audience such as ``user:42``, ``role:admin``, ``topic:news`` or ``everyone``."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        given = super()._deserialize(value, attr, data, **kwargs)
        try:
            return parse_audience(given)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Audiences(fields.List[str]):
    """One audience or a list of them, without repetitions, in the order given."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Audience(), **options)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[str | None]:
        if isinstance(value, str):
            with contextlib.suppress(ValueError):  # what is wrong is told below
                return [parse_audience(value)]
        if isinstance(value, list) and len(value) > MAX_AUDIENCES:
            raise ValidationError(f"At most {MAX_AUDIENCES} audiences.")
        listed = value if isinstance(value, list) else [value]
        return list(dict.fromkeys(super()._deserialize(listed, attr, data, **kwargs)))


class EntryId(fields.String):
    """The public id of an entry, ``17@user:42``."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        given = super()._deserialize(value, attr, data, **kwargs)
        try:
            return Ref.parse(given)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class CursorField(fields.Field[Cursor]):
    """A cursor as text or as a mapping."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Cursor:
        try:
            return Cursor.parse(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Table(fields.Dict):
    """A JSON object with keys of the client's choice. Errors stand under the client's keys."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        except ValidationError as error:
            if not isinstance(error.messages, dict):
                raise
            # marshmallow tells wrong keys from wrong values: {key: {"value": messages}}.
            found = {key: next(iter(why.values())) for key, why in error.messages.items()}
            raise ValidationError(found) from None


class Data(fields.Dict):
    """A JSON object of the publisher's own, passed on as it is."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError("Must be a JSON object.")
        if _depth(value) > MAX_DATA_DEPTH:
            raise ValidationError(f"Must not be nested deeper than {MAX_DATA_DEPTH} levels.")
        try:
            size = len(orjson.dumps(value))
        except (TypeError, orjson.JSONEncodeError):
            raise ValidationError("Must be JSON with whole numbers below 2^64.") from None
        if size > MAX_DATA_BYTES:
            raise ValidationError(f"Must not be longer than {MAX_DATA_BYTES} bytes of JSON.")
        return value


def _depth(value: object) -> int:
    """How deeply lists and objects are nested; stops counting just above the limit."""
    depth, level = 0, [value]
    while level and depth <= MAX_DATA_DEPTH:
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        depth += bool(level)
    return depth


class Moment(fields.AwareDateTime):
    """A time with its zone, as milliseconds since 1970. All that can be written as RFC 3339 again
    in any zone, of the times since then."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        at = in_milliseconds(super()._deserialize(value, attr, data, **kwargs))
        if not 0 <= at < _NO_MORE:
            raise ValidationError("Must be a time from 1970 to 9998.")
        return at


_NO_MORE = in_milliseconds(datetime(9999, 1, 1, tzinfo=UTC))


class ClockTime(fields.String):
    """A time of the day such as 22:00, as minutes since midnight."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        given = super()._deserialize(value, attr, data, **kwargs)
        if not _CLOCK.fullmatch(given):
            raise ValidationError("Must be a time from 00:00 to 23:59.")
        return clock_minutes(given)


_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def check_zone(name: str) -> None:
    """A time zone of the IANA database."""
    if not is_zone(name):
        raise ValidationError("Not a time zone such as Europe/Berlin.")
