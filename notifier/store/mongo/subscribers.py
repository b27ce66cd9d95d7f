"""Subscribers in MongoDB: preferences, topics, watermarks and marks.

Floors and topics are in the subscriber's own document, so that creating it and joining a topic are
one write each. Watermarks and marks have documents of their own, raised and set without reading.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pymongo import DeleteMany, UpdateOne

from notifier.core.models import Mark, Preferences, Ref, Subscriber, Watermark
from notifier.core.ports import WatermarkField
from notifier.errors import Conflict, NotFound
from notifier.store.mongo.database import Database, Document, available
from notifier.store.preferences import preferences_from, preferences_text

_WITH_WATERMARKS: Document = {
    "$lookup": {
        "from": "watermarks",
        "localField": "_id",
        "foreignField": "user",
        "as": "watermarks",
    }
}


class MongoSubscribers:
    """The ``Subscribers`` port."""

    def __init__(self, database: Database) -> None:
        self._entries = database["entries"]
        self._subscribers = database["subscribers"]
        self._watermarks = database["watermarks"]
        self._marks = database["marks"]

    async def subscriber(self, user: str) -> Subscriber | None:
        with available():
            found = await self._subscribers.aggregate([{"$match": {"_id": user}}, _WITH_WATERMARKS])
            documents = await found.to_list()
        return _subscriber(documents[0]) if documents else None

    async def welcome(self, user: str, floors: Mapping[str, int]) -> Subscriber:
        fresh = Preferences()
        document = {
            "preferences": preferences_text(fresh),
            "version": fresh.version,
            "floors": [
                {"audience": audience, "floor": floor} for audience, floor in floors.items()
            ],
            "topics": [],
        }
        with available():
            await self._subscribers.update_one(
                {"_id": user}, {"$setOnInsert": document}, upsert=True
            )
        subscriber = await self.subscriber(user)
        assert subscriber is not None
        return subscriber

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
        with available():
            joined = await self._subscribers.update_one(
                {"_id": user, "topics.topic": {"$ne": topic}},
                {"$push": {"topics": {"topic": topic, "floor": floor}}},
            )
            if joined.matched_count:
                return True
            if await self._subscribers.find_one({"_id": user}) is None:
                raise NotFound("There is no such subscriber.")
            return False

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

    async def marks(self, user: str, above: Mapping[str, int]) -> dict[str, dict[int, Mark]]:
        if not above:
            return {}
        logs = [{"audience": audience, "seq": {"$gt": seq}} for audience, seq in above.items()]
        found: dict[str, dict[int, Mark]] = {}
        with available():
            async for row in self._marks.find({"user": user, "$or": logs}):
                mark = Mark(row["read"], row["dismissed"])
                found.setdefault(row["audience"], {})[row["seq"]] = mark
        return found

    async def _drop_marks(self, user: str, positions: Mapping[str, int], which: Document) -> None:
        await self._marks.bulk_write(
            [
                DeleteMany({"user": user, "audience": audience, "seq": {"$lte": seq}, **which})
                for audience, seq in positions.items()
            ],
            ordered=False,
        )


_UNMARKED = {"read": None, "dismissed": False}

_KEPT = {"dismissed": False}


def _subscriber(document: Document) -> Subscriber:
    floors = {row["audience"]: row["floor"] for row in document["floors"]}
    floors |= {f"topic:{row['topic']}": row["floor"] for row in document["topics"]}
    positions = {row["audience"]: row for row in document["watermarks"]}
    return Subscriber(
        document["_id"],
        preferences_from(document["preferences"]),
        frozenset(row["topic"] for row in document["topics"]),
        {
            audience: _watermark(positions.get(audience, {}), floors.get(audience, 0))
            for audience in floors.keys() | positions.keys()
        },
    )


def _watermark(positions: Document, floor: int) -> Watermark:
    return Watermark(
        seen=positions.get("seen", 0),
        read=positions.get("read", 0),
        dismissed=positions.get("dismissed", 0),
        floor=floor,
    )
