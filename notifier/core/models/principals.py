"""Who calls, and what of their credentials was taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PUBLISH = "notifications:publish"
ADMIN = "notifications:admin"
TOPICS = "notifications:topics"


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller: a user with roles, or a service with a key.

    ``expires_at`` and ``issued_at`` are in milliseconds. A service key has no expiry; a token that
    does not say when it was issued counts as issued at 0.
    """

    id: str
    is_service: bool = False
    name: str = ""
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    expires_at: int | None = None
    issued_at: int = 0

    @property
    def publisher(self) -> str:
        """The owner of what this caller publishes, and of its idempotency keys."""
        return f"{'service' if self.is_service else 'user'}:{self.id}"


@dataclass(frozen=True, slots=True)
class Revocation:
    """What one user's tokens are good for no longer, by when they were issued (milliseconds).

    ``tokens``: those issued until then prove nothing. ``roles``: those issued until then do not
    prove this role.
    """

    tokens: int | None = None
    roles: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """An API key of an internal service, without its secret: only a SHA-256 of it is kept."""

    id: str
    name: str
    digest: str
    scopes: frozenset[str]
    created_at: int
    revoked_at: int | None = None
