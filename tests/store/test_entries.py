"""The rules that both stores share: numbering, keeping, withdrawing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.models import EXPIRY_GRACE, Entry, Kind, first_seq
from notifier.errors import NotFound
from notifier.store.entries import KEY_LIFE, Head, Withdrawing, stays_until
from tests.store.samples import DAY, HOUR, Clock, publication

times = st.integers(10**12, 4 * 10**12)


@given(start=times, lives=st.lists(st.integers(0, 10**11), min_size=2))
def test_numbers_are_dense_and_removal_times_rise(start: int, lives: list[int]) -> None:
    """Whatever lives how long: the next place is one further and goes later."""
    head: Head | None = None
    for i, life in enumerate(lives):
        place = Head.behind(head, stays_until=start + life, now=start + i)
        assert place.purge_at >= start + life
        if head is None:
            assert place.seq == first_seq(start)
        else:
            assert place.seq == head.seq + 1
            assert place.purge_at > head.purge_at
        head = place


@given(created=times, life=st.integers(1, 10**11), behind=st.integers(0, HOUR))
def test_a_log_starts_anew_above_its_old_numbers(created: int, life: int, behind: int) -> None:
    """Also on a node whose clock is up to an hour behind, for an entry that expired at once."""
    notification = publication(Clock(created), "everyone", lifetime=life).notification
    gone = stays_until(notification, keyed=False)
    assert gone == created + life + EXPIRY_GRACE
    assert first_seq(gone - behind) >= first_seq(created) + HOUR


def test_an_entry_with_a_key_outlives_the_key() -> None:
    """A retry on the last day of the key must find what it asks for."""
    brief = publication(Clock(10**12), "everyone", lifetime=1).notification
    assert stays_until(brief, keyed=True) > 10**12 + KEY_LIFE
    lasting = publication(Clock(10**12), "everyone", lifetime=30 * DAY).notification
    assert stays_until(lasting, keyed=True) == stays_until(lasting, keyed=False)


def test_withdrawing_tells_what_is_left_to_do() -> None:
    """Logs that were told are done; the others get a withdrawal; expired ones get none."""
    clock = Clock(10**12)
    notification = publication(clock, "a", "b", "c", publisher="service:a").notification
    told = replace(notification, kind=Kind.WITHDRAWAL, content=b"}")
    expired = replace(notification, expires_at=clock())
    entries = [
        Entry("user:a", 1, notification),
        Entry("user:b", 1, notification),
        Entry("user:b", 2, told),
        Entry("user:c", 1, expired),
    ]
    withdrawing = Withdrawing.of(entries, publisher="service:a", now=clock())
    assert withdrawing.done == [entries[2]]
    assert withdrawing.alive == entries[:2]
    assert list(withdrawing.missing) == ["user:a"]
    assert withdrawing.missing["user:a"].content == b'"ids":["1@user:a"]}'


@pytest.mark.parametrize("publisher", ["service:b", "service:a"])
def test_nothing_left_is_not_found(publisher: str) -> None:
    """Somebody else's, or all expired: the caller cannot tell which."""
    clock = Clock(10**12)
    notification = publication(clock, "a", publisher="service:a").notification
    entry = Entry("user:a", 1, notification)
    with pytest.raises(NotFound):
        Withdrawing.of([entry], publisher=publisher, now=notification.expires_at)


@given(start=times, late=st.integers(0, 10**9), first=st.booleans())
def test_what_comes_late_stays_long_enough_to_be_passed(start: int, late: int, first: bool) -> None:
    """Expired before it was written, it is kept for the grace: its number is not given again."""
    now = start + late
    head = None if first else Head(first_seq(start), start + 1)
    place = Head.behind(head, stays_until=start, now=now)
    assert place.purge_at >= now + EXPIRY_GRACE
