"""What a user wants to be shown, where, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Any, Self
from zoneinfo import ZoneInfo

from notifier.core.models.entries import Priority
from notifier.core.models.times import from_rfc3339, rfc3339

CHANNELS = ("bell", "toast", "browser", "push")
"""Where a notification can appear. Without the bell channel a type is muted altogether."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of the week, as ``datetime.weekday`` numbers them."""

DIGESTS = ("hourly", "daily")
"""How often the notifications of a type may be summed up."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A window of the day in which nothing but the bell menu changes.

    ``start`` and ``end`` are minutes since midnight on the user's clock. A window that crosses
    midnight belongs to the day on which it began; with ``start`` equal to ``end`` it lasts a day.
    """

    days: frozenset[str]
    start: int
    end: int

    def as_dict(self) -> dict[str, Any]:
        days = [day for day in DAYS if day in self.days]
        return {"days": days, "from": clock_text(self.start), "to": clock_text(self.end)}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        return cls(frozenset(row["days"]), clock_minutes(row["from"]), clock_minutes(row["to"]))


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a user wants.

    ``types`` maps a type to the channels switched on or off for it, ``minimum`` a channel to the
    lowest priority shown there, ``digests`` a type to how often it is summed up. ``muted_until`` is
    in milliseconds; until then, and in ``quiet_hours``, only the bell menu changes. ``digest_at``
    is when daily digests come, in minutes since midnight. ``time_zone`` says where the user's clock
    stands.
    """

    types: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    minimum: Mapping[str, Priority] = field(default_factory=dict)
    muted_until: int | None = None
    quiet_hours: tuple[QuietHours, ...] = ()
    time_zone: str = "UTC"
    digests: Mapping[str, str] = field(default_factory=dict)
    digest_at: int = 8 * 60
    sound: bool = True
    version: int = 0

    def as_dict(self) -> dict[str, Any]:
        """What clients get, and the stores keep."""
        until = self.muted_until
        return {
            "types": {name: dict(channels) for name, channels in self.types.items()},
            "minimum": dict(self.minimum),
            "muted_until": None if until is None else rfc3339(until),
            "quiet_hours": [window.as_dict() for window in self.quiet_hours],
            "time_zone": self.time_zone,
            "digests": dict(self.digests),
            "digest_at": clock_text(self.digest_at),
            "sound": self.sound,
            "version": self.version,
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """Read them again; what is absent, as from an earlier release, is as usual."""
        given = dict(row)
        if "minimum" in given:
            given["minimum"] = {c: Priority(lowest) for c, lowest in given["minimum"].items()}
        if given.get("muted_until") is not None:
            given["muted_until"] = from_rfc3339(given["muted_until"])
        if "quiet_hours" in given:
            given["quiet_hours"] = tuple(map(QuietHours.from_dict, given["quiet_hours"]))
        if "digest_at" in given:
            given["digest_at"] = clock_minutes(given["digest_at"])
        return cls(**given)


def clock_text(minutes: int) -> str:
    """Minutes since midnight as people write them: 22:00."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def clock_minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def zone(name: str) -> tzinfo:
    """The time zone of this name; UTC if there is none (there was, when it was chosen)."""
    return _zone(name) or UTC


def is_zone(name: str) -> bool:
    """Whether this names a time zone, such as Europe/Berlin."""
    return _zone(name) is not None


@lru_cache(maxsize=1_000)
def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # also for folders, and files that are no zone
        return None
