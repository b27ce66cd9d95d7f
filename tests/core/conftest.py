"""The domain on each of the real stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from notifier.store import open_store
from tests.core.domain import Clock, Domain
from tests.servers import fresh_database


@pytest.fixture(scope="session")
async def database(mongodb_uri: str) -> str:
    """The address of a MongoDB database with all indexes: making them anew takes a while."""
    address = fresh_database(mongodb_uri)
    store = await open_store(address)
    await store.migrate()
    await store.close()
    return address


@pytest.fixture
async def empty_database(database: str) -> str:
    """The same without a document."""
    async with AsyncMongoClient(database) as client:
        collections = client.get_default_database()
        for name in await collections.list_collection_names():
            await collections[name].delete_many({})
    return database


@pytest.fixture(params=["sqlite", "mongodb"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/notifier.db"
    return str(request.getfixturevalue("empty_database"))


@pytest.fixture
async def domain(store_url: str) -> AsyncIterator[Domain]:
    """A publisher and a feed on an empty store, which closes with the test."""
    clock = Clock()
    store = await open_store(store_url, clock=clock)
    yield Domain(store, clock)
    await store.close()


@pytest.fixture
async def second_node(domain: Domain, store_url: str) -> AsyncIterator[Domain]:
    """Another publisher and another feed on the same store, as on another node."""
    store = await open_store(store_url, clock=domain.clock)
    yield Domain(store, domain.clock)
    await store.close()
