"""Subscribers in SQLite: preferences, topics, watermarks and marks."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping

import orjson

from notifier.core.models import Mark, Marks, Preferences, Ref, Standing, Subscriber, Watermark
from notifier.core.ports import WatermarkField
from notifier.errors import Conflict
from notifier.store.preferences import preferences_from, preferences_text
from notifier.store.sqlite.database import Database

_SUBSCRIBER = "SELECT preferences, roles, visited FROM subscribers WHERE user = ?"

_WATERMARKS = "SELECT audience, seen, read, dismissed, floor FROM watermarks WHERE user = ?"

_WELCOME = """
    INSERT INTO subscribers (user, preferences, version, roles, visited) VALUES (?, ?, ?, ?, 1)
    ON CONFLICT (user) DO UPDATE SET roles = excluded.roles, visited = 1 WHERE NOT visited
"""

_EXPECT = """
    INSERT OR IGNORE INTO subscribers (user, preferences, version, visited) VALUES (?, ?, ?, 0)
"""

_SET_ROLES = "UPDATE subscribers SET roles = ? WHERE user = ?"

_SET_PREFERENCES = (
    "UPDATE subscribers SET preferences = ?, version = ? WHERE user = ? AND version = ?"
)

_FLOOR = """
    INSERT INTO watermarks (user, audience, floor) VALUES (?, ?, ?)
    ON CONFLICT (user, audience) DO UPDATE SET floor = max(floor, excluded.floor)
"""

_RAISE: Mapping[WatermarkField, str] = {
    "seen": """
        INSERT INTO watermarks (user, audience, seen) VALUES (?, ?, ?)
        ON CONFLICT (user, audience) DO UPDATE SET seen = max(seen, excluded.seen)
    """,
    "read": """
        INSERT INTO watermarks (user, audience, read) VALUES (?, ?, ?)
        ON CONFLICT (user, audience) DO UPDATE SET read = max(read, excluded.read)
    """,
    "dismissed": """
        INSERT INTO watermarks (user, audience, dismissed) VALUES (?, ?, ?)
        ON CONFLICT (user, audience) DO UPDATE SET dismissed = max(dismissed, excluded.dismissed)
    """,
}

_DROP_MARKS: Mapping[WatermarkField, str] = {
    "read": "DELETE FROM marks WHERE user = ? AND audience = ? AND seq <= ? AND NOT dismissed",
    "dismissed": "DELETE FROM marks WHERE user = ? AND audience = ? AND seq <= ?",
}

# A mark leaves with its entry; where there is no entry there is nothing to mark.
_MARK = """
    INSERT INTO marks (user, audience, seq, read, dismissed, purge_at)
    SELECT :user, audience, seq, :read, :dismissed, purge_at FROM entries
    WHERE audience = :audience AND seq = :seq
    ON CONFLICT (user, audience, seq) DO UPDATE SET
        read = coalesce(excluded.read, read), dismissed = max(dismissed, excluded.dismissed)
"""

_VERSIONS_OF = """
    SELECT user, version FROM subscribers WHERE user IN (SELECT value FROM json_each(?))
