"""When digests come: on the user's own clock, whatever that does in spring and autumn."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo

from notifier.core.models import Preferences, in_milliseconds, zone

HOUR = 3_600_000


def next_digest(often: str, preferences: Preferences, now: int) -> int:
    """The first time after ``now``: the next full hour, or the next day's ``digest_at``.

    A time of day that is left out in spring comes as much later as the clock is moved; of one that
    is there twice in autumn the first counts.
    """
    local = zone(preferences.time_zone)
    if often == "hourly":
        return _next_hour(local, now)
    return _next_day(local, preferences.digest_at, now)


def _next_hour(local: tzinfo, now: int) -> int:
    shift = _moment(now, local).utcoffset()
    assert shift is not None
    ahead = int(shift.total_seconds() * 1000)
    return ((now + ahead) // HOUR + 1) * HOUR - ahead


def _next_day(local: tzinfo, minutes: int, now: int) -> int:
    today = _moment(now, local).date()
    at = time(*divmod(minutes, 60))
    days = (today + timedelta(days=number) for number in (0, 1, 2))
    times = (in_milliseconds(datetime.combine(day, at, tzinfo=local)) for day in days)
    return next(one for one in times if one > now)


def _moment(at: int, local: tzinfo) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(local)
