"""When digests come, on clocks that people live by."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from notifier.core.jobs.times import HOUR, next_digest
from notifier.core.models import Preferences, clock_minutes, in_milliseconds

BERLIN = "Europe/Berlin"


def moment(text: str, zone: str = "UTC", fold: int = 0) -> int:
    return in_milliseconds(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold))


def daily(now: int, at: str, zone: str) -> int:
    preferences = Preferences(time_zone=zone, digest_at=clock_minutes(at))
    return next_digest("daily", preferences, now)


def hourly(now: int, zone: str) -> int:
    return next_digest("hourly", Preferences(time_zone=zone), now)


@pytest.mark.parametrize(
    ("now", "zone", "at", "then"),
    [
        ("2026-05-01T07:59:59.999", "UTC", "08:00", "2026-05-01T08:00"),
        ("2026-05-01T08:00", "UTC", "08:00", "2026-05-02T08:00"),
        ("2026-12-31T23:59", "UTC", "00:00", "2027-01-01T00:00"),
        ("2026-05-01T07:00", BERLIN, "08:00", "2026-05-01T08:00"),
        ("2026-05-01T23:30", "America/New_York", "23:15", "2026-05-02T23:15"),
        ("2026-05-01T23:30", "Pacific/Kiritimati", "23:59", "2026-05-01T23:59"),
    ],
)
def test_a_daily_digest_comes_at_its_local_time(now: str, zone: str, at: str, then: str) -> None:
    """The next one after now."""
    assert daily(moment(now, zone), at, zone) == moment(then, zone)


def test_days_are_an_hour_shorter_or_longer_when_the_clock_is_moved() -> None:
    """The local time stays."""
    spring, autumn = moment("2026-03-28T08:00", BERLIN), moment("2026-10-24T08:00", BERLIN)
    assert daily(spring, "08:00", BERLIN) - spring == 23 * HOUR
    assert daily(autumn, "08:00", BERLIN) - autumn == 25 * HOUR


def test_a_time_that_is_left_out_in_spring_comes_an_hour_later() -> None:
    """02:30 does not exist on the day: 03:30 it is, once, and 02:30 again the day after."""
    first = daily(moment("2026-03-28T12:00", BERLIN), "02:30", BERLIN)
    assert first == moment("2026-03-29T03:30", BERLIN)
    assert daily(first, "02:30", BERLIN) == moment("2026-03-30T02:30", BERLIN)


def test_a_time_that_is_there_twice_in_autumn_comes_once() -> None:
    """The first of the two counts."""
    first = daily(moment("2026-10-24T12:00", BERLIN), "02:30", BERLIN)
    assert first == moment("2026-10-25T02:30", BERLIN, fold=0)
    assert daily(first, "02:30", BERLIN) == moment("2026-10-26T02:30", BERLIN)
    between = moment("2026-10-25T02:10", BERLIN, fold=1)
    assert daily(between, "02:30", BERLIN) == moment("2026-10-26T02:30", BERLIN)


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "Asia/Kolkata", "Australia/Lord_Howe"])
def test_an_hourly_digest_comes_at_full_local_hours(zone: str) -> None:
    """Also where these are not full hours elsewhere."""
    now = moment("2026-05-01T10:20", zone)
    then = hourly(now, zone)
    assert then == moment("2026-05-01T11:00", zone)
    assert hourly(then, zone) == moment("2026-05-01T12:00", zone)


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_hours_go_on_when_the_clock_is_moved(day: str) -> None:
    """None is left out, none comes twice."""
    now = moment(f"{day}T00:00", BERLIN)
    for _ in range(6):
        then = hourly(now, BERLIN)
        assert then == now + HOUR
        now = then


def test_every_zone_and_minute_has_a_next_time() -> None:
    """Also where a whole day is skipped, or the clock is moved by half an hour."""
    starts = [moment("2011-12-29T12:00", "UTC"), moment("2026-04-04T00:00", "UTC")]
    for zone in ("Pacific/Apia", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca"):
        for start in starts:
            for minutes in range(0, 1440, 45):
                preferences = Preferences(time_zone=zone, digest_at=minutes)
                then = next_digest("daily", preferences, start)
                assert start < then <= start + 50 * HOUR
