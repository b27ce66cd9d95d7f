"""Checking what comes from outside against a schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from marshmallow import Schema, ValidationError, fields, missing

from notifier.errors import InvalidRequest


class PlainSchema(Schema):
    """A schema of fields alone, without hooks: what is given can be checked field by field.

    marshmallow goes through all fields of a schema whatever is given, which for a notification
    takes as long as the checks themselves.
    """

    @cached_property
    def _named(self) -> Mapping[str, tuple[str, fields.Field[Any]]]:
        return {field.data_key or name: (name, field) for name, field in self.load_fields.items()}

    @cached_property
    def _required(self) -> frozenset[str]:
        return frozenset(name for name, (_, field) in self._named.items() if field.required)

    @cached_property
    def _defaults(self) -> Mapping[str, Any]:
        """By attribute; what could be changed is a function, so that none is shared."""
        defaults = {name: field.load_default for name, field in self.load_fields.items()}
        return {name: default for name, default in defaults.items() if default is not missing}

    def check(self, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """What ``load`` returns; None if it would raise."""
        named = self._named
        if not named.keys() >= data.keys() >= self._required:
            return None
        loaded = {n: d() if callable(d) else d for n, d in self._defaults.items()}
        try:
            for key, value in data.items():
                name, field = named[key]
                loaded[name] = field.deserialize(value, key, data)
        except ValidationError:
            return None
        return loaded


class PlainNested(fields.Nested):
    """A part that is checked field by field as well."""

    def _deserialize(
        self, value: Any, attr: Any, data: Any, partial: Any = None, **kwargs: Any
    ) -> Any:
        schema = self.schema
        if isinstance(schema, PlainSchema) and isinstance(value, Mapping):
            checked = schema.check(value)
            if checked is not None:
                return checked
        return super()._deserialize(value, attr, data, partial, **kwargs)


def load(schema: Schema, data: object) -> dict[str, Any]:
    """Check data from outside; ``InvalidRequest`` names every wrong field by its path."""
    if not isinstance(data, Mapping):
        raise InvalidRequest({"": ["Must be a JSON object."]})
    if isinstance(schema, PlainSchema) and (checked := schema.check(data)) is not None:
        return checked
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ValidationError as error:
        raise InvalidRequest(_flatten(error.messages)) from None
    return loaded


def _flatten(messages: object, path: str = "") -> dict[str, list[str]]:
    if isinstance(messages, Mapping):
        flat: dict[str, list[str]] = {}
        for key, value in messages.items():
            inner = path if key == "_schema" else f"{path}.{key}" if path else str(key)
            flat.update(_flatten(value, inner))
        return flat
    return {path: [str(m) for m in messages] if isinstance(messages, list) else [str(messages)]}
