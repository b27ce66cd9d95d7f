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
        "security": {"label": "Security", "mutable": False},
    }
)


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ((), False),
        (("notifications:read",), False),
        (("notifications:publish",), True),
        (("notifications:admin",), True),
    ],
)
@pytest.mark.parametrize("is_service", [False, True])
def test_publishing_needs_a_scope(scopes: tuple[str, ...], allowed: bool, is_service: bool) -> None:
    """Users and services alike; the reason names the scope that is missing."""
    decision = policy.may_publish(Principal("7", is_service=is_service, scopes=frozenset(scopes)))
    assert decision.allowed is allowed
    assert allowed or "notifications:publish" in decision.reason


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
