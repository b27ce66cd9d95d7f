"""Everything that comes from outside, field by field. Unknown fields are refused by name."""

from __future__ import annotations

import contextlib
import re
from typing import Any
from urllib.parse import urlsplit

import orjson
from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from notifier.core.loading import PlainNested, PlainSchema
from notifier.core.models import (
    CHANNELS,
    DAYS,
    DIGESTS,
    Cursor,
    Priority,
    QuietHours,
    Ref,
    clock_minutes,
    in_milliseconds,
    is_name,
    is_zone,
    parse_audience,
)

MAX_AUDIENCES = 10_000
MAX_EXCLUDED = 1_000
MAX_IDS = 500
MAX_BATCH = 500
MAX_DATA_BYTES = 4_096
MAX_DATA_DEPTH = 16
MAX_REVOKED_ROLES = 50
MAX_TTL = 366 * 86_400
MAX_PAGE = 100
MAX_QUIET_HOURS = 10
DEFAULT_PAGE = 20
MAX_WAIT = 50.0
"""Seconds of a poll. Routers of the Heroku kind cut after 55 s without a byte."""
DEFAULT_WAIT = 25.0

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202d\u202e\ud800-\udfff]")
"""Characters that draw nothing and can garble a log, a terminal or a card: the C0 and C1 controls,
line and paragraph separators, the overrides of text direction, and halves of characters."""


def _text(limit: int, *, lines: bool = False, **options: Any) -> fields.String:
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


def _url(**options: Any) -> fields.String:
    return fields.String(validate=[validate.Length(1, 2048), _check_url], **options)


def _check_name(value: str) -> None:
    if not is_name(value):
        raise ValidationError("Must be 1 to 128 printable characters without white space.")


class _Audience(fields.String):
    """An audience such as ``user:42``, ``role:admin``, ``topic:news`` or ``everyone``."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return parse_audience(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class _Audiences(fields.List[str]):
    """One audience or a list of them, without repetitions, in the order given."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_Audience(), **options)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[str | None]:
        if isinstance(value, str):
            with contextlib.suppress(ValueError):  # what is wrong is told below
                return [parse_audience(value)]
        if isinstance(value, list) and len(value) > MAX_AUDIENCES:
            raise ValidationError(f"At most {MAX_AUDIENCES} audiences.")
        listed = value if isinstance(value, list) else [value]
        return list(dict.fromkeys(super()._deserialize(listed, attr, data, **kwargs)))


class _EntryId(fields.String):
    """The public id of an entry, ``17@user:42``."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return Ref.parse(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class _Cursor(fields.Field[Cursor]):
    """A cursor as text or as a mapping."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Cursor:
        try:
            return Cursor.parse(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class _Table(fields.Dict):
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


class _Data(fields.Dict):
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


class SenderSchema(PlainSchema):
    """Who caused the notification."""

    id = fields.String(validate=_check_name)
    name = _text(100)
    avatar = _url()


class ActionSchema(PlainSchema):
    """A button on the card: a label and where it leads."""

    label = _text(40, required=True)
    url = _url(required=True)


def _check_excluded(audiences: list[str]) -> None:
    if any(not audience.startswith("user:") for audience in audiences):
        raise ValidationError("Only users can be left out.")


class NotificationSchema(PlainSchema):
    """A notification as published."""

    to = _Audiences(required=True, validate=validate.Length(1, MAX_AUDIENCES))
    title = _text(200, required=True)
    type = fields.String(validate=validate.Length(1, 64))
    priority = fields.Enum(Priority, by_value=True)
    body = _text(2000, lines=True, allow_none=True)
    sender = PlainNested(SenderSchema, allow_none=True)
    icon = fields.String(validate=validate.Regexp(r"^[a-z][a-z0-9-]{0,31}\Z"), allow_none=True)
    url = _url(allow_none=True)
    data = _Data(allow_none=True)
    actions = fields.List(
        PlainNested(ActionSchema), validate=validate.Length(max=3), allow_none=True
    )
    ttl = fields.Integer(strict=True, validate=validate.Range(1, MAX_TTL), allow_none=True)
    deliver_at = fields.AwareDateTime(format="iso", allow_none=True)
    collapse_key = _text(128, allow_none=True)
    excluded = _Audiences(
        data_key="except",
        load_default=list,
        validate=[validate.Length(max=MAX_EXCLUDED), _check_excluded],
    )


class BatchSchema(Schema):
    """Notifications, each to be checked by itself."""

    notifications = fields.List(fields.Raw(), required=True, validate=validate.Length(1, MAX_BATCH))


class PageSchema(PlainSchema):
    """Which part of the feed."""

    limit = fields.Integer(load_default=DEFAULT_PAGE, validate=validate.Range(1, MAX_PAGE))
    before = _Cursor(load_default=None, allow_none=True)
    unread = fields.Boolean(load_default=False)
    type = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 64))


class SyncSchema(Schema):
    """Where the reader stands."""

    since = _Cursor(required=True)


