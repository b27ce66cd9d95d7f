"""Where logs end in MongoDB: one command for all who ask at the same time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from pymongo.asynchronous.collection import AsyncCollection

from notifier.core.models import Ends, Tail, kind_of
from notifier.store.entries import by_log
from notifier.store.grouping import Grouping
from notifier.store.mongo.database import TIMEOUT, Document, available
from notifier.store.mongo.documents import entry_from
from notifier.store.mongo.pipelines import (
    LOGS_TOGETHER,
    MAX_LOGS,
    last_of,
    rows_of,
    some_of,
    united,
)
from notifier.store.mongo.tails import KEPT, End, Tails, tail_of

LOADED = 32
"""Tails that are read together, some 20 ms at most. Those of other logs are not known this time."""

_EMPTY = Tail((), 0)


class EndReader:
    """Reads where logs end, and what stands there.

    The log of one user is of use to that user only, and its newest entries are read each time. Of
    the logs that many share they are remembered. One group of callers at a time: nothing is read
    twice, and nothing old is put over something newer.
    """

    def __init__(self, entries: AsyncCollection[Document]) -> None:
        self._entries = entries
        self._tails = Tails()
        self._wanted: Grouping[Collection[str], Ends] = Grouping(
            self._read, weigh=len, limit=MAX_LOGS, patience=TIMEOUT
        )

    async def read(self, audiences: Collection[str]) -> Ends:
        return await self._wanted.submit(audiences)

    async def _read(self, wanted: Sequence[Collection[str]]) -> list[Ends]:
        names = frozenset(chain.from_iterable(wanted))
        own = {audience for audience in names if kind_of(audience) == "user"}
        with available():
            heads, tails = await self._look(names - own, own)
        return [
            Ends(
                {audience: heads.get(audience, 0) for audience in audiences},
                {audience: tails[audience] for audience in audiences if audience in tails},
            )
            for audiences in wanted
        ]

    async def _look(
        self, shared: Collection[str], own: Collection[str]
    ) -> tuple[dict[str, int], dict[str, Tail]]:
        """The heads of all these logs, except of empty ones, and the tails that are known."""
        lasts = last_of(shared, seq="$seq", entry="$_id")
        news = [some_of({"audience": audience}, sort=-1, limit=KEPT) for audience in own]
        rows = await self._find([lasts, *news])
        ends = {row["_id"]: End(row["seq"], row["entry"]) for row in rows if "entry" in row}
        logs = by_log([entry_from(row) for row in rows if "entry" not in row])
        heads = {audience: end.seq for audience, end in ends.items()}
        heads |= {audience: entries[0].seq for audience, entries in logs.items()}
        tails = self._tails.at(ends)
        tails |= await self._load({a: end.seq for a, end in ends.items() if a not in tails})
        tails |= dict.fromkeys({*shared, *own} - heads.keys(), _EMPTY)
        tails |= {
            audience: tail_of(entries, Tail((), entries[-1].seq - 1 if len(entries) == KEPT else 0))
            for audience, entries in logs.items()
        }
        return heads, tails

    async def _load(self, heads: Mapping[str, int]) -> dict[str, Tail]:
        """Read the tails of these logs, or what has come since they were known.

        A server that is about to learn that it is no longer the primary may know less than the one
        that told the heads: what is older than these is of no use.
        """
        places = {audience: self._tails.place(audience) for audience in list(heads)[:LOADED]}
        if not places:
            return {}
        matches = [{"audience": a, "seq": {"$gte": place}} for a, place in places.items()]
        rows = await self._find([some_of(match, sort=-1, limit=KEPT) for match in matches])
        logs = by_log([entry_from(row) for row in rows])
        for audience, place in places.items():
            self._tails.take(audience, logs.get(audience, []), place)
        ends = {a: End.of(entries[0]) for a, entries in logs.items() if entries[0].seq >= heads[a]}
        return self._tails.at(ends)

    async def _find(self, pipelines: Sequence[list[Document]]) -> list[Document]:
        queries = [
            united(pipelines[start : start + LOGS_TOGETHER])
            for start in range(0, len(pipelines), LOGS_TOGETHER)
        ]
        return await rows_of(self._entries, queries)
