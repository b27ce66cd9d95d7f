"""Command lines, in an empty folder and at a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine
from tests.servers import NotifierProcess


@pytest.fixture
def notifier(tmp_path: Path) -> CommandLine:
    """The command line in an empty folder."""
    return CommandLine(tmp_path)


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NotifierProcess]:
    """A server in development, and its folder."""
    process = NotifierProcess(tmp_path_factory.mktemp("node"))
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
def at_node(node: NotifierProcess) -> CommandLine:
    """The command line in the server's folder: it shares the server's secret and store."""
    return CommandLine(node.folder, {"PORT": str(node.port)})
