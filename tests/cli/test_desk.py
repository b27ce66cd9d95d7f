"""``notifier queue``, run as people run it."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from notifier import Publisher
from tests.cli.command_line import CommandLine
from tests.conftest import StartNotifier
from tests.servers import until


@pytest.fixture
def channel() -> str:
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def notifier(tmp_path: Path, redis_url: str, channel: str) -> CommandLine:
    """The command line, with a queue of its own that no node reads."""
    return CommandLine(tmp_path, {"REDIS_URL": redis_url, "NOTIFIER_REDIS__CHANNEL": channel})


async def test_the_status_tells_what_waits_and_that_nobody_reads(
    notifier: CommandLine, redis_url: str, channel: str
) -> None:
    """A line for each priority, without a node having to run."""
    async with Publisher(redis_url, channel=channel) as publisher:
        await publisher.publish_many([{"to": "everyone", "title": "x", "priority": "low"}] * 3)
    outcome = await notifier("queue", "status")
    assert outcome.status == 0, outcome.errors
    lines = [line.split() for line in outcome.output.splitlines()]
    assert [line[:2] for line in lines[1:6]] == [
        ["critical", "0"],
        ["high", "0"],
        ["normal", "0"],
        ["low", "3"],
        ["dead", "0"],
    ]
    assert "nobody reads the queue" in outcome.output


async def test_dead_letters_are_listed_retried_and_dropped(
    notifier: CommandLine, start_notifier: StartNotifier, redis_url: str, channel: str
) -> None:
    """With the reason, without the content."""
    node = await start_notifier(**notifier.env)
    async with Publisher(redis_url, name="shop", channel=channel) as publisher:
        body = {"to": "user:ada", "title": "SECRET", "type": "unheard_of"}
        ids = await publisher.publish_many([body] * 3)

        async def dead() -> bool:
            return [(await publisher.outcome(one)).state for one in ids] == ["dead"] * 3

        await until(dead, what="three dead letters")
        await node.stop()
        listed = (await notifier("queue", "dead")).output
        assert "SECRET" not in listed
        lines = [line.split("  ", 4) for line in listed.splitlines()]
        assert [line[3].split() for line in lines] == [["shop", "publish", i] for i in ids[::-1]]
        assert all("type: Not in the type catalogue" in line[4] for line in lines)
        newest, _, oldest = (line[0] for line in lines)
        assert "1 dropped." in (await notifier("queue", "drop", newest)).output
        assert "1 put back" in (await notifier("queue", "retry", oldest)).output
        assert (await publisher.outcome(ids[0])).state == "queued"
        assert "1 put back" in (await notifier("queue", "retry", "--all")).output
        assert (await notifier("queue", "dead")).output == ""
        gone = await notifier("queue", "retry", newest)
        assert (gone.status, gone.errors) == (1, f"Error: There is no dead letter {newest}.\n")


@pytest.mark.parametrize("arguments", [["retry"], ["drop"], ["drop", "1-1", "--all"]])
async def test_what_to_retry_or_drop_must_be_said(
    notifier: CommandLine, arguments: list[str]
) -> None:
    """Some by their ids, or all; never all by mistake."""
    outcome = await notifier("queue", *arguments)
    assert outcome.status == 2
    assert "--all" in outcome.errors


async def test_without_redis_there_is_no_queue(tmp_path: Path) -> None:
    """One line says so."""
    outcome = await CommandLine(tmp_path)("queue", "status")
    assert (outcome.status, outcome.errors) == (1, "Error: there is no queue without REDIS_URL\n")


async def test_a_redis_that_is_away_is_told_in_one_line(notifier: CommandLine) -> None:
    """Without its address, which may hold a password."""
    outcome = await notifier("queue", "status", REDIS_URL="redis://:SECRET@127.0.0.1:1/0")
    assert outcome.status == 1
    assert outcome.errors.startswith("Error: Redis cannot be reached (")
    assert "SECRET" not in outcome.errors
