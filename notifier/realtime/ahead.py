"""Connections that have read further in a log than this node has been told.

The store shows an entry before its hint is here: a replay may be ahead of the hub, and so may be a
client that comes from another node. What the hub delivers then is old to them, and to nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping

from notifier.core.models import Entry


class Ahead:
    """Where such connections stand, by log; empty but for moments."""

    def __init__(self) -> None:
        self._places: dict[str, dict[str, int]] = {}
        self._logs: dict[str, set[str]] = {}

    def note(self, sid: str, places: Mapping[str, int]) -> None:
        """A connection has read these logs so far, which the hub has not."""
        for audience, seq in places.items():
            self._places.setdefault(audience, {})[sid] = seq
            self._logs.setdefault(sid, set()).add(audience)

    def forget(self, sid: str) -> None:
        """The connection is gone."""
        for audience in list(self._logs.get(sid, ())):
            self._drop(audience, sid)

    def past(self, entry: Entry) -> frozenset[str]:
        """Who has had the entry, or its place, when the hub delivers it. Those it has caught up
        with are forgotten."""
        places = self._places.get(entry.audience)
        if not places:
            return frozenset()
        past = frozenset(sid for sid, seq in places.items() if seq >= entry.seq)
        for sid in [sid for sid, seq in places.items() if seq <= entry.seq]:
            self._drop(entry.audience, sid)
        return past

    def _drop(self, audience: str, sid: str) -> None:
        del self._places[audience][sid]
        if not self._places[audience]:
            del self._places[audience]
        self._logs[sid].discard(audience)
        if not self._logs[sid]:
            del self._logs[sid]
