"""What follows from token, subscriber and catalogue: which logs, from where, without what."""

from __future__ import annotations

import pytest

from notifier.core.models import (
    Entry,
    Hidden,
    Kind,
    Notification,
    Preferences,
    Principal,
    Priority,
    Subscriber,
    Watermark,
)
from notifier.core.types import TypeCatalogue
from notifier.core.views import audiences_of, hidden_from, view_of

TYPES = TypeCatalogue.load(
    {
        "info": {"label": "Information"},
        "alert": {"label": "Alerts", "roles": ["admin", "operator"]},
        "security": {"label": "Security", "mutable": False},
        "order": {"label": "Orders", "digest": False},
    }
)

BELOW_CRITICAL = (Priority.LOW, Priority.NORMAL, Priority.HIGH)


def entry(type: str, priority: Priority, kind: Kind = Kind.NOTIFICATION) -> Entry:
    notification = Notification(
        id="1",
        kind=kind,
        type=type,
        priority=priority,
        publisher="p",
        created_at=0,
        expires_at=1,
        content=b"}",
    )
    return Entry("everyone", 1, notification)


def test_without_preferences_only_other_roles_types_are_hidden() -> None:
    """Whatever their priority, and in digests as well."""
    assert hidden_from(TYPES, ["admin"], Preferences()) == Hidden()
    hidden = hidden_from(TYPES, ["guest"], Preferences())
    assert hidden == Hidden(forbidden=frozenset({"alert"}))
    assert hidden.covers(entry("alert", Priority.CRITICAL))
    assert hidden.covers(entry("alert", Priority.LOW, Kind.DIGEST))
    assert not hidden.covers(entry("info", Priority.LOW))


def test_a_type_without_its_bell_is_hidden_but_for_what_is_critical() -> None:
    """Unless it cannot be switched off, whatever the stored preferences say."""
    muting = Preferences({"info": {"bell": False}, "security": {"bell": False}})
    hidden = hidden_from(TYPES, ["admin"], muting)
    assert hidden.muted == {("info", priority) for priority in BELOW_CRITICAL}
    assert not hidden.covers(entry("info", Priority.CRITICAL))
    assert hidden.covers(entry("info", Priority.HIGH, Kind.DIGEST))


def test_other_channels_hide_nothing() -> None:
    """Where the bell is, the entry is in the feed."""
    off = {"toast": False, "browser": False, "push": False}
    assert hidden_from(TYPES, ["admin"], Preferences({"info": off})) == Hidden()
    lowest = dict.fromkeys(("toast", "browser", "push"), Priority.CRITICAL)
    assert hidden_from(TYPES, ["admin"], Preferences(minimum=lowest)) == Hidden()


def test_the_lowest_priority_of_the_bell_holds_for_all_types() -> None:
    """But for those that cannot be switched off."""
    hidden = hidden_from(TYPES, ["admin"], Preferences(minimum={"bell": Priority.HIGH}))
    assert hidden.muted == {
        (type, priority)
        for type in ("info", "alert", "order")
        for priority in (Priority.LOW, Priority.NORMAL)
    }


def test_what_is_summed_up_is_hidden_but_for_its_digest() -> None:
    """And for what is critical; types that have no digest stay as they are."""
    digests = dict.fromkeys(TYPES, "daily")
    hidden = hidden_from(TYPES, ["admin"], Preferences(digests=digests))
    assert hidden == Hidden(digested=frozenset({"info", "alert"}))
    assert hidden.covers(entry("info", Priority.HIGH))
    assert not hidden.covers(entry("info", Priority.CRITICAL))
    assert not hidden.covers(entry("info", Priority.NORMAL, Kind.DIGEST))


def test_audiences_follow_from_token_and_subscriptions() -> None:
    """The user's own first, roles of the token, topics of the subscriber, everyone."""
    ada = Principal("ada", roles=frozenset({"b", "a"}))
    assert audiences_of(ada, {"news"}) == (
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
    view = view_of(Principal("ada"), subscriber, TYPES)
    assert view.floors == {"user:ada": 0, "everyone": 9}
    assert view.hidden == Hidden(forbidden=frozenset({"alert"}))


@pytest.mark.parametrize("type", ["info", "order", "security", "alert"])
@pytest.mark.parametrize("priority", Priority)
def test_what_is_critical_or_mandatory_gets_through(type: str, priority: Priority) -> None:
    """Whatever a user with the right roles prefers."""
    everything = Preferences(
        {type: {"bell": False} for type in TYPES},
        {"bell": Priority.CRITICAL},
        digests=dict.fromkeys(TYPES, "hourly"),
    )
    hidden = hidden_from(TYPES, ["admin"], everything)
    gets_through = priority is Priority.CRITICAL or type == "security"
    assert hidden.covers(entry(type, priority)) is not gets_through
