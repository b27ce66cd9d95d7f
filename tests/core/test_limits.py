"""The rate limit: bursts, refill, fairness, memory. Time is a number that the tests choose."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from notifier.core.limits import RateLimit


def test_allows_a_burst_of_the_whole_count_and_not_one_more() -> None:
    """Five a second means five at once."""
    limit = RateLimit(5)
    assert [limit.take("ada", 100.0) for _ in range(5)] == [0.0] * 5
    assert limit.take("ada", 100.0) > 0


def test_says_when_the_next_action_is_allowed() -> None:
    """Who waits exactly as long as told is let in, who comes a little earlier is not."""
    limit = RateLimit(6, 60.0)
    for _ in range(6):
        limit.take("ada", 0.0)
    wait = limit.take("ada", 1.0)
    assert wait == 9.0
    assert limit.take("ada", 1.0 + wait - 0.5) > 0
    assert limit.take("ada", 1.0 + wait) == 0.0


def test_a_refused_action_costs_nothing() -> None:
    """Insisting does not push the next allowed action further away."""
    limit = RateLimit(1)
    limit.take("ada", 0.0)
    for _ in range(100):
        assert limit.take("ada", 0.5) == 0.5
    assert limit.take("ada", 1.0) == 0.0


def test_looking_takes_nothing() -> None:
    """``wait`` says what ``take`` would, as often as it is asked, and remembers nobody."""
    limit = RateLimit(2)
    assert [limit.wait("ada", 0.0) for _ in range(9)] == [0.0] * 9
    assert len(limit) == 0
    limit.take("ada", 0.0)
    assert limit.wait("ada", 0.0) == 0.0
    limit.take("ada", 0.0)
    assert limit.wait("ada", 0.25) == limit.take("ada", 0.25) == 0.25
    assert RateLimit(0).wait("ada", 0.0) == 0.0


def test_keys_do_not_share() -> None:
    """Somebody else's haste is not my problem."""
    limit = RateLimit(1)
    assert limit.take("ada", 0.0) == 0.0
    assert limit.take("grace", 0.0) == 0.0


def test_zero_switches_it_off() -> None:
    """Without a limit nothing is refused and nothing remembered."""
    limit = RateLimit(0)
    assert [limit.take("ada", 0.0) for _ in range(1000)] == [0.0] * 1000
    assert len(limit) == 0


def test_forgets_keys_that_are_at_rest() -> None:
    """Memory follows the keys of the last period, not all keys ever seen."""
    limit = RateLimit(10)
    for number in range(10_000):
        limit.take(number, number * 0.01)
    assert len(limit) <= 220


@given(
    count=st.integers(1, 50),
    steps=st.lists(st.floats(0, 0.5, allow_nan=False), min_size=1, max_size=300),
)
def test_never_allows_more_than_two_bursts_within_a_period(count: int, steps: list[float]) -> None:
    """A full burst plus what a period refills is the most that any window of a period sees."""
    limit = RateLimit(count)
    now, allowed = 1e6, []
    for step in steps:
        now += step
        if limit.take("ada", now) == 0.0:
            allowed.append(now)
    for start in allowed:
        assert sum(start <= at < start + 1.0 for at in allowed) <= 2 * count


def test_several_at_once_are_let_in_when_one_would_be_and_paid_for_in_full() -> None:
    """Fifty from a limit of ten a second are five seconds' worth: the next waits four."""
    limit = RateLimit(10)
    assert limit.take("ada", 0.0, 50) == 0.0
    assert abs(limit.take("ada", 0.0) - 4.1) < 1e-9
    assert limit.take("bob", 0.0) == 0.0
    assert limit.take("ada", 4.2) == 0.0
