"""What is forked is a server like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nursery import ForkedNotifier, Nursery


@pytest.fixture
def server(nursery: Nursery, tmp_path: Path) -> ForkedNotifier:
    return ForkedNotifier(nursery, tmp_path / "notifier")


async def test_it_runs_ends_and_runs_again_on_its_files(server: ForkedNotifier) -> None:
    """In its own folder, with its own output; in order, its exit status is 0."""
    await server.start()
    assert server.is_running
    assert list(server.folder.rglob("*.db"))
    assert await server.stop() == 0
    assert not server.is_running
    await server.start()
    assert server.output.count("listening on") == 2
    assert await server.kill() == -9


async def test_it_has_its_own_settings(nursery: Nursery, tmp_path: Path) -> None:
    """What it refuses is told by its exit status, as in a shell."""
    server = ForkedNotifier(nursery, tmp_path / "notifier", {"NOTIFIER_STORE": "paper"})
    assert await server.run() == 2
    assert server.output.startswith("NOTIFIER_STORE: ")
