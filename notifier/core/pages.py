"""Pages of a feed: the user's logs merged, newest first, without looking through all of them."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from notifier.core.models import Cursor, Ends, Entry, Ref, View
from notifier.core.ports import Log, Store
from notifier.core.views import Visit

SCAN_LIMIT = 1_000
"""Entries of one log that one query looks through: a few milliseconds, if it finds nothing."""

SCANS = 5
"""Queries for one page. Then the page is as long as it is, and the next one goes on from there."""

SHARE = 4
"""Times what a page would take of each log if all had the same part in it: fetched at first. A page
that needs more of a log looks again, for all it can need."""

BATCH = 100
"""Entries of one log that are fetched at a time where most of them may be left out."""


@dataclass(frozen=True, slots=True)
class _Scan:
    """What one query found: entries by log, newest first.

    ``edges`` are the logs that may hold more behind that: when the entry came where it stopped.
    ``lows`` is where those end through which it looked in vain.
    """

    logs: Mapping[str, Sequence[Entry]]
    edges: Mapping[str, int]
    lows: Mapping[str, int]

    def newest_first(self) -> Iterator[Entry]:
        """Only as far as nothing can belong in between that was not looked at."""
        edge = max(self.edges.values(), default=0)
        merged = heapq.merge(*self.logs.values(), key=_time_of, reverse=True)
        return (e for e in merged if max(_time_of(e), self.edges.get(e.audience, 0)) >= edge)


@dataclass(slots=True)
class _Page:
    """A page that is being filled. ``position`` is where each log was left.

    The next page begins there: no clock is trusted, so nothing is skipped or repeated whatever is
    published meanwhile.
    """

    limit: int
    position: Cursor
    shown: set[str]
    items: list[orjson.Fragment] = field(default_factory=list)

    def take(self, entry: Entry, item: orjson.Fragment | None) -> bool:
        """Pass over an entry, with its item if it is to be shown; False if the page is full."""
        twin = entry.notification.id in self.shown
        if len(self.items) == self.limit and not twin:
            return False
        self.position[entry.audience] = entry.seq
        if item is not None and not twin:
            self.items.append(item)
            self.shown.add(entry.notification.id)
        return True

    def pass_over(self, scan: _Scan) -> None:
        """Leave behind what was looked through in vain."""
        for audience, low in scan.lows.items():
            entries = scan.logs.get(audience)
            if not entries or self.position[audience] == entries[-1].seq:
                self.position[audience] = low + 1


class Pages:
    """Reads pages from the store."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    async def read(
        self, visit: Visit, ends: Ends, request: Mapping[str, Any]
    ) -> tuple[list[orjson.Fragment], Cursor | None]:
        """The items of a page, and where the next one begins; None: it was the last.

        ``request`` is what ``PageSchema`` gives; ``ends`` are those of the logs of the visit.
        """
        start: Mapping[str, int] = request["before"] or {}
        heads = ends.heads
        position = Cursor({a: min(start.get(a, heads[a] + 1), heads[a] + 1) for a in heads})
        page = _Page(request["limit"], position, set())
        batch = max(page.limit, BATCH) if request["unread"] else page.limit
        share = min(batch, SHARE * -(-batch // len(position)))
        for size in (share, *[batch] * (SCANS - 1)):
            scan = await self._scan(visit, ends, position, size + 1, request["type"])
            page.shown |= await self._on_earlier_pages(visit, start, scan.logs)
            if not _fill(page, visit, scan, unread_only=request["unread"]):
                break
            if not scan.edges:
                return page.items, None
        return page.items, position

    async def _scan(
        self, visit: Visit, ends: Ends, position: Cursor, limit: int, type: str | None
    ) -> _Scan:
        floors, now = visit.lows, self._clock()
        view = replace(visit.view, floors=floors)
        logs = ends.page(view, position, limit=limit, now=now, type=type)
        lows = {
            a: max(floors[a], seq - 1 - SCAN_LIMIT) for a, seq in position.items() if a not in logs
        }
        times: dict[str, int] = {}
        if lows:
            rest, below = replace(view, floors=lows), [a for a in lows if lows[a] > floors[a]]
            found, times = await asyncio.gather(
                self._store.page(rest, position, limit=limit, now=now, type=type),
                _times(self._store, [Ref(a, lows[a]) for a in below]),
            )
            logs |= found
        full = {a: _time_of(entries[-1]) for a, entries in logs.items() if len(entries) == limit}
        return _Scan(logs, times | full, {a: lows[a] for a in times.keys() - full.keys()})

    async def _on_earlier_pages(
        self, visit: Visit, start: Mapping[str, int], logs: Mapping[str, Sequence[Entry]]
    ) -> set[str]:
        """The notifications in these logs of which a copy stands where the reader has been."""
        copied = {
            e.notification.id
            for entries in logs.values()
            for e in entries
            if e.notification.copies > 1
        }
        if not start or not copied:
            return set()
        view: View = replace(visit.view, floors=visit.lows)
        copies = await self._store.copies(copied, view.audiences, now=self._clock())
        return {
            c.notification.id
            for c in copies
            if view.shows(c) and c.seq >= start.get(c.audience, c.seq + 1)
        }


def _fill(page: _Page, visit: Visit, scan: _Scan, *, unread_only: bool) -> bool:
    """Take what was found, in order; False if the page is full."""
    for entry in scan.newest_first():
        if not page.take(entry, _item(visit, entry, unread_only)):
            return False
    page.pass_over(scan)
    return True


async def _times(log: Log, refs: Sequence[Ref]) -> dict[str, int]:
    """When the entries at these places came, expired or not.

    A log is purged from its front: where there is none, there is nothing below either.
    """
    entries = await log.entries(refs, now=0) if refs else ()
    return {entry.audience: _time_of(entry) for entry in entries}


def _time_of(entry: Entry) -> int:
    return entry.notification.created_at


def _item(visit: Visit, entry: Entry, unread_only: bool) -> orjson.Fragment | None:
    """The entry with this user's state; None if that state takes it out of the page."""
    state = visit.subscriber.state(entry.ref)
    if state.dismissed or (unread_only and state.read):
        return None
    return orjson.Fragment(entry.wire(read=state.read, seen=state.seen))
