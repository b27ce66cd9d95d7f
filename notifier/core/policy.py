"""Who may do and receive what: pure decisions that return their reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from notifier.core.models import (
    ADMIN,
    KINDS_OF_AUDIENCE,
    PUBLISH,
    TOPICS,
    Principal,
    Revocation,
    kind_of,
)
from notifier.core.types import NotificationType


class Decision(NamedTuple):
    """``allowed``, and why (not): a sentence for the person who asks."""

    allowed: bool
    reason: str


def may_publish(caller: Principal, types: Mapping[str, NotificationType]) -> Decision:
    """Whether there is anything that the caller may publish, and so withdraw."""
    own = (kind.scopes for kind in types.values() if kind.scopes is not None)
    if any(_lets_publish(scope) for scope in caller.scopes) or caller.scopes & set().union(*own):
        return Decision(True, "The caller has a scope for publishing.")
    return Decision(False, f"Publishing needs the scope {PUBLISH}.")


def may_send(caller: Principal, kind: NotificationType, audiences: Collection[str]) -> Decision:
    """Whether the caller may publish this type to all of these audiences."""
    if ADMIN in caller.scopes:
        return Decision(True, f"The scope {ADMIN} lets the caller send everything.")
    if kind.scopes is not None:
        return _holds_one(caller, kind)
    for target in sorted({kind_of(audience) for audience in audiences}):
        wanted = (
            PUBLISH,
            f"{PUBLISH}:*",
            f"{PUBLISH}:{kind.name}",
            f"{PUBLISH}:*:{target}",
            f"{PUBLISH}:{kind.name}:{target}",
        )
        if caller.scopes.isdisjoint(wanted):
            what = f"Sending the type {kind.name} to the audience {target}"
            return Decision(False, f"{what} needs the scope {wanted[-1]} or a wider one.")
    return Decision(True, f"The caller has a scope for sending the type {kind.name}.")


def is_for(kind: NotificationType, audiences: Collection[str]) -> Decision:
    """Whether the type may be addressed to such audiences, whoever does so."""
    if kind.audiences is None:
        return Decision(True, f"The type {kind.name} may be addressed to anybody.")
    listed = ", ".join(sorted(kind.audiences))
    found = {kind_of(audience) for audience in audiences} - kind.audiences
    return Decision(not found, f"The type {kind.name} may only be addressed to: {listed}.")


def is_scope(scope: str, types: Mapping[str, NotificationType]) -> Decision:
    """Whether a scope means anything here: what is misspelt gives no right, and no error later."""
    if scope in (PUBLISH, ADMIN, TOPICS) or any(
        scope in kind.scopes for kind in types.values() if kind.scopes is not None
    ):
        return Decision(True, "The scope is known.")
    prefix, _, rest = scope.removeprefix(PUBLISH).partition(":")
    name, colon, target = rest.partition(":")
    if not scope.startswith(f"{PUBLISH}:") or prefix:
        known = ", ".join((PUBLISH, f"{PUBLISH}:TYPE", f"{PUBLISH}:TYPE:AUDIENCE", TOPICS, ADMIN))
        return Decision(False, f"There is no scope {scope}. There are: {known}.")
    if name != "*" and name not in types:
        return Decision(False, f"{scope}: there is no type {name}.")
    if colon and target not in KINDS_OF_AUDIENCE:
        kinds = ", ".join(KINDS_OF_AUDIENCE)
        return Decision(False, f"{scope}: {target} is no kind of audience ({kinds}).")
    return Decision(True, "The scope is for publishing.")


def may_subscribe_others(caller: Principal) -> Decision:
    """Whether the caller may decide which topics other users follow."""
    if caller.scopes & {TOPICS, ADMIN}:
        return Decision(True, "The caller has a scope for other users' topics.")
    return Decision(False, f"Subscribing others needs the scope {TOPICS}.")


def _lets_publish(scope: str) -> bool:
    return scope in (PUBLISH, ADMIN) or scope.startswith(f"{PUBLISH}:")


def _holds_one(caller: Principal, kind: NotificationType) -> Decision:
    scopes = kind.scopes or frozenset()
    held = sorted(scopes & caller.scopes)
    if held:
        return Decision(True, f"The scope {held[0]} is one of the type {kind.name}.")
    needed = " or ".join(sorted(scopes))
    return Decision(False, f"Sending the type {kind.name} needs the scope {needed}.")


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
