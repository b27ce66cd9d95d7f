"""A change of preferences changes what it names and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from notifier.core.models import Preferences
from notifier.errors import InvalidRequest
from tests.core.domain import ADA, TYPES, Domain

EVERYTHING = {
    "types": {"like": {"bell": True, "toast": False}},
    "minimum": {"toast": "normal", "push": "high"},
    "muted_until": "2026-01-01T08:00:00.000Z",
    "quiet_hours": [{"days": ["mon", "sun"], "from": "22:00", "to": "07:00"}],
    "time_zone": "Europe/Berlin",
    "digests": {"like": "daily", "info": "hourly"},
    "digest_at": "09:30",
    "sound": False,
}


async def change(domain: Domain, **given: Any) -> dict[str, Any]:
    return await domain.feed.set_preferences(ADA, given)


async def test_everything_can_be_chosen(domain: Domain) -> None:
    """It comes back as it went in, with a version, for this device and every other."""
    answer = await change(domain, **EVERYTHING)
    assert answer == {**EVERYTHING, "version": 1}
    assert await domain.feed.preferences(ADA) == answer
    told = next(told for told in domain.bus.told if told.event == "preferences")
    assert told.data == answer


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"sound": True}, {"sound": True}),
        (
            {"types": {"info": {"bell": False}}},
            {
                "types": {**EVERYTHING["types"], "info": {"bell": False}},
            },
        ),
        (
            {"types": {"like": {"push": False}}},
            {
                "types": {"like": {"bell": True, "toast": False, "push": False}},
            },
        ),
        ({"types": {"like": {"bell": None, "toast": None}}}, {"types": {}}),
        ({"types": {"like": {"toast": None}}}, {"types": {"like": {"bell": True}}}),
        ({"types": {}}, {}),
        (
            {"minimum": {"push": None, "bell": "low"}},
            {"minimum": {"toast": "normal", "bell": "low"}},
        ),
        ({"muted_until": None}, {"muted_until": None}),
        ({"muted_until": "2026-01-01T09:00:00+01:00"}, {}),
        ({"quiet_hours": []}, {"quiet_hours": []}),
        ({"quiet_hours": None}, {"quiet_hours": []}),
        ({"time_zone": None}, {"time_zone": "UTC"}),
        ({"digests": {"like": None}}, {"digests": {"info": "hourly"}}),
        ({"digests": {"like": "hourly"}}, {"digests": {"like": "hourly", "info": "hourly"}}),
        ({"digest_at": None}, {"digest_at": "08:00"}),
    ],
)
async def test_only_what_is_given_changes(
    domain: Domain, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    """What is null is as usual again; each change is a new version."""
    await change(domain, **EVERYTHING)
    assert await change(domain, **given) == {**EVERYTHING, **expected, "version": 2}


WINDOW = {"days": ["mon"], "from": "22:00", "to": "07:00"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"types": {"unknown": {"bell": True}}}, "types.unknown"),
        ({"types": {"security": {"toast": False}}}, "types.security"),
        ({"types": {"like": {"smoke": True}}}, "types.like.smoke"),
        ({"types": {"like": {"bell": "no"}}}, "types.like.bell"),
        ({"types": None}, "types"),
        ({"minimum": {"smoke": "low"}}, "minimum.smoke"),
        ({"minimum": {"toast": "urgent"}}, "minimum.toast"),
        ({"minimum": None}, "minimum"),
        ({"muted_until": "soon"}, "muted_until"),
        ({"muted_until": "2026-01-01T08:00:00"}, "muted_until"),
        ({"muted_until": 1_767_254_400_000}, "muted_until"),
        ({"quiet_hours": WINDOW}, "quiet_hours"),
        ({"quiet_hours": [WINDOW] * 11}, "quiet_hours"),
        ({"quiet_hours": [{**WINDOW, "days": []}]}, "quiet_hours.0.days"),
        ({"quiet_hours": [{**WINDOW, "days": ["monday"]}]}, "quiet_hours.0.days.0"),
        ({"quiet_hours": [{**WINDOW, "from": "24:00"}]}, "quiet_hours.0.from"),
        ({"quiet_hours": [{**WINDOW, "to": "7:00"}]}, "quiet_hours.0.to"),
        ({"quiet_hours": [{"days": ["mon"], "from": "22:00"}]}, "quiet_hours.0.to"),
        ({"time_zone": "Europe/Nowhere"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"digests": {"unknown": "daily"}}, "digests.unknown"),
        ({"digests": {"security": "daily"}}, "digests.security"),
        ({"digests": {"like": "weekly"}}, "digests.like"),
        ({"digest_at": "8"}, "digest_at"),
        ({"digest_at": "08:60"}, "digest_at"),
        ({"sound": None}, "sound"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_chosen_is_named(
    domain: Domain, given: dict[str, Any], field: str
) -> None:
    """And nothing of the change is kept."""
    with pytest.raises(InvalidRequest) as refusal:
        await change(domain, **{"sound": False, **given})
    assert list(refusal.value.errors) == [field]
    assert await domain.feed.preferences(ADA) == Preferences().as_dict()


async def test_changes_of_two_devices_at_once_both_take_effect(domain: Domain) -> None:
    """Each reads what the other wrote and changes that."""
    await domain.feed.visit(ADA)
    names = [name for name in TYPES if TYPES[name].mutable]
    await asyncio.gather(*(change(domain, types={name: {"bell": False}}) for name in names))
    found = await domain.feed.preferences(ADA)
    assert found["types"] == {name: {"bell": False} for name in names}
    assert found["version"] == len(names)


async def test_a_mandatory_type_may_be_told_to_stay_on(domain: Domain) -> None:
    """Only switching it off is refused."""
    answer = await change(domain, types={"security": {"push": True, "toast": None}})
    assert answer["types"] == {"security": {"push": True}}
