"""The oracle finds what it is there to find: for each rule, one planted violation, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.evidence import (
    Attempt,
    Change,
    Diary,
    Evidence,
    Outcome,
    Place,
    Shown,
    Span,
    Trouble,
)
from tests.chaos.oracle import judge, percentile, recoveries
from tests.chaos.plan import Message, User

ADA = User("ada", "admin", ("news",))
BOB = User("bob", "guest", (), frozenset({"like"}))

MESSAGES = {
    0: Message(0, ("user:ada",)),
    1: Message(1, ("user:ada", "role:admin")),
    2: Message(2, ("everyone",), excluded=frozenset({"bob"})),
    3: Message(3, ("user:ada",)),
    4: Message(4, ("everyone",), "like"),
}

PLACES = {
    0: (Place("user:ada", 10),),
    1: (Place("user:ada", 11), Place("role:admin", 1)),
    2: (Place("everyone", 7),),
    3: (Place("user:ada", 12),),
    4: (Place("everyone", 8),),
}


def sound() -> Evidence:
    """A small run in which everything went well: each message is sent after the one before."""
    return Evidence(
        messages=MESSAGES,
        attempts=[accepted(number) for number in MESSAGES],
        diaries=[
            diary(ADA, *(shown(number) for number in MESSAGES)),
            diary(BOB),
        ],
        logs={
            "user:ada": [(10, 0), (11, 1), (12, 3)],
            "role:admin": [(1, 1)],
            "everyone": [(7, 2), (8, 4)],
        },
        spans=[Span("a fault", frozenset({Trouble.STORE}), 0.0, 2.5)],
    )


def accepted(number: int, *, took: float = 0.5) -> Attempt:
    identity = f"id-{number}"
    return Attempt(
        number, 0, number, number + took, Outcome.ACCEPTED, 201, PLACES[number], identity
    )


def shown(number: int, *, at: float | None = None) -> Shown:
    return Shown(number + 0.6 if at is None else at, number, PLACES[number][0])


def diary(user: User, *shown: Shown) -> Diary:
    return Diary(f"{user.name}.0", user, "websocket", list(shown))


def broken(evidence: Evidence) -> list[str]:
    return [violation.rule for violation in judge(evidence)]


def ada(evidence: Evidence) -> Diary:
    return evidence.diaries[0]


def test_a_sound_run_breaks_no_rule() -> None:
    """Nothing is found where nothing is wrong."""
    assert judge(sound()) == []


def test_a_loss_is_found() -> None:
    """An accepted message that one of its readers never showed is lost, and named."""
    evidence = sound()
    del ada(evidence).shown[3]
    [violation] = judge(evidence)
    assert violation.rule == "lost"
    assert "number 3 was accepted as 12@user:ada" in violation.story
    assert "ada.0 (websocket) never showed it" in violation.story


def test_what_nobody_accepted_cannot_be_lost() -> None:
    """A message whose publisher was never told that it was accepted may be shown or not."""
    evidence = sound()
    del ada(evidence).shown[3]
    unknown = replace(accepted(3), outcome=Outcome.UNKNOWN, status=None, places=())
    attempts = [unknown if a.number == 3 else a for a in evidence.attempts]
    assert broken(replace(evidence, attempts=attempts)) == []


def test_a_repetition_is_found() -> None:
    """A message that comes through two logs and is shown for each is shown twice."""
    evidence = sound()
    ada(evidence).shown.insert(2, Shown(1.7, 1, Place("role:admin", 1)))
    assert broken(evidence) == ["twice"]


def test_a_swap_is_found() -> None:
    """Two entries of one log, shown the wrong way round, are out of order."""
    evidence = sound()
    first, second = ada(evidence).shown[:2]
    ada(evidence).shown[:2] = [second, first]
    assert broken(evidence) == ["out of order"]


def test_the_order_of_different_logs_is_free() -> None:
    """Entries of two logs may be shown in any order."""
    evidence = sound()
    second, third = ada(evidence).shown[1:3]
    ada(evidence).shown[1:3] = [third, second]
    assert broken(evidence) == []


def test_a_false_accept_is_found() -> None:
    """What was accepted and is not in the store was accepted falsely, shown or not."""
    evidence = sound()
    logs = {**evidence.logs, "user:ada": [(10, 0), (11, 1)]}
    assert set(broken(replace(evidence, logs=logs))) == {"false accept", "strange"}


def test_an_accept_that_names_too_little_is_found() -> None:
    """An accepting answer names an entry for each audience."""
    evidence = sound()
    short = replace(accepted(1), places=PLACES[1][:1])
    attempts = [short if a.number == 1 else a for a in evidence.attempts]
    assert broken(replace(evidence, attempts=attempts)) == ["false accept"]


def test_a_retry_with_another_answer_is_found() -> None:
    """A message that was sent twice has one identity."""
    evidence = sound()
    again = replace(accepted(4), notification_id="another", began=5.0, ended=5.5)
    attempts = [*evidence.attempts, again]
    assert broken(replace(evidence, attempts=attempts)) == ["stored twice"]


def test_a_message_that_stands_twice_in_a_log_is_found() -> None:
    """A message stands in each of its logs once."""
    evidence = sound()
    logs = {**evidence.logs, "everyone": [(7, 2), (8, 4), (9, 4)]}
    assert broken(replace(evidence, logs=logs)) == ["stored twice"]


def test_a_hole_is_found() -> None:
    """The numbers of a log follow each other."""
    evidence = sound()
    logs = {**evidence.logs, "role:admin": [(1, 1), (3, 5)]}
    assert broken(replace(evidence, logs=logs)) == ["hole"]


def test_an_entry_in_front_of_an_older_one_is_found() -> None:
    """What was sent after something else had been accepted stands behind it."""
    evidence = sound()
    late = replace(accepted(0), began=2.0, ended=2.2)
    assert broken(replace(evidence, attempts=[late, *evidence.attempts[1:]])) == ["overtaken"]


@pytest.mark.parametrize("number", [2, 4])
def test_what_is_not_for_a_user_is_found(number: int) -> None:
    """Who is excluded, or has muted a type, must not be shown it."""
    evidence = sound()
    evidence.diaries[1].shown.append(shown(number))
    assert broken(evidence) == ["strange"]


def test_a_number_nobody_published_is_found() -> None:
    """Only what was published is shown."""
    evidence = sound()
    ada(evidence).shown.append(Shown(9.0, 99, Place("user:ada", 13)))
    assert broken(evidence) == ["strange"]


def test_who_is_slow_to_catch_up_is_found() -> None:
    """More than one client in a hundred that takes longer than 5 s after a fault is too many."""
    evidence = sound()
    ada(evidence).shown[:] = [shown(0), shown(1, at=7.6), *map(shown, (2, 3, 4))]
    assert recoveries(evidence) == [pytest.approx(5.1), 0.0]
    assert set(broken(evidence)) == {"slow recovery"}


def test_what_is_accepted_after_a_fault_is_not_counted_as_recovery() -> None:
    """Only messages accepted before the end of a fault have to be caught up with."""
    evidence = sound()
    ada(evidence).shown[-1] = shown(4, at=100.0)
    assert broken(evidence) == []


def test_a_slow_repair_is_found() -> None:
    """A message of which no node was told is shown within 25 s."""
    evidence = replace(sound(), probes=[4])
    ada(evidence).shown[-1] = shown(4, at=30.0)
    assert broken(evidence) == ["slow repair"]


@pytest.mark.parametrize(("trouble", "seconds"), [(Trouble.REDIS, 1.0), (Trouble.STORE, 3.0)])
def test_a_slow_answer_is_found(trouble: Trouble, seconds: float) -> None:
    """Publishers wait for an answer at most 1 s without Redis, 3 s without a store."""
    evidence = replace(sound(), spans=[Span("a fault", frozenset({trouble}), 0.0, 0.5)])
    slow = accepted(0, took=seconds + 0.01)
    refused = replace(slow, outcome=Outcome.REFUSED, status=503, places=())
    others = evidence.attempts[1:]
    assert "slow answer" in broken(replace(evidence, attempts=[slow, *others]))
    assert "slow answer" in broken(replace(evidence, attempts=[refused, accepted(0), *others]))
    assert broken(replace(evidence, attempts=[accepted(0, took=0.9), *others])) == []


@pytest.mark.parametrize(
    ("troubles", "expected"),
    [({Trouble.STORE}, ["closed in vain"]), ({Trouble.STORE, Trouble.NODES}, [])],
)
def test_a_connection_closed_in_vain_is_found(troubles: set[Trouble], expected: list[str]) -> None:
    """Trouble of the store alone closes no connection."""
    evidence = replace(sound(), spans=[Span("a fault", frozenset(troubles), 0.0, 2.5)])
    ada(evidence).changes += [Change(1.0, "lost: gone"), Change(9.0, "lost: gone")]
    assert broken(evidence) == expected


def test_percentiles() -> None:
    """The 99th percentile of 100 values is the second largest, of few values the largest."""
    assert percentile([float(n) for n in range(1, 101)], 99) == 99.0
    assert percentile([1.0, 9.0], 99) == 9.0
    assert percentile([], 99) == 0.0
