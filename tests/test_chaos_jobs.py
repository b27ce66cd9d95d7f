"""A slice of ``python -m tests.chaos jobs``, and what its rules find when something is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from notifier.core.models import (
    Kind,
    Notification,
    Priority,
    Publication,
    encode_content,
    new_id,
    now_ms,
)
from notifier.core.ports import Store
from notifier.store import open_store
from tests.chaos.jobs import Accepted, play, wrong_digests, wrong_groups, wrong_schedules
from tests.servers import fresh_database

KILLS = 2


async def test_workers_killed_over_sqlite_lose_and_double_nothing(tmp_path: Path) -> None:
    """Two processes on one file, killed in turn under load."""
    assert await play(f"sqlite:///{tmp_path}/notifier.db", KILLS, 1, tmp_path, print) == []


async def test_workers_killed_over_mongodb_lose_and_double_nothing(
    tmp_path: Path, mongodb_uri: str
) -> None:
    """The same with a server."""
    assert await play(fresh_database(mongodb_uri), KILLS, 1, tmp_path, print) == []


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/notifier.db")
    yield opened
    await opened.close()


async def put(store: Store, type: str, kind: Kind = Kind.NOTIFICATION, **content: object) -> str:
    """An entry in the log of u1; the notification's id."""
    fields = {"priority": Priority.NORMAL, "publisher": "p", "expires_at": now_ms() + 60_000}
    notification = Notification(
        id=new_id(now_ms()),
        kind=kind,
        type=type,
        created_at=now_ms(),
        content=encode_content({"title": "x", **content}),
        **fields,  # type: ignore[arg-type]
    )
    await store.append(Publication(notification, ("user:u1",)))
    return notification.id


async def test_a_wrong_delivery_is_found(store: Store) -> None:
    """One that never came, one that was cancelled and came, one in a log that it was not for."""
    there = await put(store, "info")
    accepted = Accepted(scheduled={there: ("user:u1",)})
    assert await wrong_schedules(store, accepted) == []
    accepted.scheduled["gone"] = ("user:u1",)
    assert await wrong_schedules(store, accepted) == ["lost: ('gone', 'user:u1')"]
    accepted = Accepted(scheduled={there: ("user:u1",)}, cancelled={there})
    assert await wrong_schedules(store, accepted) == [f"came all the same: {(there, 'user:u1')}"]
    accepted = Accepted(scheduled={there: ("user:u2",)})
    assert len(await wrong_schedules(store, accepted)) == 2


@pytest.mark.parametrize("accepted", [4, 6])
async def test_a_wrong_card_is_found(store: Store, accepted: int) -> None:
    """One that counts too many or too few."""
    await put(store, "like", collapse_key="1", count=5)
    assert await wrong_groups(store, {("user:u1", "1"): 5}) == []
    assert len(await wrong_groups(store, {("user:u1", "1"): accepted})) == 1


async def test_a_wrong_digest_is_found(store: Store) -> None:
    """One that counts wrong, or leaves what it counts where it was."""
    await put(store, "comment", Kind.DIGEST, count=3)
    assert await wrong_digests(store, {"user:u1": 3}) == []
    assert len(await wrong_digests(store, {"user:u1": 4})) == 1
    await put(store, "comment")
    assert await wrong_digests(store, {"user:u1": 3}) == ["1 comments for user:u1 would come back"]
