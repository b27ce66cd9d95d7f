"""Keeping local connections within what is left of their tokens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import pytest

from notifier.core.models import Entry, Revocation, Standing
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
        self.compared: list[tuple[str, Standing]] = []

    def deliver(self, entry: Entry) -> None:
        raise AssertionError("there is nothing to deliver")

    def tell(self, user: str, event: str, data: Any, skip: str | None) -> None:
        self.told.append(event)

    def restrict(self, user: str, revocation: Revocation) -> None:
        self.restricted.append((user, revocation))

    def compare(self, user: str, standing: Standing) -> None:
        self.compared.append((user, standing))


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
    task = asyncio.create_task(Revalidation(hub, validity, store).run())
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


async def test_where_users_stand_is_compared_as_often(
    hub: Hub, store: SqliteStore, sink: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Again and again, also after it has failed, whatever with."""
    monkeypatch.setattr(revalidation, "CHECK_SECONDS", 0.02)
    standings, failures = store.standings, [StoreUnavailable("Away."), OverflowError("Too large.")]

    async def failing(users: Collection[str]) -> dict[str, Standing]:
        if failures:
            raise failures.pop()
        return await standings(users)

    monkeypatch.setattr(store, "standings", failing)
    await store.join_topic("ada", "news", 0)
    await hub.join(["user:ada", "everyone"])
    async with watching(hub, store):
        await until(lambda: len(sink.compared) >= 2)
    assert sink.compared[:2] == [("ada", Standing(0, frozenset({"news"})))] * 2


@pytest.mark.parametrize("failure", [StoreUnavailable("Away."), OverflowError("Too large.")])
async def test_what_cannot_be_read_is_asked_for_again(
    hub: Hub,
    store: SqliteStore,
    sink: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
) -> None:
    """Whatever fails, a revocation that was told of is not forgotten."""
    monkeypatch.setattr(revalidation, "RETRY_SECONDS", 0.01)
    read, failures = store.revocations, 3

    async def failing(users: Collection[str]) -> dict[str, Revocation]:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise failure
        return await read(users)

    monkeypatch.setattr(store, "revocations", failing)
    await store.revoke("ada", Revocation(tokens=7))
    async with watching(hub, store):
        hub.tell("ada", REVOKED, {})
        await until(lambda: bool(sink.restricted))
    assert sink.restricted == [("ada", Revocation(tokens=7))]


async def test_a_check_that_fails_is_not_put_off_until_the_next(
    hub: Hub, store: SqliteStore, sink: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is asked again as soon as for those who were told of."""
    monkeypatch.setattr(revalidation, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(revalidation, "CHECK_SECONDS", 0.01)
    read = store.revocations

    async def failing(users: Collection[str]) -> dict[str, Revocation]:
        monkeypatch.setattr(store, "revocations", read)
        monkeypatch.setattr(revalidation, "CHECK_SECONDS", 3600)
        raise StoreUnavailable("Away.")

    monkeypatch.setattr(store, "revocations", failing)
    await hub.join(["user:ada"])
    await store.revoke("ada", Revocation(tokens=7))
    async with watching(hub, store):
        await until(lambda: bool(sink.restricted))
    assert sink.restricted == [("ada", Revocation(tokens=7))]


async def test_what_is_being_read_is_not_forgotten_when_the_check_is_due(
    hub: Hub, store: SqliteStore, sink: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow answer is waited for."""
    monkeypatch.setattr(revalidation, "CHECK_SECONDS", 0.05)
    read = store.revocations

    async def slow(users: Collection[str]) -> dict[str, Revocation]:
        await asyncio.sleep(2 * revalidation.CHECK_SECONDS)
        return await read(users)

    monkeypatch.setattr(store, "revocations", slow)
    await store.revoke("ada", Revocation(tokens=7))
    async with watching(hub, store):
        hub.tell("ada", REVOKED, {})
        await until(lambda: bool(sink.restricted))
    assert sink.restricted == [("ada", Revocation(tokens=7))]


async def test_a_fault_with_one_user_does_not_leave_others_unchecked(
    hub: Hub, store: SqliteStore, sink: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor that user in the end."""
    monkeypatch.setattr(revalidation, "RETRY_SECONDS", 0.01)
    restrict, failures = sink.restrict, 3

    def failing(user: str, revocation: Revocation) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise RuntimeError
        restrict(user, revocation)

    monkeypatch.setattr(sink, "restrict", failing)
    await hub.join(["user:ada", "user:grace"])
    for user in ("ada", "grace"):
        await store.revoke(user, Revocation(tokens=7))
    async with watching(hub, store):
        for user in ("ada", "grace"):
            hub.tell(user, REVOKED, {})
        await until(lambda: len(sink.restricted) == 2)
    assert {user for user, _ in sink.restricted} == {"ada", "grace"}
