"""Queries that read many logs at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from itertools import chain

from pymongo.asynchronous.collection import AsyncCollection

from notifier.store.mongo.database import AT_ONCE, Document

LOGS_TOGETHER = 100
"""Logs read by one query; MongoDB takes at most 1,000 stages in a pipeline."""

MAX_LOGS = 2_000
"""Logs that are read at the same time, for all who ask: in twenty queries side by side."""

COLLECTION = "entries"

ENTRY: Document = {"_id": 0, "purge_at": 0, "first": 0}
"""What an entry is made of: everything but these."""


def some_of(match: Document, *, sort: int, limit: int, fields: Document = ENTRY) -> list[Document]:
    """The first entries of one log that match: the oldest (``sort`` 1) or the newest (-1)."""
    return [{"$match": match}, {"$sort": {"seq": sort}}, {"$limit": limit}, {"$project": fields}]


def last_of(audiences: Collection[str], **fields: str) -> list[Document]:
    """These fields of the last entry of each log, with its name as ``_id``; none of empty logs.

    Sorted against the index, this is answered by one jump in it for each log.
    """
    firsts = {name: {"$first": path} for name, path in fields.items()}
    return [
        {"$match": {"audience": {"$in": list(audiences)}}},
        {"$sort": {"audience": -1, "seq": -1}},
        {"$group": {"_id": "$audience", **firsts}},
    ]


def united(pipelines: Sequence[list[Document]]) -> list[Document]:
    """What one pipeline finds, then what the next does; none is begun before it is needed."""
    first, *others = pipelines
    return [*first, *({"$unionWith": {"coll": COLLECTION, "pipeline": p}} for p in others)]


async def rows_of(
    entries: AsyncCollection[Document], pipelines: Sequence[list[Document]]
) -> list[Document]:
    """What these pipelines find, each the answer to a query of its own, side by side."""
    if len(pipelines) == 1:  # mostly so, and it needs no task
        cursor = await entries.aggregate(pipelines[0], batchSize=AT_ONCE)
        return await cursor.to_list()
    found = await asyncio.gather(*(rows_of(entries, [pipeline]) for pipeline in pipelines))
    return list(chain.from_iterable(found))
