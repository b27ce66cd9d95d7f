"""The last entry of each log, as far as this node knows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from bson.datetime_ms import DatetimeMS
from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from notifier.store.entries import Head
from notifier.store.mongo.database import AT_ONCE, Document, available
from notifier.store.mongo.pipelines import last_of

MAX_KNOWN = 100_000
"""Logs of which the head is kept in memory, the most recently used ones: some 25 MB."""

MARGIN = 600_000
"""Milliseconds before its removal at which a head is no longer trusted: more than clocks differ and
a write can be delayed."""

READ_TOGETHER = 1_000
"""Heads read by one query: some 20 ms."""


class Heads:
    """Says behind which entry the next one of a log may be put.

    What it says is true: the entry exists on a majority, so no failover takes it away, and stays
    for at least ``MARGIN``, so the log cannot start anew behind the writer's back. It may be out of
    date: then the number behind it is taken, and the writer says so (``distrust``).

    Remembered are the heads of logs that only this node writes, which saves a round trip. Where
    others write too, what is remembered is mostly out of date, and finding that out costs more.
    """

    def __init__(self, entries: AsyncCollection[Document], clock: Callable[[], int]) -> None:
        self._entries = entries
        self._clock = clock
        self._known: dict[str, Head | None] = {}

    async def before(self, audiences: Collection[str]) -> dict[str, Head]:
        """The head of each of these logs; empty logs are absent."""
        while True:
            soon = self._clock() + MARGIN
            known = {audience: self._known.get(audience) for audience in audiences}
            heads = {a: head for a, head in known.items() if head and head.purge_at > soon}
            heads |= await read_heads(self._entries, [a for a in audiences if a not in heads])
            dying = {a: head for a, head in heads.items() if head.purge_at <= soon}
            if await self._keep(dying, until=soon + MARGIN):
                return heads

    def learn(self, audience: str, head: Head) -> None:
        """This entry is durable and is the log's last, as far as anybody here can know."""
        self._remember(audience, head if self._known.get(audience, head) else None)

    def distrust(self, audience: str) -> None:
        """Another node was faster in this log: from now on read its head every time."""
        self._remember(audience, None)

    def _remember(self, audience: str, head: Head | None) -> None:
        self._known.pop(audience, None)
        self._known[audience] = head
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]

    async def _keep(self, dying: Mapping[str, Head], *, until: int) -> bool:
        """Put off the removal of heads that are about to go. False: some have gone, read again.

        If somebody appends behind such a head meanwhile, that entry stays longer than ``until``:
        it has not even expired, and the grace is longer than two margins. So each log still loses
        its entries from the front.
        """
        if not dying:
            return True
        later = {"$max": {"purge_at": DatetimeMS(until)}}
        kept = [UpdateOne({"audience": a, "seq": h.seq}, later) for a, h in dying.items()]
        with available():
            result = await self._entries.bulk_write(kept, ordered=False)
        return result.matched_count == len(kept)


async def read_heads(
    entries: AsyncCollection[Document], audiences: Collection[str]
) -> dict[str, Head]:
    """The heads of these logs as the majority has them; empty logs are absent."""
    names = list(audiences)
    heads: dict[str, Head] = {}
    for start in range(0, len(names), READ_TOGETHER):
        chunk = names[start : start + READ_TOGETHER]
        last = last_of(chunk, seq="$seq", purge_at="$purge_at")
        with available():
            async for row in await entries.aggregate(last, batchSize=AT_ONCE):
                heads[row["_id"]] = Head(row["seq"], int(row["purge_at"]))
    return heads
