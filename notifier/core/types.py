"""The type catalogue: what kinds of notifications there are, and how each is treated and shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, Self

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from notifier.core.models import CHANNELS, KINDS_OF_AUDIENCE, Priority, is_name

DEFAULT_TYPE = "info"
"""The type of a notification that names none; every catalogue has it."""

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
"""A scope as RFC 6749, 3.3, has it."""

DISPLAYS = ("bell", "toast", "modal", "browser", "push")

DEFAULT_DISPLAY: Mapping[Priority, tuple[str, ...]] = {
    Priority.LOW: ("bell",),
    Priority.NORMAL: ("bell", "toast", "push"),
    Priority.HIGH: ("bell", "toast", "browser", "push"),
    Priority.CRITICAL: ("bell", "modal", "browser", "push"),
}
"""Where a notification appears when its type does not say so."""

MAX_WINDOW = 7 * 86_400
"""Seconds for which notifications are gathered, or counted, at most."""

MAX_RATE = 1_000
"""Notifications that pass in one window at most: the stores remember each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapse:
    """Notifications with one ``collapse_key`` become one card within ``window`` seconds.

    ``title`` is that card's; in it ``{senders}`` stands for "Ada and 4 others", ``{count}`` for how
    many notifications it takes the place of.
    """

    window: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """More than ``limit`` in ``seconds`` in one log are silent: in the bell menu only."""

    limit: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationType:
    """One row of the catalogue.

    ``display`` None: the priority decides (``DEFAULT_DISPLAY``). ``ttl`` is in seconds, None: the
    server's retention. ``roles`` None: anybody may receive it. ``mutable`` False: users cannot
    switch it off. ``scopes``: one of them is needed to send it; None: those for publishing.
    ``audiences``: the kinds it may be addressed to; None: any. ``digest``: whether users may have
    it summed up.
    """

    name: str
    label: str
    icon: str
    color: str
    placement: str
    priority: Priority
    display: tuple[str, ...] | None
    ttl: int | None
    roles: frozenset[str] | None
    mutable: bool
    scopes: frozenset[str] | None
    audiences: frozenset[str] | None
    collapse: Collapse | None
    rate: Rate | None
    digest: bool

    def display_of(self, priority: Priority) -> tuple[str, ...]:
        """Where an entry of this priority may appear.

        The type's own display is meant for its own priority and what is less urgent.
        """
        if self.display is None or priority is Priority.CRITICAL:
            return DEFAULT_DISPLAY[priority]
        return self.display if priority.rank <= self.priority.rank else DEFAULT_DISPLAY[priority]

    def lifetime(self, retention: int, ttl: int | None = None) -> int:
        """How long a notification of this type lives, in milliseconds like ``retention``, which
        nothing outlives. ``ttl``: what its publisher asked for, in seconds."""
        seconds = self.ttl if ttl is None else ttl
        return retention if seconds is None else min(seconds * 1000, retention)

    def as_dict(self) -> dict[str, Any]:
        """What clients learn of a type: nothing of who may send and who may receive it.

        Without a display they, too, go by the priority of each entry.
        """
        return {
            "label": self.label,
            "icon": self.icon,
            "color": self.color,
            "placement": self.placement,
            "priority": self.priority,
            "display": None if self.display is None else list(self.display),
            "mutable": self.mutable,
            "digest": self.digest,
        }


def _check_role(name: str) -> None:
    if not is_name(name):
        raise ValidationError("Not a role name.")


def _check_scope(scope: str) -> None:
    if not _SCOPE.fullmatch(scope):
        raise ValidationError("A scope is made of visible characters without quotes.")


def _check_title(title: str) -> None:
    try:
        names = {name for _, name, spec, how in Formatter().parse(title) if name is not None}
        title.format(senders="", count=0)
    except (ValueError, LookupError, AttributeError):
        names = {""}
    if not names <= {"senders", "count"}:
        raise ValidationError("Only {senders} and {count} can be put in.")


class _CollapseSchema(Schema):
    window = fields.Integer(required=True, strict=True, validate=validate.Range(1, MAX_WINDOW))
    title = fields.String(required=True, validate=[validate.Length(1, 150), _check_title])


class _RateSchema(Schema):
    limit = fields.Integer(required=True, strict=True, validate=validate.Range(1, MAX_RATE))
    seconds = fields.Integer(required=True, strict=True, validate=validate.Range(1, MAX_WINDOW))


def _flag(**options: Any) -> fields.Boolean:
    return fields.Boolean(truthy={True}, falsy={False}, **options)


def _optional(form: fields.Field[Any]) -> fields.List[Any]:
    return fields.List(form, load_default=None, validate=validate.Length(1))


class _TypeSchema(Schema):
    label = fields.String(required=True, validate=validate.Length(1, 50))
    icon = fields.String(load_default="info", validate=validate.Regexp(r"[a-z][a-z0-9-]{0,31}\Z"))
    color = fields.String(
        load_default="grey",
        validate=validate.OneOf(
            ["grey", "blue", "green", "orange", "red", "purple", "pink", "teal"]
        ),
    )
    placement = fields.String(load_default="bottom", validate=validate.OneOf(["top", "bottom"]))
    priority = fields.Enum(Priority, by_value=True, load_default=Priority.NORMAL)
    display = fields.List(fields.String(validate=validate.OneOf(DISPLAYS)), load_default=None)
    ttl = fields.Integer(
        load_default=None, strict=True, validate=validate.Range(1, 10 * 366 * 86400)
    )
    roles = _optional(fields.String(validate=_check_role))
    mutable = _flag(load_default=True)
    scopes = _optional(fields.String(validate=_check_scope))
    audiences = _optional(fields.String(validate=validate.OneOf(KINDS_OF_AUDIENCE)))
    collapse = fields.Nested(_CollapseSchema, load_default=None)
    rate = fields.Nested(_RateSchema, load_default=None)
    digest = _flag()

    @validates_schema
    def _check_digest(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("digest") and not data.get("mutable"):
            raise ValidationError("What cannot be switched off cannot wait for a digest.", "digest")

    @post_load
    def _freeze(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        data["display"] = None if data["display"] is None else tuple(data["display"])
        for key in ("roles", "scopes", "audiences"):
            data[key] = None if data[key] is None else frozenset(data[key])
        data["collapse"] = None if data["collapse"] is None else Collapse(**data["collapse"])
        data["rate"] = None if data["rate"] is None else Rate(**data["rate"])
        return {"digest": data["mutable"], **data}


class TypeCatalogue(Mapping[str, NotificationType]):
    """All types by name."""

    def __init__(self, types: Mapping[str, NotificationType]) -> None:
        self._types = dict(types)

    @classmethod
    def load(cls, tables: Mapping[str, Any]) -> Self:
        """Read the catalogue from the tables of ``types.toml``.

        Raises ``ValidationError`` whose messages name every wrong row and key.
        """
        problems: dict[str, Any] = {}
        types: dict[str, NotificationType] = {}
        schema = _TypeSchema()
        for name, row in tables.items():
            if not name.isidentifier() or len(name) > 64:
                problems[name] = ["A type's name is made of letters, digits and _, 64 at most."]
                continue
            try:
                types[name] = NotificationType(name=name, **schema.load(row))
            except ValidationError as error:
                problems[name] = error.messages
        if DEFAULT_TYPE not in tables:
            problems[DEFAULT_TYPE] = ["This type must be there: it is the default."]
        if problems:
            raise ValidationError(problems)
        return cls(types)

    def __getitem__(self, name: str) -> NotificationType:
        return self._types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)


assert set(DISPLAYS) - {"modal"} <= set(CHANNELS)
