"""Revocations in SQLite: a row for each role that was taken away, and one for all tokens."""

from __future__ import annotations

from collections.abc import Collection

import orjson

from notifier.core.models import Revocation
from notifier.store.revocations import revocations_of, rows_of
from notifier.store.sqlite.database import Database

_REVOKE = """
    INSERT INTO revocations VALUES (?, ?, ?)
    ON CONFLICT (user, role) DO UPDATE SET issued_until = max(issued_until, excluded.issued_until)
"""

_REVOCATIONS = """
    SELECT user, role, issued_until FROM revocations
    WHERE user IN (SELECT value FROM json_each(?))
"""


class SqliteRevocations:
    """The ``Revocations`` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revoke(self, user: str, revocation: Revocation) -> None:
        rows = [(user, role, until) for role, until in rows_of(revocation)]
        await self._database.write(
            lambda connection: connection.executemany(_REVOKE, rows).rowcount, weight=len(rows)
        )

    async def revocations(self, users: Collection[str]) -> dict[str, Revocation]:
        listed = orjson.dumps(list(users)).decode()
        return await self._database.read(
            lambda connection: revocations_of(connection.execute(_REVOCATIONS, (listed,)))
        )
