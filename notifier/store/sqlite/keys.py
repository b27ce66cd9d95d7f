"""Service keys in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson

from notifier.core.models import ServiceKey
from notifier.errors import Conflict
from notifier.store.sqlite.database import Database

_ADD = "INSERT OR IGNORE INTO service_keys VALUES (?, ?, ?, ?, ?, ?)"

_KEY = "SELECT * FROM service_keys WHERE id = ?"

_KEYS = "SELECT * FROM service_keys ORDER BY created_at, id"

_REVOKE = "UPDATE service_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?"


class SqliteKeys:
    """The ``Keys`` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_key(self, key: ServiceKey) -> None:
        scopes = orjson.dumps(sorted(key.scopes)).decode()
        row = (key.id, key.name, key.digest, scopes, key.created_at, key.revoked_at)

        def work(connection: sqlite3.Connection) -> None:
            if not connection.execute(_ADD, row).rowcount:
                raise Conflict("There is a service key with this id.")

        await self._database.write(work)

    async def key(self, key_id: str) -> ServiceKey | None:
        def work(connection: sqlite3.Connection) -> ServiceKey | None:
            row = connection.execute(_KEY, (key_id,)).fetchone()
            return None if row is None else _key(row)

        return await self._database.read(work)

    async def keys(self) -> list[ServiceKey]:
        return await self._database.read(
            lambda connection: [_key(row) for row in connection.execute(_KEYS)]
        )

    async def revoke_key(self, key_id: str, at: int) -> bool:
        return await self._database.write(
            lambda connection: connection.execute(_REVOKE, (at, key_id)).rowcount > 0
        )


def _key(row: Sequence[Any]) -> ServiceKey:
    id, name, digest, scopes, created_at, revoked_at = row
    return ServiceKey(id, name, digest, frozenset(orjson.loads(scopes)), created_at, revoked_at)