class StreamSchema(Schema):
    """Where the reader stands; without ``since`` it is a first visit."""

    since = _Cursor(load_default=None)


class PollSchema(StreamSchema):
    """The same, and for how many seconds to wait for something new."""

    wait = fields.Float(load_default=DEFAULT_WAIT, validate=validate.Range(0, MAX_WAIT))


class ChangeSchema(Schema):
    """Which entries to change: some by id, or all up to a cursor."""

    ids = fields.List(_EntryId(), validate=validate.Length(1, MAX_IDS))
    all = fields.Boolean()
    cursor = _Cursor()

    @validates_schema
    def _one_way(self, data: dict[str, Any], **_: Any) -> None:
        if "ids" in data and ("all" in data or "cursor" in data):
            raise ValidationError("Give either ids, or all with a cursor.", "ids")
        if "ids" not in data and not data.get("all"):
            raise ValidationError('Give ids, or "all": true with a cursor.', "ids")
        if data.get("all") and "cursor" not in data:
            raise ValidationError("Say up to where: the cursor of the feed you show.", "cursor")


class UnreadSchema(Schema):
    """Which entries to mark as unread."""

    ids = fields.List(_EntryId(), required=True, validate=validate.Length(1, MAX_IDS))


class SeenSchema(Schema):
    """Up to where everything has been seen."""

    cursor = _Cursor(required=True)


class _Moment(fields.AwareDateTime):
    """A time with its zone, as milliseconds since 1970."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        return in_milliseconds(super()._deserialize(value, attr, data, **kwargs))


class _ClockTime(fields.String):
    """A time of the day such as 22:00, as minutes since midnight."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not _CLOCK.fullmatch(text):
            raise ValidationError("Must be a time from 00:00 to 23:59.")
        return clock_minutes(text)


_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _check_zone(name: str) -> None:
    if not is_zone(name):
        raise ValidationError("Not a time zone such as Europe/Berlin.")


class QuietHoursSchema(Schema):
    """A window of the day, on some days of the week."""

    days = fields.List(
        fields.String(validate=validate.OneOf(DAYS)),
        required=True,
        validate=validate.Length(1, len(DAYS)),
    )
    start = _ClockTime(data_key="from", required=True)
    end = _ClockTime(data_key="to", required=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> QuietHours:
        return QuietHours(frozenset(data["days"]), data["start"], data["end"])


class PreferencesSchema(Schema):
    """A change of preferences: only what is given changes, what is null is as usual again."""

    types = _Table(
        keys=fields.String(validate=validate.Length(1, 64)),
        values=_Table(
            keys=fields.String(validate=validate.OneOf(CHANNELS)),
            values=fields.Boolean(allow_none=True, truthy={True}, falsy={False}),
        ),
    )
    minimum = _Table(
        keys=fields.String(validate=validate.OneOf(CHANNELS)),
        values=fields.Enum(Priority, by_value=True, allow_none=True),
    )
    muted_until = _Moment(format="iso", allow_none=True)
    quiet_hours = fields.List(
        fields.Nested(QuietHoursSchema),
        validate=validate.Length(max=MAX_QUIET_HOURS),
        allow_none=True,
    )
    time_zone = fields.String(validate=[validate.Length(1, 64), _check_zone], allow_none=True)
    digests = _Table(
        keys=fields.String(validate=validate.Length(1, 64)),
        values=fields.String(validate=validate.OneOf(DIGESTS), allow_none=True),
    )
    digest_at = _ClockTime(allow_none=True)
    sound = fields.Boolean(truthy={True}, falsy={False})

    @post_load
    def _freeze(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data.get("quiet_hours") is not None:
            data["quiet_hours"] = tuple(data["quiet_hours"])
        return data


class TopicSchema(Schema):
    """A topic, without the ``topic:`` of its audience."""

    topic = fields.String(required=True, validate=_check_name)


class ExplainSchema(Schema):
    """Which entry, and for whom."""

    entry = _EntryId(required=True)
    user = fields.String(required=True, validate=_check_name)


class RefreshSchema(Schema):
    """A fresh token for a live connection."""

    token = fields.String(required=True, validate=validate.Length(1, 8192))


class RevokeSchema(Schema):
    """What to take from the tokens of a user; without ``roles``, everything."""

    roles = fields.List(
        fields.String(validate=_check_name), validate=validate.Length(1, MAX_REVOKED_ROLES)
    )


NOTIFICATION = NotificationSchema()
BATCH = BatchSchema()
PAGE = PageSchema()
SYNC = SyncSchema()
STREAM = StreamSchema()
POLL = PollSchema()
CHANGE = ChangeSchema()
UNREAD = UnreadSchema()
SEEN = SeenSchema()
PREFERENCES = PreferencesSchema()
TOPIC = TopicSchema()
EXPLAIN = ExplainSchema()
REFRESH = RefreshSchema()
REVOKE = RevokeSchema()
