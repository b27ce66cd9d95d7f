"""Who may do and see what, as a table."""

from __future__ import annotations

import pytest

from notifier.core import policy
from notifier.core.models import Principal
from notifier.core.types import TypeCatalogue

TYPES = TypeCatalogue.load(
    {
        "info": {"label": "Information"},
        "alert": {"label": "Alerts", "roles": ["admin", "operator"]},
        "security": {"label": "Security", "mutable": False, "scopes": ["security:send"]},
        "friend": {"label": "Friends", "audiences": ["user", "topic"]},
    }
)


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ((), False),
        (("notifications:read",), False),
        (("notifications:publisher",), False),
        (("notifications:topics",), False),
        (("notifications:publish",), True),
        (("notifications:publish:info",), True),
        (("notifications:publish:*:user",), True),
        (("security:send",), True),
        (("notifications:admin",), True),
    ],
)
@pytest.mark.parametrize("is_service", [False, True])
def test_publishing_needs_a_scope(scopes: tuple[str, ...], allowed: bool, is_service: bool) -> None:
    """Users and services alike; the reason names the scope that is missing."""
    caller = Principal("7", is_service=is_service, scopes=frozenset(scopes))
    decision = policy.may_publish(caller, TYPES)
    assert decision.allowed is allowed
    assert allowed or "notifications:publish" in decision.reason


USER, ROLE, TOPIC, ALL = ["user:7"], ["role:admin"], ["topic:news"], ["everyone"]


@pytest.mark.parametrize(
    ("scope", "type", "to", "allowed"),
    [
        ("notifications:publish", "info", [*USER, *ROLE, *TOPIC, *ALL], True),
        ("notifications:publish", "alert", ALL, True),
        ("notifications:publish:info", "info", [*USER, *ALL], True),
        ("notifications:publish:info", "alert", USER, False),
        ("notifications:publish:*", "alert", ALL, True),
        ("notifications:publish:info:user", "info", [*USER, "user:8"], True),
        ("notifications:publish:info:user", "info", ROLE, False),
        ("notifications:publish:info:user", "info", [*USER, *ALL], False),
        ("notifications:publish:info:everyone", "info", ALL, True),
        ("notifications:publish:*:role", "alert", ROLE, True),
        ("notifications:publish:*:role", "alert", TOPIC, False),
        ("notifications:publish:alert:user", "info", USER, False),
        ("notifications:publish", "security", USER, False),
        ("notifications:publish:security", "security", USER, False),
        ("notifications:publish:*", "security", USER, False),
        ("security:send", "security", [*USER, *ALL], True),
        ("security:send", "info", USER, False),
        ("notifications:admin", "security", ALL, True),
        ("notifications:admin", "info", ALL, True),
        ("notifications:topics", "info", USER, False),
    ],
)
def test_a_scope_is_for_types_and_kinds_of_audience(
    scope: str, type: str, to: list[str], allowed: bool
) -> None:
    """A type's own scopes take the place of the general ones; the reason names what is missing."""
    decision = policy.may_send(Principal("7", scopes=frozenset({scope})), TYPES[type], to)
    assert decision.allowed is allowed
    assert allowed or "needs the scope" in decision.reason


def test_several_scopes_add_up() -> None:
    """One for each kind of audience is as good as one for all."""
    scopes = frozenset({"notifications:publish:info:user", "notifications:publish:*:topic"})
    caller = Principal("7", scopes=scopes)
    assert policy.may_send(caller, TYPES["info"], [*USER, *TOPIC]).allowed
    assert not policy.may_send(caller, TYPES["info"], [*USER, *ROLE]).allowed


@pytest.mark.parametrize(
    ("type", "to", "allowed"),
    [
        ("info", [*USER, *ROLE, *TOPIC, *ALL], True),
        ("friend", USER, True),
        ("friend", TOPIC, True),
        ("friend", ALL, False),
        ("friend", [*USER, *ROLE], False),
    ],
)
def test_a_type_says_whom_it_may_be_addressed_to(type: str, to: list[str], allowed: bool) -> None:
    """Whoever sends it."""
    decision = policy.is_for(TYPES[type], to)
    assert decision.allowed is allowed
    assert allowed or "topic, user" in decision.reason


@pytest.mark.parametrize(
    ("scope", "known"),
    [
        ("notifications:publish", True),
        ("notifications:admin", True),
        ("notifications:topics", True),
        ("notifications:publish:info", True),
        ("notifications:publish:*", True),
        ("notifications:publish:*:everyone", True),
        ("notifications:publish:info:topic", True),
        ("security:send", True),
        ("", False),
        ("notifications:publish:", False),
        ("notifications:publish:infos", False),
        ("notifications:publish:info:", False),
        ("notifications:publish:info:users", False),
        ("notifications:publish:info:user:7", False),
        ("notifications:publishing:info", False),
        ("notifications:administer", False),
        ("security:sent", False),
    ],
)
def test_a_misspelt_scope_is_known_as_such(scope: str, known: bool) -> None:
    """It names no type, no kind of audience, or nothing at all."""
    assert policy.is_scope(scope, TYPES).allowed is known


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("notifications:topics", True),
        ("notifications:admin", True),
        ("notifications:publish", False),
    ],
)
def test_subscribing_others_needs_a_scope(scope: str, allowed: bool) -> None:
    """Publishing is another matter."""
    decision = policy.may_subscribe_others(Principal("7", scopes=frozenset({scope})))
    assert decision.allowed is allowed


@pytest.mark.parametrize(
    ("kind", "roles", "allowed", "reason"),
    [
        ("info", [], True, "Anybody"),
        ("alert", ["admin"], True, "admin"),
        ("alert", ["guest", "operator"], True, "operator"),
        ("alert", ["guest"], False, "admin, operator"),
        ("alert", [], False, "admin, operator"),
    ],
)
def test_a_type_for_roles_is_for_who_has_one(
    kind: str, roles: list[str], allowed: bool, reason: str
) -> None:
    """One of the type's roles is enough; the reason names the role, or those it takes."""
    decision = policy.may_receive(TYPES[kind], roles)
    assert decision.allowed is allowed
    assert reason in decision.reason
