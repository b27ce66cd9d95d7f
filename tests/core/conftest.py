"""The domain on each of the real stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from notifier.store import open_store
from tests.core.domain import Clock, Domain
from tests.servers import fresh_database


@pytest.fixture(params=["sqlite", "mongodb"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/notifier.db"
    return fresh_database(request.getfixturevalue("mongodb_uri"))


@pytest.fixture
async def domain(store_url: str) -> AsyncIterator[Domain]:
    """A publisher and a feed on an empty store, which closes with the test."""
    clock = Clock()
    store = await open_store(store_url, clock=clock)
    await store.migrate()
    yield Domain(store, clock)
    await store.close()
