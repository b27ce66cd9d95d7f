"""The store for one host: a single SQLite file, shared by any number of processes there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from notifier.store.sqlite.database import Database
from notifier.store.sqlite.jobs import SqliteJobs
from notifier.store.sqlite.keys import SqliteKeys
from notifier.store.sqlite.log import SqliteLog
from notifier.store.sqlite.revocations import SqliteRevocations
from notifier.store.sqlite.schema import migrate
from notifier.store.sqlite.subscribers import SqliteSubscribers
from notifier.store.sqlite.tickets import SqliteTickets

PURGE_BATCH = 500
"""Rows that one transaction removes: a few milliseconds, so that no writer waits long for it."""

_PURGE_ENTRIES = """
    DELETE FROM entries WHERE rowid IN
    (SELECT rowid FROM entries WHERE purge_at <= ? ORDER BY purge_at LIMIT ?)
"""

_PURGE_KEYS = """
    DELETE FROM idempotency_keys WHERE (publisher, key) IN
    (SELECT publisher, key FROM idempotency_keys WHERE purge_at <= ? LIMIT ?)
"""

_PURGE_MARKS = """
    DELETE FROM marks WHERE (user, audience, seq) IN
    (SELECT user, audience, seq FROM marks WHERE purge_at <= ? LIMIT ?)
"""


_PURGE_TICKETS = """
    DELETE FROM tickets WHERE digest IN
    (SELECT digest FROM tickets WHERE purge_at <= ? LIMIT ?)
"""

_PURGE_RATIONS = """
    DELETE FROM rations WHERE place IN
    (SELECT place FROM rations WHERE purge_at <= ? LIMIT ?)
"""


class SqliteStore(
    SqliteLog, SqliteSubscribers, SqliteKeys, SqliteTickets, SqliteRevocations, SqliteJobs
):
    """The ``Store`` port on one SQLite file."""

    @classmethod
    async def open(cls, path: Path, clock: Callable[[], int]) -> SqliteStore:
        """Open the file, create it if need be, bring its tables to the present version."""
        store = cls(Database(path), clock)
        try:
            await store.migrate()
        except BaseException:
            await store.close()
            raise
        return store

    async def migrate(self) -> None:
        await self._database.write(migrate)

    async def ping(self) -> None:
        now = self._clock()
        await self._database.write(
            lambda connection: connection.execute("UPDATE pulse SET at = ?", (now,)).rowcount
        )

    async def purge(self, now: int) -> int:
        gone = await self._purge(_PURGE_ENTRIES, now)
        await self._purge(_PURGE_KEYS, now)
        await self._purge(_PURGE_MARKS, now)
        await self._purge(_PURGE_TICKETS, now)
        await self._purge(_PURGE_RATIONS, now)
        return gone

    async def close(self) -> None:
        await self._database.close()

    async def _purge(self, statement: str, now: int) -> int:
        def batch(connection: sqlite3.Connection) -> int:
            return connection.execute(statement, (now, PURGE_BATCH)).rowcount

        gone = await self._database.write(batch, weight=PURGE_BATCH)
        last = gone
        while last == PURGE_BATCH:
            last = await self._database.write(batch, weight=PURGE_BATCH)
            gone += last
        return gone
