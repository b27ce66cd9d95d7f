"""How much of a feed is new: counted over index ranges, never over all entries."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from notifier.core.models import Kind, Mark, Outline, Ref, View, rfc3339
from notifier.core.ports import Log
from notifier.core.views import Visit

COUNT_CAP = 100
"""Counts stop here: people see 99+, and counting stays bounded."""

_UNMARKED = Mark()


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


async def count(log: Log, visit: Visit, *, now: int) -> Counts:
    """Unread and unseen, exact up to the cap: each notification once, whatever its logs."""
    view, lows, marks = visit.view, visit.lows, visit.marks
    marked = {a: visit.subscriber.watermark(a) for a in view.audiences}
    reads = {a: max(mark.read, lows[a]) for a, mark in marked.items()}
    news = {a: max(reads[a], mark.seen) for a, mark in marked.items()}
    above = sum(_count_above(marks.get(a, {}), reads[a]) for a in reads)
    # The unseen ones may all stand in a log that is not reached before enough is found.
    wanted = [reads] if news == reads else [reads, news]
    outlines = await asyncio.gather(
        *(_outline(log, view, behind, limit=COUNT_CAP + above, now=now) for behind in wanted)
    )
    unread: dict[str, int] = {}
    unseen: set[str] = set()

    def add(ref: Ref, notification_id: str, expires_at: int) -> None:
        unread[notification_id] = expires_at
        if ref.seq > marked[ref.audience].seen:
            unseen.add(notification_id)

    for audience, rows in chain.from_iterable(outline.items() for outline in outlines):
        states = marks.get(audience, {})
        for row in rows:
            state = states.get(row.seq, _UNMARKED)
            if not state.read and not state.dismissed:
                add(Ref(audience, row.seq), row.notification_id, row.expires_at)
    below = [
        Ref(audience, seq)
        for audience, states in marks.items()
        for seq, state in states.items()
        if seq <= reads[audience] and state.read is False and not state.dismissed
    ]
    for entry in await log.entries(below, now=now) if below else ():
        if entry.notification.kind is not Kind.WITHDRAWAL and view.shows(entry):
            add(entry.ref, entry.notification.id, entry.notification.expires_at)
    until = min(unread.values(), default=None)
    return Counts(min(len(unread), COUNT_CAP), min(len(unseen), COUNT_CAP), until)


async def _outline(
    log: Log, view: View, behind: Mapping[str, int], *, limit: int, now: int
) -> Mapping[str, Sequence[Outline]]:
    """All that stands behind these places, or at least ``limit`` different notifications of it."""
    found = await log.outline(view, behind, limit=limit, now=now)
    ids = [row.notification_id for rows in found.values() for row in rows]
    if len(ids) < limit or len(set(ids)) == limit:
        return found
    # Some stand in several logs: at most once in each.
    return await log.outline(view, behind, limit=limit * len(behind), now=now)


def _count_above(marks: Collection[int], seq: int) -> int:
    return sum(1 for marked in marks if marked > seq)
