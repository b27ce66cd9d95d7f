"""The part of the logs that a user sees: it follows from token, subscriber and type catalogue."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from notifier.core import display, policy
from notifier.core.models import (
    EVERYONE,
    Hidden,
    Marks,
    Preferences,
    Principal,
    Priority,
    Subscriber,
    View,
)
from notifier.core.types import NotificationType


def audiences_of(caller: Principal, topics: Collection[str]) -> tuple[str, ...]:
    """The audiences that a user belongs to, by token and subscription; the user's own first."""
    return (
        f"user:{caller.id}",
        *(f"role:{role}" for role in sorted(caller.roles)),
        *(f"topic:{topic}" for topic in sorted(topics)),
        EVERYONE,
    )


def hidden_from(
    types: Mapping[str, NotificationType], roles: Collection[str], preferences: Preferences
) -> Hidden:
    """What somebody with these roles and preferences neither sees nor has counted.

    Only types about which there is something to decide are looked at: every connection asks.
    """
    picky = types if "bell" in preferences.minimum else types.keys() & preferences.types.keys()
    return Hidden(
        frozenset(
            name
            for name, kind in types.items()
            if kind.roles is not None and not policy.may_receive(kind, roles).allowed
        ),
        frozenset(
            (name, priority)
            for name in picky
            for priority in Priority
            if not display.muting(types[name], priority, preferences).allowed
        ),
        frozenset(
            name
            for name in types.keys() & preferences.digests.keys()
            if not display.digesting(types[name], preferences).allowed
        ),
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
        hidden=hidden_from(types, caller.roles, subscriber.preferences),
    )


@dataclass(frozen=True, slots=True)
class Visit:
    """A user at one moment: the subscriber as stored and the view that follows from it."""

    subscriber: Subscriber
    view: View

    @property
    def user(self) -> str:
        return self.view.user

    @property
    def lows(self) -> dict[str, int]:
        """Behind which number each log can still show something: its floor, or what was cleared."""
        return {
            audience: max(floor, self.subscriber.watermark(audience).dismissed)
            for audience, floor in self.view.floors.items()
        }

    @property
    def marks(self) -> Marks:
        """What the user has said of single entries that can still be shown."""
        lows = self.lows
        return {
            audience: {seq: mark for seq, mark in marks.items() if seq > lows[audience]}
            for audience, marks in self.subscriber.marks.items()
            if audience in lows
        }
