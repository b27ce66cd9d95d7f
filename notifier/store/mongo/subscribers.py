"""Subscribers in MongoDB: preferences, topics, watermarks and marks.

Floors and topics are in the subscriber's own document, so that creating it and joining a topic are
one write each. Watermarks and marks have documents of their own, raised and set without reading.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pymongo import DeleteMany, UpdateOne
from pymongo.errors import DuplicateKeyError

from notifier.core.models import Mark, Preferences, Ref, Standing, Subscriber, Watermark
from notifier.core.ports import WatermarkField
from notifier.errors import Conflict
from notifier.store.grouping import Grouping
from notifier.store.mongo.database import AT_ONCE, TIMEOUT, Database, Document, available
from notifier.store.preferences import preferences_from, preferences_text

STANDINGS_TOGETHER = 2_000
"""Users whose standing is asked for at a time: some 20 ms."""

USERS_TOGETHER = 500
"""Subscribers read by one query; each may have some hundred watermarks and marks."""


class MongoSubscribers:
    """The ``Subscribers`` port."""

    def __init__(self, database: Database) -> None:
        self._entries = database["entries"]
        self._subscribers = database["subscribers"]
        self._watermarks = database["watermarks"]
        self._marks = database["marks"]
        self._subscribers_wanted: Grouping[str, Subscriber | None] = Grouping(
            self._read_subscribers, weigh=lambda user: 1, limit=USERS_TOGETHER, patience=TIMEOUT
        )

    async def subscriber(self, user: str) -> Subscriber | None:
        return await self._subscribers_wanted.submit(user)

    async def standings(self, users: Collection[str]) -> dict[str, Standing]:
        listed, found = list(users), {}
        for start in range(0, len(listed), STANDINGS_TOGETHER):
            asked = {"_id": {"$in": listed[start : start + STANDINGS_TOGETHER]}}
            with available():
                rows = self._subscribers.find(asked, _STANDING, batch_size=AT_ONCE)
                async for row in rows:
                    topics = frozenset(joined["topic"] for joined in row["topics"])
                    found[row["_id"]] = Standing(row["version"], topics)
        return found

    async def welcome(
        self, user: str, floors: Mapping[str, int], roles: Collection[str] = ()
    ) -> Subscriber:
        start = [{"audience": audience, "floor": floor} for audience, floor in floors.items()]
        visit = {"roles": sorted(roles), "visited": True}
        document = {**_fresh(), **visit, "floors": start, "topics": []}
        with available():
            found = await self._subscribers.update_one(
                {"_id": user}, {"$setOnInsert": document}, upsert=True
            )
            if found.matched_count:
                await self._subscribers.update_one(
                    {"_id": user, "visited": False}, {"$set": {**visit, "floors": start}}
                )
        subscriber = await self.subscriber(user)
        assert subscriber is not None
        return subscriber

    async def set_roles(self, user: str, roles: Collection[str]) -> None:
        with available():
            await self._subscribers.update_one({"_id": user}, {"$set": {"roles": sorted(roles)}})

    async def set_preferences(self, user: str, preferences: Preferences) -> None:
        version = preferences.version
        with available():
            changed = await self._subscribers.update_one(
                {"_id": user, "version": version - 1},
                {"$set": {"preferences": preferences_text(preferences), "version": version}},
            )
        if not changed.matched_count:
            raise Conflict("The preferences were changed meanwhile.")

    async def join_topic(self, user: str, topic: str, floor: int) -> bool:
        others = {"_id": user, "topics.topic": {"$ne": topic}}
        joining: Document = {"$push": {"topics": {"topic": topic, "floor": floor}}}
        expected = {**_fresh(), "roles": [], "visited": False, "floors": []}
        with available():
            try:
                await self._subscribers.update_one(
                    others, {**joining, "$setOnInsert": expected}, upsert=True
                )
            except DuplicateKeyError:  # the topic is there, or the subscriber is since a moment ago
                return (await self._subscribers.update_one(others, joining)).matched_count > 0
        return True

    async def leave_topic(self, user: str, topic: str) -> bool:
        with available():
            left = await self._subscribers.update_one(
                {"_id": user, "topics.topic": topic}, {"$pull": {"topics": {"topic": topic}}}
            )
        return left.matched_count > 0

    async def raise_watermark(
        self, user: str, field: WatermarkField, positions: Mapping[str, int]
    ) -> None:
        if not positions:
            return
        raised = [
            UpdateOne({"user": user, "audience": audience}, {"$max": {field: seq}}, upsert=True)
            for audience, seq in positions.items()
        ]
        # The marks go last: if this is cut short, the watermark covers what they said.
        with available():
            await self._watermarks.bulk_write(raised, ordered=False)
            if field != "seen":
                await self._drop_marks(user, positions, {} if field == "dismissed" else _KEPT)

    async def mark(
        self, user: str, refs: Collection[Ref], *, read: bool | None = None, dismissed: bool = False
    ) -> None:
        given = {"read": read} if read is not None else {}
        given |= {"dismissed": True} if dismissed else {}
        if not refs or not given:
            return
        untouched = {name: value for name, value in _UNMARKED.items() if name not in given}
        # A mark leaves with its entry; where there is no entry there is nothing to mark.
        places = [{"audience": audience, "seq": seq} for audience, seq in set(refs)]
        fields = {"_id": 0, "audience": 1, "seq": 1, "purge_at": 1}
        with available():
            found = await self._entries.find({"$or": places}, fields).to_list()
            changes = [
                UpdateOne(
                    {"user": user, "audience": row["audience"], "seq": row["seq"]},
                    {
                        "$set": {**given, "purge_at": row["purge_at"]},
                        "$setOnInsert": untouched,
                    },
                    upsert=True,
                )
                for row in found
            ]
            if changes:
                await self._marks.bulk_write(changes, ordered=False)

    async def _read_subscribers(self, users: Sequence[str]) -> list[Subscriber | None]:
        with available():
            cursor = await self._subscribers.aggregate(_about(users), batchSize=AT_ONCE)
            rows = await cursor.to_list()
        kept: dict[str, _Kept] = defaultdict(_Kept)
        for row in rows:
            kept[row.pop("user")].take(row)
        return [_subscriber(user, kept[user]) for user in users]

    async def _drop_marks(self, user: str, positions: Mapping[str, int], which: Document) -> None:
        await self._marks.bulk_write(
            [
                DeleteMany({"user": user, "audience": audience, "seq": {"$lte": seq}, **which})
                for audience, seq in positions.items()
            ],
            ordered=False,
        )


_STANDING = {"version": 1, "topics.topic": 1}

_UNMARKED = {"read": None, "dismissed": False}

_KEPT = {"dismissed": False}


def _fresh() -> Document:
    """What stands for somebody who has said nothing."""
    fresh = Preferences()
    return {"preferences": preferences_text(fresh), "version": fresh.version}


def _about(users: Collection[str]) -> list[Document]:
    """Every row about these users, with the ``user``.

    The watermarks come last: a mark that is gone was made pointless by one that is then found.
    """
    names = {"$in": list(set(users))}
    of_them: Document = {"$match": {"user": names}}
    marks = [of_them, {"$project": {"_id": 0, "purge_at": 0}}]
    watermarks = [of_them, {"$project": {"_id": 0}}]
    return [
        {"$match": {"_id": names}},
        {"$set": {"user": "$_id"}},
        {"$unionWith": {"coll": "marks", "pipeline": marks}},
        {"$unionWith": {"coll": "watermarks", "pipeline": watermarks}},
    ]


@dataclass(slots=True)
class _Kept:
    """The rows about one user: the subscriber's own, those of marks and those of watermarks."""

    subscriber: Document | None = None
    marks: dict[str, dict[int, Mark]] = field(default_factory=dict)
    watermarks: dict[str, Document] = field(default_factory=dict)

    def take(self, row: Document) -> None:
        if "preferences" in row:
            self.subscriber = row
        elif "seq" in row:
            mark = Mark(row["read"], row["dismissed"])
            self.marks.setdefault(row["audience"], {})[row["seq"]] = mark
        else:
            self.watermarks[row["audience"]] = row


def _subscriber(user: str, kept: _Kept) -> Subscriber | None:
    document, positions = kept.subscriber, kept.watermarks
    if document is None:
        return None
    floors = {row["audience"]: row["floor"] for row in document["floors"]}
    floors |= {f"topic:{row['topic']}": row["floor"] for row in document["topics"]}
    return Subscriber(
        user,
        preferences_from(document["preferences"]),
        frozenset(row["topic"] for row in document["topics"]),
        {
            audience: _watermark(positions.get(audience, {}), floors.get(audience, 0))
            for audience in floors.keys() | positions.keys()
        },
        # Absent from what an earlier release wrote: only who came was kept.
        frozenset(document.get("roles", ())),
        document.get("visited", True),
        kept.marks,
    )


def _watermark(positions: Document, floor: int) -> Watermark:
    return Watermark(
        seen=positions.get("seen", 0),
        read=positions.get("read", 0),
        dismissed=positions.get("dismissed", 0),
        floor=floor,
    )
