"""Where an entry is shown: rules in their order, each with its reason.

The client decides by the same rules (``static/src/display``); ``tests/core/display_cases.json`` is
read by the tests of both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from notifier.core.models import CHANNELS, DAYS, Preferences, Priority, QuietHours, clock_text, zone
from notifier.core.types import NotificationType

DAY_MINUTES = 24 * 60


class Outcome(NamedTuple):
    """What is decided about one channel: ``rule`` did it, and the sentence tells why."""

    allowed: bool
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An entry of a type, and the user whose screen it may reach, at a time (milliseconds)."""

    type: NotificationType
    priority: Priority
    preferences: Preferences
    now: int
    silent: bool = False
    is_digest: bool = False


Rule = Callable[[Case, str], Outcome | None]
"""Decides about a case and a channel, or leaves that to the next rule."""


def outcomes(case: Case) -> dict[str, Outcome]:
    """What is decided about each channel."""
    return {channel: _first(_RULES, case, channel) for channel in CHANNELS}


def muting(type: NotificationType, priority: Priority, preferences: Preferences) -> Outcome:
    """Whether the user wants these at all, be it in the bell menu only."""
    case = Case(type=type, priority=priority, preferences=preferences, now=0)
    return _first(_MUTING, case, "bell")


def digesting(type: NotificationType, preferences: Preferences) -> Outcome:
    """Whether the user wants the ordinary ones of this type one by one, not summed up."""
    case = Case(type=type, priority=Priority.LOW, preferences=preferences, now=0)
    return _first(_DIGESTING, case, "bell")


def _first(rules: tuple[Rule, ...], case: Case, channel: str) -> Outcome:
    for rule in rules:
        outcome = rule(case, channel)
        if outcome is not None:
            return outcome
    return Outcome(True, "allowed", "Nothing speaks against it.")


def _displayed(case: Case, channel: str) -> Outcome | None:
    display = case.type.display_of(case.priority)
    if channel in display or (channel == "toast" and "modal" in display):
        return None
    what = f"{case.type.name} of priority {case.priority}"
    return Outcome(False, "display", f"The type {what} is not displayed there.")


def _urgent(case: Case, channel: str) -> Outcome | None:
    if case.priority is Priority.CRITICAL:
        return Outcome(True, "critical", "What is critical always gets through.")
    return None


def _mandatory(case: Case, channel: str) -> Outcome | None:
    if not case.type.mutable:
        return Outcome(True, "mandatory", f"The type {case.type.name} cannot be switched off.")
    return None


def _throttled(case: Case, channel: str) -> Outcome | None:
    if case.silent and channel != "bell":
        return Outcome(False, "silent", "Too many came at once: this one is in the bell menu only.")
    return None


def _switched_off(case: Case, channel: str) -> Outcome | None:
    name, channels = case.type.name, case.preferences.types.get(case.type.name, {})
    if channels.get("bell") is False:
        return Outcome(False, "switched_off", f"The user has switched the type {name} off.")
    if channels.get(channel) is False:
        return Outcome(
            False, "switched_off", f"The user has switched {channel} off for the type {name}."
        )
    return None


def _below_minimum(case: Case, channel: str) -> Outcome | None:
    for gate in dict.fromkeys(("bell", channel)):
        lowest = case.preferences.minimum.get(gate)
        if lowest is not None and case.priority.rank < lowest.rank:
            return Outcome(False, "minimum", f"The user wants {gate} from priority {lowest} on.")
    return None


def _paused(case: Case, channel: str) -> Outcome | None:
    until = case.preferences.muted_until
    if channel != "bell" and until is not None and case.now < until:
        return Outcome(False, "muted", "The user has paused everything but the bell menu.")
    return None


def _quiet(case: Case, channel: str) -> Outcome | None:
    window = None if channel == "bell" else quiet_hours(case.preferences, case.now)
    if window is None:
        return None
    hours = f"{clock_text(window.start)} to {clock_text(window.end)}"
    return Outcome(
        False,
        "quiet_hours",
        f"The user has quiet hours from {hours} ({case.preferences.time_zone}).",
    )


def _summed_up(case: Case, channel: str) -> Outcome | None:
    often = case.preferences.digests.get(case.type.name)
    if often is None or not case.type.digest or case.is_digest:
        return None
    return Outcome(False, "digest", f"The user has the type {case.type.name} summed up {often}.")


_EXEMPTING: tuple[Rule, ...] = (_urgent, _mandatory)

_MUTING: tuple[Rule, ...] = (*_EXEMPTING, _switched_off, _below_minimum)

_DIGESTING: tuple[Rule, ...] = (*_EXEMPTING, _summed_up)

_RULES: tuple[Rule, ...] = (
    _displayed,
    *_EXEMPTING,
    _throttled,
    _switched_off,
    _below_minimum,
    _paused,
    _quiet,
    _summed_up,
)


def quiet_hours(preferences: Preferences, now: int) -> QuietHours | None:
    """The window of quiet hours that a time (in milliseconds) lies in."""
    if not preferences.quiet_hours:
        return None
    local = datetime.fromtimestamp(now / 1000, zone(preferences.time_zone))
    minute = local.hour * 60 + local.minute
    today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
    for window in preferences.quiet_hours:
        began_today = today in window.days and window.start <= minute
        began_yesterday = yesterday in window.days
        ends = window.end if window.end > window.start else window.end + DAY_MINUTES
        if (began_today and minute < ends) or (began_yesterday and minute + DAY_MINUTES < ends):
            return window
    return None
