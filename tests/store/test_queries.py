"""Every query is served by an index: no store reads what it does not need."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from notifier.core.models import (
    Preferences,
    Principal,
    Revocation,
    ServiceKey,
)
from notifier.core.models.jobs import Job, Ration
from notifier.core.ports import Store
from notifier.store import open_store
from tests.store.samples import DAY, Clock, publication, view

SMALL = {"service_keys", "pulse"}
"""Read as a whole on purpose: the keys of all services, and one row."""

LIFE_CYCLE = {"migrate", "close"}


async def use_everything(store: Store, clock: Clock) -> set[str]:
    """Call every method, with several logs wherever several can be given; return their names."""
    recorder: Any = _Recorder(store)
    logs = ("user:me", "everyone", "topic:news", "role:admin")
    now, zero, me = clock(), dict.fromkeys(logs, 0), view("me", *logs, hidden=["muted", "quiet"])
    first = await recorder.append(publication(clock, *logs, key="k", excluded=["you"]))
    await recorder.append(publication(clock, *logs, key="k"))
    await recorder.append(publication(clock, "user:me", lifetime=1))
    gone = await recorder.append(publication(clock, "user:me", "everyone"))
    await recorder.withdraw(gone.notification_id, publisher=None, now=now)
    refs = [entry.ref for entry in first.entries]
    await recorder.heads(logs)
    await recorder.ends(logs)
    await recorder.after(zero, limit=5, now=now)
    await recorder.page(me, zero, limit=5, now=now, type="info")
    await recorder.page(me, {}, limit=5, now=now)
    await recorder.outline(me, zero, limit=5, now=now)
    await recorder.entries(refs, now=now)
    await recorder.copies([first.notification_id, gone.notification_id], logs, now=now)
    await recorder.welcome("me", zero)
    await recorder.set_roles("me", ["admin"])
    await recorder.subscriber("me")
    await recorder.standings(["me", "you"])
    await recorder.set_preferences("me", Preferences(version=1))
    await recorder.join_topic("me", "news", 5)
    await recorder.join_topic("me", "news", 5)
    await recorder.leave_topic("me", "news")
    await recorder.mark("me", refs, read=True, dismissed=True)
    for field in ("seen", "read", "dismissed"):
        await recorder.raise_watermark("me", field, zero)
    await recorder.add_key(ServiceKey("k", "n", "d", frozenset(), now))
    await recorder.key("k")
    await recorder.keys()
    await recorder.revoke_key("k", now)
    await recorder.revoke_key("unknown", now)
    await recorder.add_ticket("digest", Principal("me"), now + DAY)
    await recorder.take_ticket("digest", now=now)
    await recorder.revoke("me", Revocation(tokens=now, roles={"admin": now}))
    await recorder.revocations(["me", "you"])
    await recorder.add_jobs([Job("kind/one", now, {}), Job("kind/two", now + DAY, {})])
    await recorder.touch_jobs(["kind/one", "kind/none"])
    await recorder.touch_jobs(["kind/two"], due_at=now)
    [taken, _] = await recorder.take_jobs(now, until=now + DAY, limit=5)
    await recorder.job(taken.id)
    await recorder.remove_job(await recorder.replace_job(taken))
    await recorder.next_job()
    await recorder.ration([Ration("one", 1, now + DAY), Ration("two", 1, now + DAY)], "asker")
    await recorder.end(refs, now=now)
    await recorder.ping()
    await recorder.purge(now + DAY)
    called: set[str] = recorder.called
    return called


class _Recorder:
    """The store, noting which of its methods are called."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.called: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.called.add(name)
        return getattr(self._store, name)


def methods() -> set[str]:
    """All that a store can be asked."""
    return {name for name in dir(Store) if not name.startswith("_")} - LIFE_CYCLE


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that SQLite runs, with its values put in."""
    seen: list[str] = []
    connect = sqlite3.connect

    def connect_traced(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.set_trace_callback(seen.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_traced)
    return seen


async def test_sqlite_scans_no_table(sqlite_uri: str, statements: list[str], clock: Clock) -> None:
    """EXPLAIN QUERY PLAN of everything that runs: searches by index only, and no sorting."""
    store = await open_store(sqlite_uri, clock=clock)
    statements.clear()
    assert await use_everything(store, clock) == methods()
    await store.close()
    queries = {s for s in statements if s.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE")}
    assert len(queries) > 40
    connection = sqlite3.connect(sqlite_uri.removeprefix("sqlite:///"))
    for query in queries:
        if not any(name in query for name in SMALL):
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {query}"):
                assert _is_indexed(step), f"{step}: {query}"
    connection.close()


def _is_indexed(step: str) -> bool:
    if "VIRTUAL TABLE" in step:
        return True  # a list of values given with the query
    return not step.startswith("SCAN") and "TEMP B-TREE FOR ORDER" not in step


async def test_mongodb_scans_no_collection(empty_mongo_uri: str, clock: Clock) -> None:
    """The plan of everything that the server was asked to do: by index only, and no sorting."""
    async with AsyncMongoClient[dict[str, Any]](empty_mongo_uri) as client:
        database = client.get_default_database()
        async with profiled(database) as profile:
            store = await open_store(empty_mongo_uri, clock=clock)
            assert await use_everything(store, clock) == methods()
            await store.close()
            operations = await profile.find({"appName": "notifier"}).to_list()
        planned = [op for op in operations if op["op"] not in ("insert", "command")]
        planned += [op for op in operations if "aggregate" in op["command"]]
        assert len(planned) > 30
        for operation in planned:
            if operation["ns"].partition(".")[2] in SMALL:
                continue
            assert _plan_is_indexed(operation), operation
            if "aggregate" in operation["command"]:
                asked = {name: operation["command"][name] for name in ("aggregate", "pipeline")}
                plan = await database.command({"explain": {**asked, "cursor": {}}})
                stages = set(_values(plan, "stage"))
                assert stages
                assert not stages & {"COLLSCAN", "SORT"}, operation["command"]
                assert not set(_values(plan, "strategy")) & {"NestedLoopJoin", "HashJoin"}


@asynccontextmanager
async def profiled(database: Any) -> AsyncIterator[Any]:
    """The collection of what the server does meanwhile. Other tests share the database."""
    await database.command({"profile": 2})
    try:
        yield database["system.profile"]
    finally:
        await database.command({"profile": 0})
        await database.drop_collection("system.profile")


def _plan_is_indexed(operation: Mapping[str, Any]) -> bool:
    plan = operation.get("planSummary", "EOF")
    return "COLLSCAN" not in plan and not operation.get("hasSortStage", False)


def _values(plan: object, name: str) -> Iterator[str]:
    if isinstance(plan, Mapping):
        if isinstance(plan.get(name), str):
            yield plan[name]
        plan = list(plan.values())
    if isinstance(plan, list):
        for part in plan:
            yield from _values(part, name)
