"""Both stores, so that every test of the contract runs on each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from notifier.core.ports import Store
from notifier.store import open_store
from tests.servers import fresh_database
from tests.store.samples import Clock

OpenNode = Callable[[], Awaitable[Store]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
async def mongo_store_uri(mongodb_uri: str) -> str:
    """A database of the store tests' own, with its indexes."""
    uri = fresh_database(mongodb_uri)
    store = await open_store(uri)
    await store.migrate()
    await store.close()
    return uri


@pytest.fixture
async def empty_mongo_uri(mongo_store_uri: str) -> str:
    """The same database without a single document."""
    async with AsyncMongoClient[dict[str, object]](mongo_store_uri) as client:
        database = client.get_default_database()
        for name in await database.list_collection_names():
            await database[name].delete_many({})
    return mongo_store_uri


@pytest.fixture
def sqlite_uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store/notifier.db"


@pytest.fixture(params=["sqlite", "mongodb"])
def store_uri(request: pytest.FixtureRequest) -> str:
    """An empty store of each kind."""
    fixture = {"sqlite": "sqlite_uri", "mongodb": "empty_mongo_uri"}[request.param]
    uri: str = request.getfixturevalue(fixture)
    return uri


@pytest.fixture
async def open_node(store_uri: str, clock: Clock) -> AsyncIterator[OpenNode]:
    """Open the same store once more, as another node does."""
    opened: list[Store] = []

    async def open_one() -> Store:
        opened.append(await open_store(store_uri, clock=clock))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_node: OpenNode) -> Store:
    return await open_node()
