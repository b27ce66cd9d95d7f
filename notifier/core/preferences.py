"""Changes of what a user wants: only what is given changes, null takes back what was said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from notifier.core.models import Preferences
from notifier.core.types import NotificationType
from notifier.errors import InvalidRequest

_USUAL = Preferences()


def check_change(types: Mapping[str, NotificationType], change: Mapping[str, Any]) -> None:
    """Raise ``InvalidRequest`` for types that there are not, or that users cannot choose so."""
    errors = {
        **dict(_wrong_channels(types, change.get("types", {}))),
        **dict(_wrong_digests(types, change.get("digests", {}))),
    }
    if errors:
        raise InvalidRequest({path: [message] for path, message in errors.items()})


def changed(preferences: Preferences, change: Mapping[str, Any]) -> Preferences:
    """The next version of the preferences, after a change that ``PreferencesSchema`` let pass."""
    given = {name: getattr(_USUAL, name) if v is None else v for name, v in change.items()}
    for name in given.keys() & {"minimum", "digests"}:
        given[name] = _merged(getattr(preferences, name), given[name])
    if "types" in given:
        types = {n: _merged(preferences.types.get(n, {}), on) for n, on in given["types"].items()}
        given["types"] = {n: on for n, on in {**preferences.types, **types}.items() if on}
    return replace(preferences, **given, version=preferences.version + 1)


def _merged(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**before, **change}.items() if value is not None}


def _wrong_channels(
    types: Mapping[str, NotificationType], change: Mapping[str, Mapping[str, bool | None]]
) -> Iterator[tuple[str, str]]:
    for name, channels in change.items():
        kind = types.get(name)
        if kind is None:
            yield f"types.{name}", "There is no such type."
        elif not kind.mutable and False in channels.values():
            yield f"types.{name}", "This type cannot be switched off."


def _wrong_digests(
    types: Mapping[str, NotificationType], change: Mapping[str, str | None]
) -> Iterator[tuple[str, str]]:
    for name, often in change.items():
        kind = types.get(name)
        if kind is None:
            yield f"digests.{name}", "There is no such type."
        elif not kind.digest and often is not None:
            yield f"digests.{name}", "This type cannot be summed up."
