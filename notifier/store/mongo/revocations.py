"""Revocations in MongoDB: a document for each role that was taken away, and one for all tokens."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pymongo import UpdateOne

from notifier.core.models import Revocation
from notifier.store.grouping import Grouping
from notifier.store.mongo.database import TIMEOUT, Database, available
from notifier.store.revocations import Row, revocations_of, rows_of

USERS_TOGETHER = 10_000
"""Users asked for at a time: with the longest names still well below the 16 MiB of a command."""

Rules = dict[str, Revocation]


class MongoRevocations:
    """The ``Revocations`` port."""

    def __init__(self, database: Database) -> None:
        self._revocations = database["revocations"]
        self._rules_wanted: Grouping[Collection[str], Rules] = Grouping(
            self._read_rules, weigh=len, limit=USERS_TOGETHER, patience=TIMEOUT
        )

    async def revoke(self, user: str, revocation: Revocation) -> None:
        moved = [
            UpdateOne({"user": user, "role": role}, {"$max": {"issued_until": until}}, upsert=True)
            for role, until in rows_of(revocation)
        ]
        if not moved:
            return
        with available():
            await self._revocations.bulk_write(moved, ordered=False)

    async def revocations(self, users: Collection[str]) -> Rules:
        return await self._rules_wanted.submit(users)

    async def _read_rules(self, wanted: Sequence[Collection[str]]) -> list[Rules]:
        listed = list(set().union(*wanted))
        rows: list[Row] = []
        for start in range(0, len(listed), USERS_TOGETHER):
            asked = {"user": {"$in": listed[start : start + USERS_TOGETHER]}}
            with available():
                found = await self._revocations.find(asked).to_list()
            rows += [(row["user"], row["role"], row["issued_until"]) for row in found]
        rules = revocations_of(rows)
        return [{user: rules[user] for user in users if user in rules} for users in wanted]
