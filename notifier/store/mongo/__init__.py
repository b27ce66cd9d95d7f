"""The store for many nodes: a MongoDB replica set, or several sharded by ``audience``."""

from __future__ import annotations

from collections.abc import Callable

from bson.datetime_ms import DatetimeMS

from notifier.store.mongo.database import Database, available
from notifier.store.mongo.jobs import MongoJobs
from notifier.store.mongo.keys import MongoKeys
from notifier.store.mongo.log import MongoLog
from notifier.store.mongo.revocations import MongoRevocations
from notifier.store.mongo.subscribers import MongoSubscribers
from notifier.store.mongo.tickets import MongoTickets


class MongoStore(MongoLog, MongoSubscribers, MongoKeys, MongoTickets, MongoRevocations, MongoJobs):
    """The ``Store`` port on MongoDB."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        MongoLog.__init__(self, database, clock)
        MongoSubscribers.__init__(self, database)
        MongoKeys.__init__(self, database)
        MongoTickets.__init__(self, database)
        MongoRevocations.__init__(self, database)
        MongoJobs.__init__(self, database)

    async def migrate(self) -> None:
        await self._database.migrate()

    async def ping(self) -> None:
        await self._database.require_indexes()
        with available():
            await self._database["pulse"].update_one(
                {"_id": 0}, {"$set": {"at": self._clock()}}, upsert=True
            )

    async def purge(self, now: int) -> int:
        """Only ahead of the server, which does the same by its TTL indexes every minute."""
        due = {"purge_at": {"$lte": DatetimeMS(now)}}
        gone = 0
        for name in ("entries", "idempotency_keys", "marks", "tickets", "rations"):
            with available():
                # Along the index: a log loses its entries from the front.
                removed = await self._database[name].delete_many(due, hint="purge")
            gone += removed.deleted_count if name == "entries" else 0
        return gone

    async def close(self) -> None:
        await self._drafts.close()
        await self._database.close()
