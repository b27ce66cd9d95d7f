"""The type catalogue: what kinds of notifications there are, and how each is treated and shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from marshmallow import Schema, ValidationError, fields, post_load, validate

from notifier.core.models import CHANNELS, Priority, is_name

DEFAULT_TYPE = "info"
"""The type of a notification that names none; every catalogue has it."""

DISPLAYS = ("bell", "toast", "modal", "browser")

DEFAULT_DISPLAY: Mapping[Priority, tuple[str, ...]] = {
    Priority.LOW: ("bell",),
    Priority.NORMAL: ("bell", "toast"),
    Priority.HIGH: ("bell", "toast"),
    Priority.CRITICAL: ("bell", "modal", "browser"),
}
"""Where a notification appears when its type does not say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationType:
    """One row of the catalogue.

    ``display`` None: the priority decides (``DEFAULT_DISPLAY``). ``ttl`` is in seconds, None: the
    server's retention. ``roles`` None: anybody may receive it. ``mutable`` False: users cannot
    switch it off.
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

    def as_dict(self) -> dict[str, Any]:
        """What clients learn of a type: all but who may receive it."""
        row = asdict(self)
        del row["name"], row["roles"], row["ttl"]
        display = DEFAULT_DISPLAY[self.priority] if self.display is None else self.display
        row["display"] = list(display)
        return row


def _check_role(name: str) -> None:
    if not is_name(name):
        raise ValidationError("Not a role name.")


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
    display = fields.List(
        fields.String(validate=validate.OneOf(DISPLAYS)), load_default=None, allow_none=True
    )
    ttl = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, 10 * 366 * 86400),
    )
    roles = fields.List(fields.String(validate=_check_role), load_default=None, allow_none=True)
    mutable = fields.Boolean(load_default=True)

    @post_load
    def _freeze(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        data["display"] = None if data["display"] is None else tuple(data["display"])
        data["roles"] = None if data["roles"] is None else frozenset(data["roles"])
        return data


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
