"""Keeping local connections within what is left of their tokens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import pytest

from notifier.core.models import Entry, Revocation
from notifier.core.validity import REVOKED, Validity
from notifier.errors import StoreUnavailable
from notifier.realtime import revalidation
from notifier.realtime.bus import LocalBus
from notifier.realtime.hub import Hub
from notifier.realtime.revalidation import Revalidation
from notifier.store import open_store
from notifier.store.sqlite import SqliteStore
from tests.realtime.engine.wire import until


class Recorder:
    """A sink that keeps whom it was to restrict."""

    def __init__(self) -> None:
        self.restricted: list[tuple[str, Revocation]] = []
        self.told: list[str] = []

    def deliver(self, entry: Entry) -> None:
        raise AssertionError("there is nothing to deliver")

    def tell(self, user: str, event: str, data: Any, skip: str | None) -> None:
        self.told.append(event)

    def restrict(self, user: str, revocation: Revocation) -> None:
        self.restricted.append((user, revocation))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await open_store(f"sqlite:///{tmp_path}/notifier.db")
    assert isinstance(store, SqliteStore)
    yield store
    await store.close()


@pytest.fixture
async def hub(store: SqliteStore) -> AsyncIterator[Hub]:
    hub = Hub(store)
    hub.start()
    yield hub
    await hub.close()


@pytest.fixture
def sink(hub: Hub) -> Recorder:
    recorder = Recorder()
    hub.sinks.append(recorder)
    return recorder


@contextlib.asynccontextmanager
async def watching(hub: Hub, store: SqliteStore) -> AsyncIterator[Validity]:
    validity = Validity(store, LocalBus(hub))
    task = asyncio.create_task(Revalidation(hub, validity).run())
    await asyncio.sleep(0)
    yield validity
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_the_bus_tells_of_is_read_from_the_store(
    hub: Hub, store: SqliteStore, sink: Recorder
) -> None:
    """The hint says only who; connections are never told of it as an event."""
    async with watching(hub, store):
        await store.revoke("ada", Revocation(tokens=7))
        hub.tell("ada", REVOKED, {"tokens": 999})
        hub.tell("grace", REVOKED, {})
        await until(lambda: bool(sink.restricted))
    assert sink.restricted == [("ada", Revocation(tokens=7))]
    assert sink.told == []


async def test_without_the_bus_all_local_users_are_checked(
    hub: Hub, store: SqliteStore, sink: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one query, again and again; users without a reader here are of no interest."""
    assert revalidation.CHECK_SECONDS <= 20
    monkeypatch.setattr(revalidation, "CHECK_SECONDS", 0.02)
    asked: list[set[str]] = []
    read = store.revocations

    async def counted(users: Collection[str]) -> dict[str, Revocation]:
        asked.append(set(users))
        return await read(users)

    monkeypatch.setattr(store, "revocations", counted)
    await hub.join(["user:ada", "user:grace", "everyone"])
    for user in ("ada", "linus"):
        await store.revoke(user, Revocation(tokens=7))
    async with watching(hub, store):
        await until(lambda: len(sink.restricted) >= 2)
    assert set(map(str, sink.restricted)) == {str(("ada", Revocation(tokens=7)))}
    assert asked[0] == {"ada", "grace"}


async def test_a_store_that_is_away_is_asked_again(
    hub: Hub, store: SqliteStore, sink: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revocation that was told of is not forgotten."""
    monkeypatch.setattr(revalidation, "RETRY_SECONDS", 0.01)
    read, failures = store.revocations, 3

    async def failing(users: Collection[str]) -> dict[str, Revocation]:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise StoreUnavailable("Away.")
        return await read(users)

    monkeypatch.setattr(store, "revocations", failing)
    await store.revoke("ada", Revocation(tokens=7))
    async with watching(hub, store):
        hub.tell("ada", REVOKED, {})
        await until(lambda: bool(sink.restricted))
    assert sink.restricted == [("ada", Revocation(tokens=7))]
