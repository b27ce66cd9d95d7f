"""``notifier serve`` and ``migrate``, run as people run them."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command_line import CommandLine, Outcome
from tests.servers import NotifierProcess


async def test_serve_prints_its_address_first(node: NotifierProcess) -> None:
    """The first line holds the URL, the second that of the demo; both answer."""
    first, second = node.output.splitlines()[:2]
    assert first == f"Notifier is listening on {node.url}"
    assert second.endswith(f"{node.url}/demo/")


async def test_serve_takes_host_port_and_environment(notifier: CommandLine, tmp_path: Path) -> None:
    """Options win over variables."""
    process = NotifierProcess(
        tmp_path / "node", {"PORT": "1", "NOTIFIER_ENV": "production"}, ("--env", "test")
    )
    await process.start()
    assert process.port != 1
    assert "demo" not in process.output
    assert await process.stop() == 0


async def test_serve_tells_that_the_port_is_taken(
    node: NotifierProcess, notifier: CommandLine
) -> None:
    """One line, no traceback."""
    outcome = await notifier("serve", "--port", str(node.port))
    assert outcome.status == 1
    (line,) = [line for line in outcome.errors.splitlines() if line.startswith("Error")]
    assert line == f"Error: cannot listen on 127.0.0.1:{node.port}: Address already in use"
    assert "Traceback" not in outcome.errors


async def test_serve_ends_orderly_on_sigterm(tmp_path: Path) -> None:
    """SIGTERM ends it with status 0, and the same folder serves again."""
    process = NotifierProcess(tmp_path / "node")
    for _ in range(2):
        await process.start()
        assert await process.stop() == 0


async def test_migrate_can_be_repeated(notifier: CommandLine) -> None:
    """On SQLite the file is there afterwards, and a second time changes nothing."""
    for _ in range(2):
        outcome = await notifier("migrate")
        assert outcome == Outcome(0, "The store is ready: sqlite:///var/notifier.db\n", "")
    assert (notifier.folder / "var" / "notifier.db").exists()
