"""How much of a feed is new: counted over index ranges, never over all entries."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any

from notifier.core.models import Ends, Kind, Mark, Marks, Outline, Ref, View, rfc3339
from notifier.core.ports import Log
from notifier.core.views import Visit

COUNT_CAP = 100
"""Counts stop here: people see 99+, and counting stays bounded."""


_id_of = attrgetter("notification_id")
_expiry_of = attrgetter("notification_id", "expires_at")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many notifications are unread, and how many of these unseen; both at most COUNT_CAP.

    ``until`` is when the first of them expires, in milliseconds; None: nothing is counted.
    """

    unread: int
    unseen: int
    until: int | None = None

    def as_dict(self) -> dict[str, Any]:
        until = None if self.until is None else rfc3339(self.until)
        return {"unread": self.unread, "unseen": self.unseen, "until": until}


async def count(log: Log, visit: Visit, ends: Ends, *, now: int) -> Counts:
    """Unread and unseen, exact up to the cap: each notification once, whatever its logs.

    ``ends`` are those of the logs of the visit.
    """
    view, lows, marks = visit.view, visit.lows, visit.marks
    marked = {a: visit.subscriber.watermark(a) for a in view.audiences}
    reads = {a: max(mark.read, lows[a]) for a, mark in marked.items()}
    news = {a: max(reads[a], mark.seen) for a, mark in marked.items()}
    above = sum(_count_above(marks.get(a, {}), reads[a]) for a in reads)
    # The unseen ones may all stand in a log that is not reached before enough is found.
    wanted = [reads] if news == reads else [reads, news]
    outlines = await _outlines(log, view, ends, wanted, limit=COUNT_CAP + above, now=now)
    unread: dict[str, int] = {}
    unseen: set[str] = set()
    below = await _below(log, view, marks, reads, now=now)
    for audience, rows in chain.from_iterable(outline.items() for outline in (*outlines, below)):
        states, seen = marks.get(audience, {}), marked[audience].seen
        new = [row for row in rows if _is_unread(states.get(row.seq))] if states else rows
        unread.update(map(_expiry_of, new))
        unseen.update([row.notification_id for row in new if row.seq > seen])
    until = min(unread.values(), default=None)
    return Counts(min(len(unread), COUNT_CAP), min(len(unseen), COUNT_CAP), until)


def _is_unread(mark: Mark | None) -> bool:
    """Of what stands above the watermark, or was marked as unread."""
    return mark is None or not (mark.read or mark.dismissed)


async def _below(
    log: Log, view: View, marks: Marks, reads: Mapping[str, int], *, now: int
) -> dict[str, list[Outline]]:
    """What was marked as unread below the watermark."""
    places = [
        Ref(audience, seq)
        for audience, states in marks.items()
        for seq, mark in states.items()
        if seq <= reads[audience] and mark.read is False and not mark.dismissed
    ]
    rows: dict[str, list[Outline]] = {}
    for entry in await log.entries(places, now=now) if places else ():
        if entry.notification.kind is not Kind.WITHDRAWAL and view.shows(entry):
            rows.setdefault(entry.audience, []).append(Outline.of(entry))
    return rows


async def _outlines(
    log: Log,
    view: View,
    ends: Ends,
    wanted: Sequence[Mapping[str, int]],
    *,
    limit: int,
    now: int,
) -> list[Mapping[str, Sequence[Outline]]]:
    """All that stands behind each of these sets of places, or at least ``limit`` different
    notifications of it; what is known and, if that is not enough, what the log says."""
    outlines: list[Mapping[str, Sequence[Outline]]] = []
    gaps: list[Mapping[str, int]] = []
    for behind in wanted:
        known = ends.outline(view, behind, limit=limit, now=now)
        gap = {a: place for a, place in behind.items() if not ends.reach(a, place)}
        if gap and _different(known.values()) < limit:
            gaps.append(gap)
        outlines.append(known)
    if gaps:
        asked = (_outline(log, view, gap, limit=limit, now=now) for gap in gaps)
        outlines += await asyncio.gather(*asked)
    return outlines


async def _outline(
    log: Log, view: View, behind: Mapping[str, int], *, limit: int, now: int
) -> Mapping[str, Sequence[Outline]]:
    """The same, as the log says."""
    found = await log.outline(view, behind, limit=limit, now=now)
    if sum(map(len, found.values())) < limit or _different(found.values()) == limit:
        return found
    # Some stand in several logs: at most once in each.
    return await log.outline(view, behind, limit=limit * len(behind), now=now)


def _different(outlines: Iterable[Sequence[Outline]]) -> int:
    return len(set(map(_id_of, chain.from_iterable(outlines))))


def _count_above(marks: Collection[int], seq: int) -> int:
    return sum(1 for marked in marks if marked > seq)
