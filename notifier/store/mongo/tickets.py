"""Tickets in MongoDB."""

from __future__ import annotations

from bson.datetime_ms import DatetimeMS

from notifier.core.models import Principal
from notifier.store.mongo.database import Database, available
from notifier.store.principals import principal_from, principal_text


class MongoTickets:
    """The ``Tickets`` port."""

    def __init__(self, database: Database) -> None:
        self._tickets = database["tickets"]

    async def add_ticket(self, digest: str, principal: Principal, expires_at: int) -> None:
        document = {
            "_id": digest,
            "principal": principal_text(principal),
            "purge_at": DatetimeMS(expires_at),
        }
        with available():
            await self._tickets.insert_one(document)

    async def take_ticket(self, digest: str, *, now: int) -> Principal | None:
        with available():
            taken = await self._tickets.find_one_and_delete({"_id": digest})
        if taken is None or int(taken["purge_at"]) <= now:
            return None
        return principal_from(taken["principal"])
