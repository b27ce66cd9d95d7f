"""API keys of internal services: made once, shown once, kept as a hash.

A key reads ``nk_<id>_<secret>``. The secret has 256 random bits, so a plain SHA-256 of it can be
neither guessed nor reversed, and checking it costs next to nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from typing import NamedTuple

from notifier.core.models import ServiceKey

PREFIX = "nk_"
"""How a service key starts; no JSON Web Token does."""

_KEY = re.compile(r"nk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class ParsedKey(NamedTuple):
    """The two halves of a key: the public one to find it by, the secret one to prove it."""

    id: str
    secret: str


def create_service_key(name: str, scopes: Collection[str], now: int) -> tuple[ServiceKey, str]:
    """A new key and its text, which cannot be had again. ``now`` is in milliseconds since 1970."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = ServiceKey(
        id=key_id, name=name, digest=_digest(secret), scopes=frozenset(scopes), created_at=now
    )
    return key, f"{PREFIX}{key_id}_{secret}"


def parse_service_key(text: str) -> ParsedKey | None:
    """The halves of a key; None if the text is none."""
    found = _KEY.fullmatch(text)
    return ParsedKey(found[1], found[2]) if found else None


def matches(key: ServiceKey, secret: str) -> bool:
    """Whether the secret is that of the key and the key is live. Its time tells nothing."""
    return hmac.compare_digest(key.digest, _digest(secret)) and key.revoked_at is None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
