"""What all commands have in common."""

from __future__ import annotations

from notifier import __version__
from tests.cli.command_line import CommandLine


async def test_the_version_is_told(notifier: CommandLine) -> None:
    """--version prints the package's version."""
    assert __version__ in (await notifier("--version")).output


async def test_wrong_settings_are_told_one_a_line(notifier: CommandLine) -> None:
    """Every command stops with status 2 and one line for each problem."""
    outcome = await notifier("serve", PORT="x", NOTIFIER_LOG__LEVEL="loud")
    assert outcome.status == 2
    assert [line.partition(":")[0] for line in outcome.errors.splitlines()] == [
        "PORT",
        "NOTIFIER_LOG__LEVEL",
    ]
