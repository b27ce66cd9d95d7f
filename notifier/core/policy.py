"""Who may do and see what: pure decisions that return their reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from notifier.core.models import (
    ADMIN,
    EVERYONE,
    PUBLISH,
    Preferences,
    Principal,
    Revocation,
    Subscriber,
    View,
)
from notifier.core.types import NotificationType


class Decision(NamedTuple):
    """``allowed``, and why (not): a sentence for the person who asks."""

    allowed: bool
    reason: str


def may_publish(caller: Principal) -> Decision:
    """Whether the caller may publish and withdraw at all."""
    if caller.scopes & {PUBLISH, ADMIN}:
        return Decision(True, "The caller has a scope for publishing.")
    return Decision(False, f"Publishing needs the scope {PUBLISH}.")


def may_administer(caller: Principal) -> Decision:
    """Whether the caller may take back what other users' tokens say."""
    if ADMIN in caller.scopes:
        return Decision(True, "The caller has the scope for administration.")
    return Decision(False, f"This needs the scope {ADMIN}.")


def is_revoked(caller: Principal, revocation: Revocation) -> Decision:
    """Whether the caller's token as a whole has been taken back."""
    if revocation.tokens is not None and caller.issued_at <= revocation.tokens:
        return Decision(True, "The token was revoked after it was issued; get a new one.")
    return Decision(False, "The token was issued after the last revocation.")


def roles_left(caller: Principal, revocation: Revocation) -> frozenset[str]:
    """The roles that the caller's token still proves."""
    return frozenset(
        role for role in caller.roles if caller.issued_at > revocation.roles.get(role, -1)
    )


def may_receive(kind: NotificationType, roles: Collection[str]) -> Decision:
    """Whether somebody with these roles may receive notifications of this type."""
    if kind.roles is None:
        return Decision(True, f"Anybody may receive the type {kind.name}.")
    held = sorted(kind.roles.intersection(roles))
    if held:
        return Decision(True, f"The role {held[0]} may receive the type {kind.name}.")
    return Decision(
        False, f"The type {kind.name} is for the roles {', '.join(sorted(kind.roles))}."
    )


def is_muted(kind: NotificationType, preferences: Preferences) -> Decision:
    """Whether the user has switched the type off and is allowed to."""
    if kind.name not in preferences.muted:
        return Decision(False, f"The user receives the type {kind.name}.")
    if not kind.mutable:
        return Decision(False, f"The type {kind.name} cannot be switched off.")
    return Decision(True, f"The user has switched the type {kind.name} off.")


def hidden_types(
    types: Mapping[str, NotificationType], roles: Collection[str], preferences: Preferences
) -> frozenset[str]:
    """The types that a user neither sees nor has counted."""
    return frozenset(
        name
        for name, kind in types.items()
        if not may_receive(kind, roles).allowed or is_muted(kind, preferences).allowed
    )


def audiences_of(caller: Principal, topics: Collection[str]) -> tuple[str, ...]:
    """The audiences that a user belongs to, by token and subscription; the user's own first."""
    return (
        f"user:{caller.id}",
        *(f"role:{role}" for role in sorted(caller.roles)),
        *(f"topic:{topic}" for topic in sorted(topics)),
        EVERYONE,
    )


def view_of(
    caller: Principal, subscriber: Subscriber, types: Mapping[str, NotificationType]
) -> View:
    """What this user may see."""
    return View(
        user=caller.id,
        floors={
            audience: subscriber.watermark(audience).floor
            for audience in audiences_of(caller, subscriber.topics)
        },
        hidden_types=hidden_types(types, caller.roles, subscriber.preferences),
    )
