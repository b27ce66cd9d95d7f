"""What happened, as everybody involved wrote it down. Times are seconds of one monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from tests.chaos.plan import Message, User


class Outcome(StrEnum):
    """How an attempt to publish ended, as the publisher saw it."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """The server answered that nothing was accepted."""
    UNKNOWN = "unknown"
    """No answer: it may have been accepted or not."""


class Place(NamedTuple):
    """Where an entry stands."""

    audience: str
    seq: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request of a publisher. ``places`` is what an accepting answer named."""

    number: int
    node: int
    began: float
    ended: float
    outcome: Outcome
    status: int | None = None
    places: tuple[Place, ...] = ()
    notification_id: str = ""

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class Shown(NamedTuple):
    """A client showed a message, which it got as the entry at this place."""

    at: float
    number: int
    place: Place


class Change(NamedTuple):
    """Something happened to a client's connection."""

    at: float
    what: str


@dataclass(slots=True)
class Diary:
    """What one client saw, in order."""

    client: str
    user: User
    transport: str
    shown: list[Shown] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    numbers: set[int] = field(default_factory=set)
    """Of the messages shown so far."""

    def show(self, number: int, place: Place) -> None:
        self.shown.append(Shown(time.monotonic(), number, place))
        self.numbers.add(number)

    def note(self, what: str) -> None:
        self.changes.append(Change(time.monotonic(), what))


class Trouble(StrEnum):
    """What a fault means for those who publish and read."""

    NODES = "nodes"
    CLIENTS = "clients"
    REDIS = "redis"
    STORE = "store"
    SLOW_STORE = "slow store"
    """It answers: what is published is waited for, and accepted."""


class Span(NamedTuple):
    """A fault from its beginning to its end."""

    what: str
    troubles: frozenset[Trouble]
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the oracle looks at.

    ``logs`` holds the store's logs at the end: for each audience the entries (seq, message number)
    in order. ``probes`` are the numbers of messages of which no node was told.
    """

    messages: Mapping[int, Message]
    attempts: Sequence[Attempt]
    diaries: Sequence[Diary]
    logs: Mapping[str, Sequence[tuple[int, int]]]
    spans: Sequence[Span]
    probes: Sequence[int] = ()

    def accepted(self) -> dict[int, Attempt]:
        """The first accepting answer for each message."""
        first: dict[int, Attempt] = {}
        for attempt in self.attempts:
            if attempt.outcome is Outcome.ACCEPTED:
                known = first.get(attempt.number)
                if known is None or attempt.ended < known.ended:
                    first[attempt.number] = attempt
        return first
