"""Who may do and see what, as a table."""

from __future__ import annotations

import pytest

from notifier.core import policy
from notifier.core.models import Preferences, Principal, Subscriber, Watermark
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


@pytest.mark.parametrize(
    ("kind", "channels", "muted"),
    [
        ("info", {}, False),
        ("info", {"bell": True}, False),
        ("info", {"toast": False, "push": False}, False),
        ("info", {"bell": False}, True),
        ("security", {"bell": False}, False),
    ],
)
def test_a_type_is_muted_without_its_bell(
    kind: str, channels: dict[str, bool], muted: bool
) -> None:
    """Unless the type cannot be switched off, whatever the stored preferences say."""
    decision = policy.is_muted(TYPES[kind], Preferences({kind: channels}))
    assert decision.allowed is muted
    assert kind in decision.reason


def test_hidden_is_what_is_muted_or_for_others() -> None:
    """Both kinds of withholding come together in one set."""
    muting = Preferences({"info": {"bell": False}, "security": {"bell": False}})
    assert policy.hidden_types(TYPES, ["guest"], muting) == {"info", "alert"}
    assert policy.hidden_types(TYPES, ["admin"], Preferences()) == frozenset()


def test_audiences_follow_from_token_and_subscriptions() -> None:
    """The user's own first, roles of the token, topics of the subscriber, everyone."""
    ada = Principal("ada", roles=frozenset({"b", "a"}))
    assert policy.audiences_of(ada, {"news"}) == (
        "user:ada",
        "role:a",
        "role:b",
        "topic:news",
        "everyone",
    )


def test_a_view_starts_at_the_floors_of_the_subscriber() -> None:
    """A log without a floor is visible from its start; logs one has left are not in the view."""
    subscriber = Subscriber(
        "ada", watermarks={"everyone": Watermark(floor=9), "role:former": Watermark(floor=3)}
    )
    view = policy.view_of(Principal("ada"), subscriber, TYPES)
    assert view.floors == {"user:ada": 0, "everyone": 9}
    assert view.hidden_types == {"alert"}
