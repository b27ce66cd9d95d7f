"""What is kept per user, and the part of the logs that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from notifier.core.models.audiences import Ref
from notifier.core.models.entries import Entry, Priority
from notifier.core.models.preferences import Preferences


@dataclass(frozen=True, slots=True)
class Watermark:
    """One user's position in one log: everything up to a number is seen, read or dismissed.

    ``floor`` is where this user's view of a shared log starts.
    """

    seen: int = 0
    read: int = 0
    dismissed: int = 0
    floor: int = 0

    def state(self, seq: int, mark: Mark) -> State:
        """What the user has done with the entry of this number and mark."""
        read = seq <= self.read if mark.read is None else mark.read
        return State(seq <= self.seen, read, mark.dismissed or seq <= self.dismissed)


class State(NamedTuple):
    """What one user has done with one entry."""

    seen: bool
    read: bool
    dismissed: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """One user's state for one entry. ``read`` None: the watermark decides."""

    read: bool | None = None
    dismissed: bool = False


Marks = Mapping[str, Mapping[int, Mark]]
"""Of one user: audience -> seq -> mark."""


class Standing(NamedTuple):
    """What decides over the logs of a user and over what is shown of them: the version of the
    preferences, and the topics."""

    version: int
    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """What is kept per user. Without an entry in ``watermarks`` a log is untouched.

    ``marks`` were read before ``watermarks``: what one of those has made pointless meanwhile may
    still be among them, but nothing else is missing. ``roles`` are those of the token that the user
    came with last. ``visited`` False: the user has never come, a service has subscribed the user to
    a topic.
    """

    user: str
    preferences: Preferences = field(default_factory=Preferences)
    topics: frozenset[str] = frozenset()
    watermarks: Mapping[str, Watermark] = field(default_factory=dict)
    roles: frozenset[str] = frozenset()
    visited: bool = True
    marks: Marks = field(default_factory=dict)

    def watermark(self, audience: str) -> Watermark:
        return self.watermarks.get(audience, _UNTOUCHED)

    def state(self, ref: Ref) -> State:
        """What the user has done with the entry at this place."""
        mark = self.marks.get(ref.audience, {}).get(ref.seq, _UNMARKED)
        return self.watermark(ref.audience).state(ref.seq, mark)


_UNTOUCHED = Watermark()

_UNMARKED = Mark()


class Hidden(NamedTuple):
    """What a user is not shown, whatever log it stands in.

    ``forbidden`` types are for other roles. ``muted`` are pairs of type and priority that the user
    does not want. ``digested`` types come as digests: of these only what is critical is shown.
    """

    forbidden: frozenset[str] = frozenset()
    muted: frozenset[tuple[str, Priority]] = frozenset()
    digested: frozenset[str] = frozenset()

    def forbids(self, entry: Entry) -> bool:
        return entry.notification.type in self.forbidden

    def mutes(self, entry: Entry) -> bool:
        return (entry.notification.type, entry.notification.priority) in self.muted

    def gathers(self, entry: Entry) -> bool:
        """Whether the user will find it in a digest instead."""
        return entry.notification.type in self.digested and entry.is_ordinary

    def touches(self, types: frozenset[str]) -> bool:
        """Whether any of it may apply to an entry of one of these types."""
        return not (
            types.isdisjoint(self.forbidden)
            and types.isdisjoint(self.digested)
            and types.isdisjoint(type for type, _ in self.muted)
        )

    def covers(self, entry: Entry) -> bool:
        """Whether any of it applies."""
        if self.muted and self.mutes(entry):
            return True
        if self.digested and self.gathers(entry):
            return True
        return entry.notification.type in self.forbidden


@dataclass(frozen=True, slots=True)
class View:
    """The part of the logs that one user may see: which logs, from where, without what."""

    user: str
    floors: Mapping[str, int]
    hidden: Hidden = field(default_factory=Hidden)

    @property
    def audiences(self) -> tuple[str, ...]:
        return tuple(self.floors)

    def follows(self, entry: Entry) -> bool:
        """Whether the user belongs to the entry's audience."""
        return entry.audience in self.floors

    def reaches(self, entry: Entry) -> bool:
        """Whether the entry came after the user did."""
        return entry.seq > self.floors.get(entry.audience, 0)

    def excludes(self, entry: Entry) -> bool:
        """Whether the publisher left this user out."""
        return self.user in entry.notification.excluded

    def hides(self, entry: Entry) -> bool:
        """Whether the user must not be shown the entry, wherever it stands."""
        return self.excludes(entry) or self.hidden.covers(entry)

    def shows(self, entry: Entry) -> bool:
        """Whether this user may be shown the entry (its expiry is the store's business)."""
        return self.follows(entry) and self.reaches(entry) and not self.hides(entry)


class Outline(NamedTuple):
    """What counting needs of an entry."""

    seq: int
    notification_id: str
    expires_at: int

    @classmethod
    def of(cls, entry: Entry) -> Self:
        return cls(entry.seq, entry.notification.id, entry.notification.expires_at)
