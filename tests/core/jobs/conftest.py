"""Scenes on each of the real stores."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from notifier.store import open_store
from tests.core.domain import Clock
from tests.core.jobs.scene import Mortal, Scene


@pytest.fixture
async def mortal(store_url: str) -> AsyncIterator[tuple[Mortal, Clock]]:
    """A store that can be made to die, and its clock."""
    clock = Clock()
    store = await open_store(store_url, clock=clock)
    yield Mortal(store), clock
    await store.close()


@pytest.fixture
def scene(mortal: tuple[Mortal, Clock]) -> Scene:
    store, clock = mortal
    return Scene(store, clock)  # type: ignore[arg-type]
