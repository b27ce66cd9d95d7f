"""Who may do and receive what: pure decisions that return their reason."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from notifier.core.models import ADMIN, PUBLISH, Principal, Revocation
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
