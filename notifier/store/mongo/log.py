"""The logs of all audiences in MongoDB."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter

from notifier.core.models import (
    Ends,
    Entry,
    Kind,
    Outline,
    Priority,
    Publication,
    Receipt,
    Ref,
    View,
)
from notifier.errors import StoreUnavailable
from notifier.store.entries import Withdrawing, by_log
from notifier.store.grouping import Grouping
from notifier.store.mongo.appending import Appender
from notifier.store.mongo.database import (
    AT_ONCE,
    GROUP_SECONDS,
    TIMEOUT,
    Database,
    Document,
    available,
)
from notifier.store.mongo.documents import entry_from, entry_id, of_notification
from notifier.store.mongo.drafts import Draft
from notifier.store.mongo.ends import EndReader
from notifier.store.mongo.heads import read_heads
from notifier.store.mongo.idempotency import IdempotencyKeys
from notifier.store.mongo.pipelines import ENTRY, LOGS_TOGETHER, MAX_LOGS, rows_of, some_of, united

MAX_GROUP = 1_000
"""Entries of one group: some 100 ms, which those behind it wait."""

FEW_LOGS = 10
"""Of more it is asked first which have anything new: mostly few have, and to look where a log ends
costs the server a fifteenth of what reading on in it does."""

_SHOWN = [str(Kind.NOTIFICATION), str(Kind.DIGEST)]
"""What readers are shown."""

_COUNTED = ("seq", "notification_id", "expires_at")
"""The fields of an ``Outline``, in order."""

_OUTLINE: Document = {"_id": 0, "audience": 1, **dict.fromkeys(_COUNTED, 1)}

_GROUPED: Document = {
    "$group": {"_id": "$audience"} | {name: {"$push": f"${name}"} for name in _COUNTED}
}
"""One row for each log: a hundred small ones take ten times as long to read."""

_ASKER = "asker"
"""The field in which a query of many askers tells whose row it is."""


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """What one caller wants: a pipeline, and of how many logs."""

    pipeline: list[Document]
    logs: int


class MongoLog:
    """The ``Log`` port. ``clock`` numbers empty logs and ends the life of idempotency keys."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock
        self._entries = database["entries"]
        self._idempotency = IdempotencyKeys(database, clock)
        self._appender = Appender(database, clock)
        self._ends = EndReader(self._entries)
        self._drafts: Grouping[Draft, Receipt] = Grouping(
            self._flush,
            weigh=lambda draft: len(draft.notifications),
            limit=MAX_GROUP,
            patience=TIMEOUT,
        )
        # Reading is grouped as well: who comes back with thousands of others asks with them.
        self._readings: Grouping[_Reading, list[Document]] = Grouping(
            self._answer,
            weigh=lambda reading: reading.logs,
            limit=MAX_LOGS,
            patience=TIMEOUT,
        )
        self._heads_wanted: Grouping[Collection[str], dict[str, int]] = Grouping(
            self._read_heads, weigh=len, limit=MAX_LOGS, patience=TIMEOUT
        )

    async def append(self, publication: Publication) -> Receipt:
        return await self._drafts.submit(Draft.of(publication))

    async def withdraw(
        self, notification_id: str, *, publisher: str | None, now: int
    ) -> list[Entry]:
        # The end comes last: if this is cut short, a retry finds what is still to be taken back.
        of_it = of_notification(notification_id)
        with available():
            found = await self._entries.find(of_it, ENTRY).to_list()
        withdrawing = Withdrawing.of(map(entry_from, found), publisher=publisher, now=now)
        receipt = await self._drafts.submit(Draft(withdrawing.missing, notification_id))
        alive = {**of_it, "kind": {"$in": _SHOWN}, "expires_at": {"$gt": now}}
        if publisher is not None:
            alive["publisher"] = publisher
        with available():
            await self._entries.update_many(alive, {"$set": {"expires_at": now}})
        return sorted([*withdrawing.done, *receipt.entries], key=attrgetter("audience"))

    async def end(self, refs: Collection[Ref], *, now: int) -> None:
        if not refs:
            return
        places = [{"audience": audience, "seq": seq} for audience, seq in refs]
        alive = {"$or": places, "kind": {"$in": _SHOWN}, "expires_at": {"$gt": now}}
        with available():
            await self._entries.update_many(alive, {"$set": {"expires_at": now}})

    async def heads(self, audiences: Collection[str]) -> dict[str, int]:
        return await self._heads_wanted.submit(audiences)

    async def ends(self, audiences: Collection[str]) -> Ends:
        return await self._ends.read(audiences)

    async def after(
        self, positions: Mapping[str, int], *, limit: int, now: int, type: str | None = None
    ) -> dict[str, list[Entry]]:
        if len(positions) > FEW_LOGS:
            heads = await self.heads(positions)
            positions = {
                audience: seq for audience, seq in positions.items() if heads[audience] > seq
            }
        wanted: Document = {} if type is None else {"type": type}
        matches = [
            {"audience": audience, "seq": {"$gt": seq}, "expires_at": {"$gt": now}, **wanted}
            for audience, seq in positions.items()
        ]
        found = await self._read(matches, sort=1, limit=limit)
        return by_log([entry_from(document) for document in found])

    async def page(
        self,
        view: View,
        before: Mapping[str, int],
        *,
        limit: int,
        now: int,
        type: str | None = None,
    ) -> dict[str, list[Entry]]:
        visible = _visible_to(view, now)
        if type is not None:
            visible["type"] = {"$eq": type, **visible.get("type", {})}
        ends = {
            audience: {"$lt": before[audience]} for audience in view.floors if audience in before
        }
        matches = [
            {"audience": audience, "seq": {"$gt": floor, **ends.get(audience, {})}, **visible}
            for audience, floor in view.floors.items()
        ]
        found = await self._read(matches, sort=-1, limit=limit)
        return by_log([entry_from(document) for document in found])

    async def outline(
        self, view: View, positions: Mapping[str, int], *, limit: int, now: int
    ) -> dict[str, list[Outline]]:
        visible = _visible_to(view, now)
        matches = [
            {
                "audience": audience,
                "seq": {"$gt": max(positions[audience], view.floors[audience])},
                **visible,
            }
            for audience in positions.keys() & view.floors.keys()
        ]
        if not matches:
            return {}
        rows = united([some_of(match, sort=-1, limit=limit, fields=_OUTLINE) for match in matches])
        found = await self._readings.submit(
            _Reading([*rows, {"$limit": limit}, _GROUPED], len(matches))
        )
        return {log["_id"]: list(map(Outline, *(log[name] for name in _COUNTED))) for log in found}

    async def entries(self, refs: Collection[Ref], *, now: int) -> list[Entry]:
        if not refs:
            return []
        places = [{"audience": audience, "seq": seq} for audience, seq in set(refs)]
        wanted = {"$or": places, "expires_at": {"$gt": now}}
        pipeline: list[Document] = [{"$match": wanted}, {"$project": ENTRY}]
        found = await self._readings.submit(_Reading(pipeline, len(places)))
        return [entry_from(document) for document in found]

    async def copies(
        self, notification_ids: Collection[str], audiences: Collection[str], *, now: int
    ) -> list[Entry]:
        ids = [
            entry_id(notification_id, Kind.NOTIFICATION, audience)
            for notification_id in notification_ids
            for audience in audiences
        ]
        return await self._find({"_id": {"$in": ids}, "expires_at": {"$gt": now}})

    async def _find(self, query: Document) -> list[Entry]:
        with available():
            return [
                entry_from(document)
                async for document in self._entries.find(query, ENTRY, batch_size=AT_ONCE)
            ]

    async def _read(
        self,
        matches: Sequence[Document],
        *,
        sort: int,
        limit: int,
    ) -> list[Document]:
        """At most ``limit`` documents for each match, which are of one log each; in one query as
        long as they are not too many for one."""
        pipelines = [some_of(match, sort=sort, limit=limit) for match in matches]
        parts = [
            pipelines[start : start + LOGS_TOGETHER]
            for start in range(0, len(pipelines), LOGS_TOGETHER)
        ]
        readings = (_Reading(united(part), len(part)) for part in parts)
        found = await asyncio.gather(*map(self._readings.submit, readings))
        return list(chain.from_iterable(found))

    async def _answer(self, readings: Sequence[_Reading]) -> list[list[Document]]:
        """The rows for each reading; all of them together in as few queries as possible."""
        queries: list[list[list[Document]]] = []
        room = 0
        for asker, reading in enumerate(readings):
            room -= reading.logs
            if room < 0:
                queries.append([])
                room = LOGS_TOGETHER - reading.logs
            queries[-1].append([*reading.pipeline, {"$set": {_ASKER: asker}}])
        with available():
            found = await rows_of(self._entries, [united(pipelines) for pipelines in queries])
        answers: list[list[Document]] = [[] for _ in readings]
        for document in found:
            answers[document.pop(_ASKER)].append(document)
        return answers

    async def _read_heads(self, wanted: Sequence[Collection[str]]) -> list[dict[str, int]]:
        found = await read_heads(self._entries, set().union(*wanted))
        return [{a: found[a].seq if a in found else 0 for a in audiences} for audiences in wanted]

    async def _flush(self, drafts: Sequence[Draft]) -> list[Receipt | Exception]:
        failure: Exception | None = None
        try:
            with available(GROUP_SECONDS):
                await self._database.require_indexes()
                await self._idempotency.claim(drafts)
                await self._appender.append([draft for draft in drafts if draft.refusal is None])
        except StoreUnavailable as error:
            failure = error
        return [draft.outcome(failure) for draft in drafts]


