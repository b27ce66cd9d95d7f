"""Everything that comes from outside, field by field. Unknown fields are refused by name."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from notifier.core.fields import (
    MAX_AUDIENCES,
    Audiences,
    ClockTime,
    CursorField,
    Data,
    EntryId,
    Moment,
    Table,
    check_name,
    check_zone,
    text,
    web_address,
)
from notifier.core.loading import PlainNested, PlainSchema
from notifier.core.models import CHANNELS, DAYS, DIGESTS, Priority, QuietHours

MAX_EXCLUDED = 1_000
MAX_IDS = 500
MAX_BATCH = 500
MAX_REVOKED_ROLES = 50
MAX_TTL = 366 * 86_400
MAX_PAGE = 100
MAX_QUIET_HOURS = 10
DEFAULT_PAGE = 20
MAX_WAIT = 50.0
"""Seconds of a poll. Routers of the Heroku kind cut after 55 s without a byte."""
DEFAULT_WAIT = 25.0


class SenderSchema(PlainSchema):
    """Who caused the notification."""

    id = fields.String(validate=check_name)
    name = text(100)
    avatar = web_address()


class ActionSchema(PlainSchema):
    """A button on the card: a label and where it leads."""

    label = text(40, required=True)
    url = web_address(required=True)


def _check_excluded(audiences: list[str]) -> None:
    if any(not audience.startswith("user:") for audience in audiences):
        raise ValidationError("Only users can be left out.")


class NotificationSchema(PlainSchema):
    """A notification as published."""

    to = Audiences(required=True, validate=validate.Length(1, MAX_AUDIENCES))
    title = text(200, required=True)
    type = fields.String(validate=validate.Length(1, 64))
    priority = fields.Enum(Priority, by_value=True)
    body = text(2000, lines=True, allow_none=True)
    sender = PlainNested(SenderSchema, allow_none=True)
    icon = fields.String(validate=validate.Regexp(r"^[a-z][a-z0-9-]{0,31}\Z"), allow_none=True)
    url = web_address(allow_none=True)
    data = Data(allow_none=True)
    actions = fields.List(
        PlainNested(ActionSchema), validate=validate.Length(max=3), allow_none=True
    )
    ttl = fields.Integer(strict=True, validate=validate.Range(1, MAX_TTL), allow_none=True)
    deliver_at = fields.AwareDateTime(format="iso", allow_none=True)
    collapse_key = text(128, allow_none=True)
    excluded = Audiences(
        data_key="except",
        load_default=list,
        validate=[validate.Length(max=MAX_EXCLUDED), _check_excluded],
    )


class BatchedSchema(NotificationSchema):
    """A notification as it stands in a batch."""

    idempotency_key = fields.String(allow_none=True)


class BatchSchema(Schema):
    """Notifications, each to be checked by itself."""

    notifications = fields.List(fields.Raw(), required=True, validate=validate.Length(1, MAX_BATCH))


class PageSchema(PlainSchema):
    """Which part of the feed."""

    limit = fields.Integer(load_default=DEFAULT_PAGE, validate=validate.Range(1, MAX_PAGE))
    before = CursorField(load_default=None, allow_none=True)
    unread = fields.Boolean(load_default=False)
    type = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 64))


class SyncSchema(Schema):
    """Where the reader stands."""

    since = CursorField(required=True)


class StreamSchema(Schema):
    """Where the reader stands; without ``since`` it is a first visit."""

    since = CursorField(load_default=None)


class PollSchema(StreamSchema):
    """The same, and for how many seconds to wait for something new."""

    wait = fields.Float(load_default=DEFAULT_WAIT, validate=validate.Range(0, MAX_WAIT))


class ChangeSchema(Schema):
    """Which entries to change: some by id, or all up to a cursor."""

    ids = fields.List(EntryId(), validate=validate.Length(1, MAX_IDS))
    all = fields.Boolean()
    cursor = CursorField()

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

    ids = fields.List(EntryId(), required=True, validate=validate.Length(1, MAX_IDS))


class SeenSchema(Schema):
    """Up to where everything has been seen."""

    cursor = CursorField(required=True)


class QuietHoursSchema(Schema):
    """A window of the day, on some days of the week."""

    days = fields.List(
        fields.String(validate=validate.OneOf(DAYS)),
        required=True,
        validate=validate.Length(1, len(DAYS)),
    )
    start = ClockTime(data_key="from", required=True)
    end = ClockTime(data_key="to", required=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> QuietHours:
        return QuietHours(frozenset(data["days"]), data["start"], data["end"])


class PreferencesSchema(Schema):
    """A change of preferences: only what is given changes, what is null is as usual again."""

    types = Table(
        keys=fields.String(validate=validate.Length(1, 64)),
        values=Table(
            keys=fields.String(validate=validate.OneOf(CHANNELS)),
            values=fields.Boolean(allow_none=True, truthy={True}, falsy={False}),
        ),
    )
    minimum = Table(
        keys=fields.String(validate=validate.OneOf(CHANNELS)),
        values=fields.Enum(Priority, by_value=True, allow_none=True),
    )
    muted_until = Moment(format="iso", allow_none=True)
    quiet_hours = fields.List(
        fields.Nested(QuietHoursSchema),
        validate=validate.Length(max=MAX_QUIET_HOURS),
        allow_none=True,
    )
    time_zone = fields.String(validate=[validate.Length(1, 64), check_zone], allow_none=True)
    digests = Table(
        keys=fields.String(validate=validate.Length(1, 64)),
        values=fields.String(validate=validate.OneOf(DIGESTS), allow_none=True),
    )
    digest_at = ClockTime(allow_none=True)
    sound = fields.Boolean(truthy={True}, falsy={False})

    @post_load
    def _freeze(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data.get("quiet_hours") is not None:
            data["quiet_hours"] = tuple(data["quiet_hours"])
        return data


class TopicSchema(Schema):
    """A topic, without the ``topic:`` of its audience."""

    topic = fields.String(required=True, validate=check_name)


class ExplainSchema(Schema):
    """Which entry, and for whom."""

    entry = EntryId(required=True)
    user = fields.String(required=True, validate=check_name)


class RefreshSchema(Schema):
    """A fresh token for a live connection."""

    token = fields.String(required=True, validate=validate.Length(1, 8192))


class RevokeSchema(Schema):
    """What to take from the tokens of a user; without ``roles``, everything."""

    roles = fields.List(
        fields.String(validate=check_name), validate=validate.Length(1, MAX_REVOKED_ROLES)
    )


NOTIFICATION = NotificationSchema()
BATCHED = BatchedSchema()
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