"""

_TOPICS_OF = "SELECT user, topic FROM topics WHERE user IN (SELECT value FROM json_each(?))"

_MARKS = "SELECT audience, seq, read, dismissed FROM marks WHERE user = ?"


class SqliteSubscribers:
    """The ``Subscribers`` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def subscriber(self, user: str) -> Subscriber | None:
        return await self._database.read(lambda connection: _subscriber(connection, user))

    async def standings(self, users: Collection[str]) -> dict[str, Standing]:
        asked = orjson.dumps(list(users)).decode()

        def work(connection: sqlite3.Connection) -> dict[str, Standing]:
            topics: dict[str, set[str]] = defaultdict(set)
            for user, topic in connection.execute(_TOPICS_OF, (asked,)):
                topics[user].add(topic)
            versions = connection.execute(_VERSIONS_OF, (asked,))
            return {u: Standing(version, frozenset(topics[u])) for u, version in versions}

        return await self._database.read(work)

    async def welcome(
        self, user: str, floors: Mapping[str, int], roles: Collection[str] = ()
    ) -> Subscriber:
        def work(connection: sqlite3.Connection) -> Subscriber:
            row = (user, *_fresh(), _roles_text(roles))
            if connection.execute(_WELCOME, row).rowcount:
                marked = ((user, audience, floor) for audience, floor in floors.items())
                connection.executemany(_FLOOR, marked)
            subscriber = _subscriber(connection, user)
            assert subscriber is not None
            return subscriber

        return await self._database.write(work)

    async def set_roles(self, user: str, roles: Collection[str]) -> None:
        row = (_roles_text(roles), user)
        await self._database.write(lambda connection: connection.execute(_SET_ROLES, row).rowcount)

    async def set_preferences(self, user: str, preferences: Preferences) -> None:
        def work(connection: sqlite3.Connection) -> None:
            version = preferences.version
            row = (preferences_text(preferences), version, user, version - 1)
            if not connection.execute(_SET_PREFERENCES, row).rowcount:
                raise Conflict("The preferences were changed meanwhile.")

        await self._database.write(work)

    async def join_topic(self, user: str, topic: str, floor: int) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            connection.execute(_EXPECT, (user, *_fresh()))
            joined = connection.execute("INSERT OR IGNORE INTO topics VALUES (?, ?)", (user, topic))
            if joined.rowcount:
                connection.execute(_FLOOR, (user, f"topic:{topic}", floor))
            return joined.rowcount > 0

        return await self._database.write(work)

    async def leave_topic(self, user: str, topic: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            gone = connection.execute(
                "DELETE FROM topics WHERE user = ? AND topic = ?", (user, topic)
            )
            return gone.rowcount > 0

        return await self._database.write(work)

    async def raise_watermark(
        self, user: str, field: WatermarkField, positions: Mapping[str, int]
    ) -> None:
        rows = [(user, audience, seq) for audience, seq in positions.items()]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(_RAISE[field], rows)
            if field in _DROP_MARKS:
                connection.executemany(_DROP_MARKS[field], rows)

        await self._database.write(work, weight=1 + len(rows))

    async def mark(
        self, user: str, refs: Collection[Ref], *, read: bool | None = None, dismissed: bool = False
    ) -> None:
        given = {"user": user, "read": read, "dismissed": dismissed}
        rows = [{**given, "audience": audience, "seq": seq} for audience, seq in refs]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(_MARK, rows)

        await self._database.write(work, weight=1 + len(rows))


def _subscriber(connection: sqlite3.Connection, user: str) -> Subscriber | None:
    row = connection.execute(_SUBSCRIBER, (user,)).fetchone()
    if row is None:
        return None
    preferences, roles, visited = row
    topics = connection.execute("SELECT topic FROM topics WHERE user = ?", (user,))
    watermarks = connection.execute(_WATERMARKS, (user,))
    return Subscriber(
        user,
        preferences_from(preferences),
        frozenset(topic for (topic,) in topics),
        {
            audience: Watermark(seen=seen, read=read, dismissed=dismissed, floor=floor)
            for audience, seen, read, dismissed, floor in watermarks
        },
        frozenset(orjson.loads(roles)),
        bool(visited),
        _marks(connection, user),
    )


def _marks(connection: sqlite3.Connection, user: str) -> Marks:
    marks: dict[str, dict[int, Mark]] = {}
    for audience, seq, read, dismissed in connection.execute(_MARKS, (user,)):
        mark = Mark(None if read is None else bool(read), bool(dismissed))
        marks.setdefault(audience, {})[seq] = mark
    return marks


def _fresh() -> tuple[str, int]:
    """The preferences of somebody who has said nothing, and their version."""
    fresh = Preferences()
    return preferences_text(fresh), fresh.version


def _roles_text(roles: Collection[str]) -> str:
    return orjson.dumps(sorted(roles)).decode()
