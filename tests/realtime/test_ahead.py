"""Which connections have had an entry before the hub delivers it."""

from __future__ import annotations

from notifier.core.models import Entry, Kind, Notification, Priority
from notifier.realtime.ahead import Ahead


def entry(seq: int, audience: str = "everyone") -> Entry:
    notification = Notification(
        id="n",
        kind=Kind.NOTIFICATION,
        type="info",
        priority=Priority.NORMAL,
        publisher="p",
        created_at=0,
        expires_at=1,
        content=b"}",
    )
    return Entry(audience, seq, notification)


def test_who_has_read_further_has_had_it() -> None:
    """Up to where the connection stands, in that log and no other."""
    ahead = Ahead()
    ahead.note("a", {"everyone": 3})
    ahead.note("b", {"everyone": 2, "role:admin": 9})
    assert ahead.past(entry(1)) == {"a", "b"}
    assert ahead.past(entry(2)) == {"a", "b"}
    assert ahead.past(entry(3)) == {"a"}
    assert ahead.past(entry(4)) == frozenset()
    assert ahead.past(entry(4, "role:admin")) == {"b"}


def test_nothing_is_kept_of_whom_the_hub_has_caught_up_with() -> None:
    """Whether it meets the place or, since that has expired, goes past it; nor of who has gone."""
    ahead = Ahead()
    ahead.note("meets", {"everyone": 3})
    ahead.note("passes", {"everyone": 2})
    ahead.past(entry(3))
    ahead.note("goes", {"everyone": 9, "role:admin": 9})
    ahead.forget("goes")
    ahead.forget("goes")
    assert not ahead._places
    assert not ahead._logs
