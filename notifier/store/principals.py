"""A principal as text, for the stores that keep it behind a ticket."""

from __future__ import annotations

from dataclasses import asdict

import orjson

from notifier.core.models import Principal


def principal_text(principal: Principal) -> str:
    return orjson.dumps(asdict(principal), default=sorted).decode()


def principal_from(text: str) -> Principal:
    fields = orjson.loads(text)
    sets = {name: frozenset(fields[name]) for name in ("roles", "scopes")}
    return Principal(**{**fields, **sets})
