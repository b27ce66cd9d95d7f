"""Where an entry is shown: the table that the client's tests read as well."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from notifier.core import display
from notifier.core.models import CHANNELS, Preferences, Priority, from_rfc3339
from notifier.core.types import TypeCatalogue
from tests.servers import REPOSITORY

CASES: list[dict[str, Any]] = orjson.loads(
    (REPOSITORY / "tests/core/display_cases.json").read_bytes()
)["cases"]


def outcomes(case: dict[str, Any]) -> dict[str, display.Outcome]:
    """What is decided about an entry of the type ``like``."""
    row = {key: value for key, value in case["type"].items() if value is not None}
    types = TypeCatalogue.load(
        {"info": {"label": "Information"}, "like": {"label": "Likes", **row}}
    )
    return display.outcomes(
        display.Case(
            type=types["like"],
            priority=Priority(case["entry"]["priority"]),
            preferences=Preferences.from_dict(case["preferences"]),
            now=from_rfc3339(case["now"]),
            silent=case["entry"].get("silent", False),
            is_digest="digest" in case["entry"],
        )
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_each_channel_is_decided_by_the_first_rule_that_speaks(case: dict[str, Any]) -> None:
    """Allowed or not, by which rule, and with a sentence that says why."""
    found = outcomes(case)
    assert {c: [o.allowed, o.rule] for c, o in found.items()} == case["channels"]
    assert all(outcome.reason.endswith(".") for outcome in found.values())


def test_every_rule_is_in_the_table() -> None:
    """A rule that no case reaches could say anything."""
    reached = {rule for case in CASES for _, rule in case["channels"].values()}
    assert reached == {
        *("display", "critical", "mandatory", "silent", "switched_off", "minimum"),
        *("muted", "quiet_hours", "digest", "allowed"),
    }
    assert all(set(case["channels"]) == set(CHANNELS) for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_the_server_hides_is_what_no_bell_shows(case: dict[str, Any]) -> None:
    """Where the display has a bell, it and what is kept from the user's logs say the same."""
    row = {key: value for key, value in case["type"].items() if value is not None}
    types = TypeCatalogue.load(
        {"info": {"label": "Information"}, "like": {"label": "Likes", **row}}
    )
    preferences = Preferences.from_dict(case["preferences"])
    priority = Priority(case["entry"]["priority"])
    hidden = not display.muting(types["like"], priority, preferences).allowed or (
        not display.digesting(types["like"], preferences).allowed
        and priority is not Priority.CRITICAL
        and "digest" not in case["entry"]
    )
    bell = case["channels"]["bell"]
    assert hidden is not (bell[0] or bell[1] == "display")
