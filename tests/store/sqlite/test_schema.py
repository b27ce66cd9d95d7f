"""A file of an earlier release becomes one of this release, and loses nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from notifier.core.models import Notification, Priority, Ref, encode_content
from notifier.store import open_store
from notifier.store.sqlite import schema
from tests.store.samples import DAY, Clock


@pytest.fixture
def former(tmp_path: Path, clock: Clock) -> Path:
    """A file as the first release left it, with an entry, a withdrawal and a subscriber."""
    path = tmp_path / "former.db"
    now = clock()
    content = encode_content({"notification_id": "n", "priority": "high", "title": "Héllo"})
    gone = encode_content({"ids": ["7@user:me"]})
    kept = ("n", "info", "service:app", now, now + DAY, now + 2 * DAY, 1, '["you"]')
    with sqlite3.connect(path) as connection:
        for step in schema._STEPS[:2]:
            for statement in step:
                connection.execute(statement)
        connection.execute("PRAGMA user_version = 2")
        insert = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        connection.execute(insert, ("user:me", 7, "notification", *kept, content))
        connection.execute(insert, ("user:me", 8, "withdrawal", *kept, gone))
        preferences = '{"types":{"like":{"bell":false}},"sound":false,"version":3}'
        connection.execute("INSERT INTO subscribers VALUES (?, ?, ?)", ("me", preferences, 3))
    connection.close()
    return path


async def test_entries_keep_their_places_and_get_their_priority(former: Path, clock: Clock) -> None:
    """It had only been told to clients before."""
    store = await open_store(f"sqlite:///{former}", clock=clock)
    [entry] = await store.entries([Ref("user:me", 7)], now=clock())
    assert entry.notification == Notification(
        id="n",
        type="info",
        priority=Priority.HIGH,
        publisher="service:app",
        created_at=clock(),
        expires_at=clock() + DAY,
        excluded=frozenset({"you"}),
        content=encode_content({"notification_id": "n", "priority": "high", "title": "Héllo"}),
    )
    assert not entry.silent
    assert await store.heads(["user:me"]) == {"user:me": 8}
    [withdrawal] = await store.entries([Ref("user:me", 8)], now=clock())
    assert withdrawal.notification.priority is Priority.NORMAL
    await store.close()


async def test_subscribers_have_been_there_and_keep_what_they_want(
    former: Path, clock: Clock
) -> None:
    """Their roles are not known until they come again; what is new in preferences is as usual."""
    store = await open_store(f"sqlite:///{former}", clock=clock)
    found = await store.subscriber("me")
    assert found is not None
    assert (found.visited, found.roles) == (True, frozenset())
    assert found.preferences.types == {"like": {"bell": False}}
    assert (found.preferences.sound, found.preferences.version) == (False, 3)
    assert (found.preferences.time_zone, found.preferences.quiet_hours) == ("UTC", ())
    await store.close()