def _visible_to(view: View, now: int) -> Document:
    forbidden, muted, digested = view.hidden
    visible: Document = {
        "kind": {"$in": _SHOWN},
        "expires_at": {"$gt": now},
        "excluded": {"$ne": view.user},
    }
    if forbidden:
        visible["type"] = {"$nin": list(forbidden)}
    unwanted = _unwanted(muted)
    if digested:
        ordinary = {"$ne": str(Priority.CRITICAL)}
        kind = str(Kind.NOTIFICATION)
        unwanted.append({"type": {"$in": list(digested)}, "kind": kind, "priority": ordinary})
    if unwanted:
        visible["$nor"] = unwanted
    return visible


def _unwanted(pairs: Iterable[tuple[str, Priority]]) -> list[Document]:
    """Few conditions for many pairs: one for each set of types that share their priorities."""
    priorities: dict[str, set[Priority]] = {}
    for type, priority in pairs:
        priorities.setdefault(type, set()).add(priority)
    types: dict[frozenset[Priority], list[str]] = {}
    for type, muted in priorities.items():
        types.setdefault(frozenset(muted), []).append(type)
    return [
        {"type": {"$in": names}, "priority": {"$in": _as_stored(muted)}}
        for muted, names in types.items()
    ]


def _as_stored(priorities: Collection[Priority]) -> list[str | None]:
    """Entries of an earlier release have none: theirs is normal."""
    stored: list[str | None] = [str(priority) for priority in priorities]
    return [*stored, None] if Priority.NORMAL in priorities else stored
