"""Who there is and what is published: all of it follows from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

ROLES = 10
TOPICS = 20

HOT = "topic:hot"
"""A log that grows fast: who is away for seconds has missed more than is replayed."""

HOT_READERS = 20

MUTED = "like"
"""The type of notification that every tenth user has switched off."""

TYPES = ("info", "message", "comment", "order", MUTED)


@dataclass(frozen=True, slots=True)
class Message:
    """A notification before it is published; ``number`` tells it from all others of the run."""

    number: int
    to: tuple[str, ...]
    type: str = "info"
    excluded: frozenset[str] = frozenset()

    def body(self) -> dict[str, Any]:
        """What is posted."""
        return {
            "to": list(self.to),
            "type": self.type,
            "title": f"Number {self.number}",
            "data": {"number": self.number},
            "except": [f"user:{user}" for user in sorted(self.excluded)],
        }


@dataclass(frozen=True, slots=True)
class User:
    """A user as the plan has it."""

    name: str
    role: str
    topics: tuple[str, ...]
    muted: frozenset[str] = frozenset()

    @property
    def audiences(self) -> tuple[str, ...]:
        topics = (f"topic:{topic}" for topic in self.topics)
        return ("everyone", f"user:{self.name}", f"role:{self.role}", *topics)

    def is_meant_by(self, message: Message) -> bool:
        """Whether the user must be shown this message."""
        return (
            any(audience in message.to for audience in self.audiences)
            and self.name not in message.excluded
            and message.type not in self.muted
        )


class Plan:
    """The users, and the message of every number. Equal seeds give equal plans."""

    def __init__(self, seed: int, users: int) -> None:
        self.seed = seed
        self.users = [_user(number) for number in range(users)]
        self.readers = _readers(self.users)

    def message(self, number: int) -> Message:
        chance = Random(f"{self.seed}/{number}")
        to = self._audiences(chance)
        excluded = [chance.choice(self.users).name] if chance.random() < 0.1 else []
        return Message(number, to, chance.choice(TYPES), frozenset(excluded))

    def meant(self, message: Message) -> set[str]:
        """The names of all users who must be shown it."""
        candidates = {user.name: user for to in message.to for user in self.readers.get(to, ())}
        return {name for name, user in candidates.items() if user.is_meant_by(message)}

    def _audiences(self, chance: Random) -> tuple[str, ...]:
        user = chance.choice(self.users)
        kind = chance.random()
        if kind < 0.003:
            return ("everyone",)
        if kind < 0.015:
            return (f"role:{user.role}",)
        if kind < 0.020:
            return (f"user:{user.name}", f"role:{user.role}")
        if kind < 0.030:
            return (f"topic:{user.topics[0]}",)
        if kind < 0.080:
            return (HOT,)
        if kind < 0.180:
            return tuple(f"user:{u.name}" for u in chance.sample(self.users, 2))
        return (f"user:{user.name}",)


def _user(number: int) -> User:
    topics = (f"t{number % TOPICS}", *([HOT.removeprefix("topic:")] * (number < HOT_READERS)))
    muted = frozenset({MUTED}) if number % 10 == 3 else frozenset()
    return User(f"u{number}", f"r{number % ROLES}", topics, muted)


def _readers(users: list[User]) -> Mapping[str, list[User]]:
    readers: dict[str, list[User]] = {}
    for user in users:
        for audience in user.audiences:
            readers.setdefault(audience, []).append(user)
    return readers
