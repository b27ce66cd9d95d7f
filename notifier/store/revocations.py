"""A revocation as rows, one for each thing that was taken from tokens issued until some time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from notifier.core.models import Revocation

Row = tuple[str, str, int]
"""User, role, and the time in milliseconds."""

ALL = ""
"""Stands in the place of a role for the whole token; no role has this name."""


def rows_of(revocation: Revocation) -> Iterator[tuple[str, int]]:
    if revocation.tokens is not None:
        yield ALL, revocation.tokens
    yield from revocation.roles.items()


def revocations_of(rows: Iterable[Row]) -> dict[str, Revocation]:
    found: dict[str, dict[str, int]] = {}
    for user, role, until in rows:
        found.setdefault(user, {})[role] = until
    return {
        user: Revocation(times.get(ALL), {r: until for r, until in times.items() if r != ALL})
        for user, times in found.items()
    }
