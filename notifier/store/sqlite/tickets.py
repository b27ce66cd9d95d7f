"""Tickets in SQLite."""

from __future__ import annotations

import sqlite3

from notifier.core.models import Principal
from notifier.store.principals import principal_from, principal_text
from notifier.store.sqlite.database import Database

_ADD = "INSERT INTO tickets VALUES (?, ?, ?)"

_TAKE = "DELETE FROM tickets WHERE digest = ? RETURNING principal, purge_at"


class SqliteTickets:
    """The ``Tickets`` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_ticket(self, digest: str, principal: Principal, expires_at: int) -> None:
        row = (digest, principal_text(principal), expires_at)
        await self._database.write(lambda connection: connection.execute(_ADD, row).rowcount)

    async def take_ticket(self, digest: str, *, now: int) -> Principal | None:
        def work(connection: sqlite3.Connection) -> Principal | None:
            row = connection.execute(_TAKE, (digest,)).fetchone()
            return principal_from(row[0]) if row is not None and row[1] > now else None

        return await self._database.write(work)
