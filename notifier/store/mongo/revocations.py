"""Revocations in MongoDB: a document for each role that was taken away, and one for all tokens."""

from __future__ import annotations

from collections.abc import Collection

from pymongo import UpdateOne

from notifier.core.models import Revocation
from notifier.store.mongo.database import Database, available
from notifier.store.revocations import Row, revocations_of, rows_of

USERS_TOGETHER = 10_000
"""Users asked for at a time: with the longest names still well below the 16 MiB of a command."""


class MongoRevocations:
    """The ``Revocations`` port."""

    def __init__(self, database: Database) -> None:
        self._revocations = database["revocations"]

    async def revoke(self, user: str, revocation: Revocation) -> None:
        moved = [
            UpdateOne({"user": user, "role": role}, {"$max": {"issued_until": until}}, upsert=True)
            for role, until in rows_of(revocation)
        ]
        with available():
            await self._revocations.bulk_write(moved, ordered=False)

    async def revocations(self, users: Collection[str]) -> dict[str, Revocation]:
        listed = list(users)
        rows: list[Row] = []
        for start in range(0, len(listed), USERS_TOGETHER):
            asked = {"user": {"$in": listed[start : start + USERS_TOGETHER]}}
            with available():
                found = await self._revocations.find(asked).to_list()
            rows += [(row["user"], row["role"], row["issued_until"]) for row in found]
        return revocations_of(rows)
