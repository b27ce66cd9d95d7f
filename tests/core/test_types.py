"""The rules of the type catalogue."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from marshmallow import ValidationError

from notifier.core.models import Priority
from notifier.core.types import DEFAULT_DISPLAY, Collapse, Rate, TypeCatalogue
from notifier.resources import config_folder

INFO = {"label": "Information"}


def catalogue(**rows: Any) -> TypeCatalogue:
    return TypeCatalogue.load({"info": INFO, **rows})


def test_the_shipped_catalogue_loads() -> None:
    """config/types.toml holds the types of the documentation, each complete."""
    with (config_folder() / "types.toml").open("rb") as file:
        types = TypeCatalogue.load(tomllib.load(file))
    assert {"info", "message", "like", "system_alert", "security_alert", "marketing"} <= set(types)
    assert types["system_alert"].roles == {"admin", "operator"}
    assert not types["security_alert"].mutable
    assert all(types[name].name == name for name in types)


def test_only_the_label_is_required() -> None:
    """All else has a default."""
    kind = catalogue()["info"]
    assert (kind.priority, kind.display, kind.ttl, kind.roles) == ("normal", None, None, None)
    assert kind.mutable


WRONG = {
    "no table": 5,
    "no label": {},
    "empty label": {"label": ""},
    "long label": {"label": "x" * 51},
    "icon with a capital": {"icon": "Info"},
    "icon with a newline": {"icon": "info\n"},
    "unknown colour": {"color": "mauve"},
    "unknown placement": {"placement": "left"},
    "unknown priority": {"priority": "urgent"},
    "unknown display": {"display": ["bell", "smoke"]},
    "display no list": {"display": "bell"},
    "ttl of 0": {"ttl": 0},
    "ttl no whole number": {"ttl": 1.5},
    "ttl as text": {"ttl": "60"},
    "role with a space": {"roles": ["system operator"]},
    "empty role": {"roles": [""]},
    "mutable no truth": {"mutable": "perhaps"},
    "no role": {"roles": []},
    "no scope": {"scopes": []},
    "scope with a space": {"scopes": ["may send"]},
    "unknown audience": {"audiences": ["users"]},
    "collapse without a title": {"collapse": {"window": 60}},
    "collapse without a window": {"collapse": {"title": "{senders} did"}},
    "collapse for no time": {"collapse": {"window": 0, "title": "{senders} did"}},
    "collapse for too long": {"collapse": {"window": 604_801, "title": "{senders} did"}},
    "title of something else": {"collapse": {"window": 60, "title": "{sender} did"}},
    "title of an attribute": {"collapse": {"window": 60, "title": "{count.real}"}},
    "title that ends too soon": {"collapse": {"window": 60, "title": "{senders did"}},
    "title of a position": {"collapse": {"window": 60, "title": "{} did"}},
    "rate without seconds": {"rate": {"limit": 5}},
    "rate of nothing": {"rate": {"limit": 0, "seconds": 60}},
    "rate of too many": {"rate": {"limit": 1_001, "seconds": 60}},
    "digest no truth": {"digest": "hourly"},
    "unknown key": {"colour": "red"},
}


@pytest.mark.parametrize("row", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_row_is_refused_by_name(row: Any) -> None:
    """The problem stands under the name of its row, and of the key where there is one."""
    given = {"label": "Odd", **row} if row and isinstance(row, dict) else row
    with pytest.raises(ValidationError) as refusal:
        catalogue(odd=given)
    assert list(refusal.value.messages_dict) == ["odd"]
    if row and isinstance(row, dict):
        assert list(refusal.value.messages_dict["odd"]) == list(row)


@pytest.mark.parametrize("name", ["two words", "dash-ed", "1st", "", "x" * 65])
def test_a_wrong_type_name_is_refused(name: str) -> None:
    """Letters, digits and _, 64 at most: names stand in URLs, in JSON and in metrics."""
    with pytest.raises(ValidationError) as refusal:
        catalogue(**{name: INFO})
    assert list(refusal.value.messages_dict) == [name]


def test_every_wrong_row_is_named_at_once() -> None:
    """Nobody mends a catalogue one restart at a time."""
    with pytest.raises(ValidationError) as refusal:
        TypeCatalogue.load({"a": {}, "b": {"label": "B", "ttl": -1}, "c": INFO})
    assert set(refusal.value.messages_dict) == {"a", "b", "info"}


def test_the_default_type_must_be_there() -> None:
    """A notification that names no type needs one."""
    with pytest.raises(ValidationError, match="default"):
        TypeCatalogue.load({"like": INFO})


@pytest.mark.parametrize("priority", list(Priority))
def test_without_a_display_the_priority_decides(priority: Priority) -> None:
    """For each entry anew, which is why clients are told of none."""
    kind = catalogue()["info"]
    assert kind.display_of(priority) == DEFAULT_DISPLAY[priority]
    assert kind.as_dict()["display"] is None


def test_an_empty_display_is_not_the_default() -> None:
    """Whoever wants a type shown nowhere gets that."""
    assert catalogue(odd={**INFO, "display": []})["odd"].as_dict()["display"] == []


def test_clients_do_not_learn_who_else_may_receive_a_type() -> None:
    """Neither the roles nor the ttl are told."""
    row = catalogue(odd={**INFO, "roles": ["admin"], "ttl": 60})["odd"].as_dict()
    assert set(row) == {
        "label",
        "icon",
        "color",
        "placement",
        "priority",
        "display",
        "mutable",
        "digest",
    }


def test_rules_are_read() -> None:
    """Who may send it, whom to, and what happens when there are many."""
    row = {
        **INFO,
        "scopes": ["a:b", "notifications:publish:odd"],
        "audiences": ["user", "everyone"],
        "collapse": {"window": 60, "title": "{senders} did it {count} times"},
        "rate": {"limit": 5, "seconds": 60},
    }
    kind = catalogue(odd=row)["odd"]
    assert kind.scopes == {"a:b", "notifications:publish:odd"}
    assert kind.audiences == {"user", "everyone"}
    assert kind.collapse == Collapse(window=60, title="{senders} did it {count} times")
    assert kind.rate == Rate(limit=5, seconds=60)


def test_without_rules_there_are_none() -> None:
    """Nothing collapses and nothing is silent unless the catalogue says so."""
    kind = catalogue()["info"]
    assert (kind.scopes, kind.audiences, kind.collapse, kind.rate) == (None, None, None, None)


def test_what_can_be_switched_off_can_be_summed_up() -> None:
    """Unless the catalogue says no; what cannot be switched off never can."""
    types = catalogue(must={**INFO, "mutable": False}, alone={**INFO, "digest": False})
    assert {name: kind.digest for name, kind in types.items()} == {
        "info": True,
        "must": False,
        "alone": False,
    }
    with pytest.raises(ValidationError) as refusal:
        catalogue(must={**INFO, "mutable": False, "digest": True})
    assert list(refusal.value.messages_dict["must"]) == ["digest"]


@pytest.mark.parametrize(
    ("own", "priority", "display"),
    [
        ("normal", "low", ("bell", "browser")),
        ("normal", "normal", ("bell", "browser")),
        ("normal", "high", DEFAULT_DISPLAY[Priority.HIGH]),
        ("high", "critical", DEFAULT_DISPLAY[Priority.CRITICAL]),
        ("critical", "critical", DEFAULT_DISPLAY[Priority.CRITICAL]),
        ("critical", "high", ("bell", "browser")),
    ],
)
def test_a_display_is_for_the_types_own_priority_and_below(
    own: str, priority: str, display: tuple[str, ...]
) -> None:
    """What is more urgent than usual goes where its priority says."""
    kind = catalogue(odd={**INFO, "priority": own, "display": ["bell", "browser"]})["odd"]
    assert kind.display_of(Priority(priority)) == display
