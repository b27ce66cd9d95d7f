"""The newest entries of shared logs, kept by each node.

A log of a role, a topic or everyone is read again and again, and mostly nothing has come meanwhile.
So a node remembers what stood at its end. This is never out of date, because it is used only while
the log ends with the very entry that it ended with then, as a majority read of just now tells
(``last_of``). Behind an unchanged end nothing changes but by time:

1. Entries are never rewritten and never inserted before others. Logs lose them from the front only,
   when they have been expired for two hours (``store/entries.py``). When an entry expires is looked
   at when it is read.
2. Only two calls move that time. ``withdraw`` appends a withdrawal to the same log first. ``end``
   is for what a card replaces; the card was appended to the same log first and names it in
   ``replaces``. So whatever ends early is named by an entry further behind, and goes from here when
   that one is taken in, a moment earlier than in the database.

Whoever adds a third way to change an entry has to append something that tells, too. Because readers
get only what a majority has, no failover takes back what is kept here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from notifier.core.models import Entry, Kind, Ref, Tail
from notifier.store.mongo.documents import entry_id

KEPT = 32
"""Entries that are known of one log. A page of the usual size takes up to 21 of it, and to count a
hundred unread ones it takes a few logs. What lies below is asked for; more of each log would mean
fewer logs, and longer reading when one is not known yet."""

MEMORY = 64 * 2**20
"""Bytes of all that is kept: some 60,000 entries of 400 characters, the ends of 2,000 logs. The
logs that were not asked for longest go first."""

OVERHEAD = 780
"""Bytes that an entry takes beside its content and its excluded users, as measured."""

EXCLUDED = 100
"""Bytes that an excluded user takes."""


class End(NamedTuple):
    """The last entry of a log: its number, and its ``_id``, which no other entry ever has."""

    seq: int
    entry: str

    @classmethod
    def of(cls, entry: Entry) -> End:
        notification = entry.notification
        return cls(entry.seq, entry_id(notification.id, notification.kind, entry.audience))


@dataclass(frozen=True, slots=True)
class _Known:
    """A tail, the end that the log had then, and how many bytes it takes."""

    end: End
    tail: Tail
    size: int


class Tails:
    """What is known of the ends of logs."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes, as far as they are counted."""
        return self._size

    def at(self, ends: Mapping[str, End]) -> dict[str, Tail]:
        """The tails of those logs that end like this."""
        tails = {}
        for audience, end in ends.items():
            known = self._known.get(audience)
            if known is not None and known.end == end:
                self._known[audience] = self._known.pop(audience)  # it was asked for last
                tails[audience] = known.tail
        return tails

    def place(self, audience: str) -> int:
        """From which number on a log has to be read to know its tail again: that of the end which
        is known, so that it can be seen that this is the same log; 0: from its beginning."""
        known = self._known.get(audience)
        return known.end.seq if known is not None else 0

    def take(self, audience: str, found: Sequence[Entry], place: int) -> None:
        """Go on with these entries: the newest from a place on, newest first, at most ``KEPT``.

        If they do not lead to what is known, this goes; the log can be read anew.
        """
        known = self._forget(audience)
        if not found:
            return
        whole = len(found) < KEPT
        if not (whole and place):
            low = 0 if whole else found[-1].seq - 1
            self._keep(audience, End.of(found[0]), tail_of(found, Tail((), low)))
        elif known is not None and End.of(found[-1]) == known.end:
            self._keep(audience, End.of(found[0]), tail_of(found[:-1], known.tail))

    def _keep(self, audience: str, end: End, tail: Tail) -> None:
        size = sum(map(_size, tail.entries))
        self._known[audience] = _Known(end, tail, size)
        self._size += size
        while self._size > MEMORY:
            self._forget(next(iter(self._known)))

    def _forget(self, audience: str) -> _Known | None:
        known = self._known.pop(audience, None)
        if known is not None:
            self._size -= known.size
        return known


def tail_of(news: Sequence[Entry], before: Tail) -> Tail:
    """The tail of a log behind which these entries have come, newest first."""
    ended = _ended_by(news)
    shown = [
        entry
        for entry in (*news, *before.entries)
        if entry.notification.kind is not Kind.WITHDRAWAL
        and entry.seq not in ended
        and entry.notification.id not in ended
    ]
    if len(shown) <= KEPT:
        return Tail(shown, before.low)
    return Tail(shown[:KEPT], shown[KEPT].seq)


def _ended_by(entries: Iterable[Entry]) -> Collection[int | str]:
    """The numbers of what these cards replace, and the notifications that are withdrawn."""
    ended: set[int | str] = set()
    for entry in entries:
        notification = entry.notification
        if notification.kind is Kind.WITHDRAWAL:
            ended.add(notification.id)
        elif b'"replaces"' in notification.content:  # most entries need not be decoded
            places = map(Ref.parse, notification.fields.get("replaces", ()))
            ended.update(place.seq for place in places if place.audience == entry.audience)
    return ended


def _size(entry: Entry) -> int:
    notification = entry.notification
    return OVERHEAD + len(notification.content) + EXCLUDED * len(notification.excluded)
