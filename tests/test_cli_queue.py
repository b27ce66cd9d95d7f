"""``notifier queue`` and ``notifier send --file``, run as people run them."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from notifier import Publisher
from tests.conftest import StartNotifier
from tests.servers import REPOSITORY, NotifierProcess, clean_environment, until
from tests.test_cli import CommandLine


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


def write_lines(path: Path, count: int) -> str:
    lines = ({"to": "user:f", "title": f"line {number}"} for number in range(count))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


@pytest.fixture
async def node(start_notifier: StartNotifier) -> NotifierProcess:
    return await start_notifier()


@pytest.fixture
def at_node(node: NotifierProcess) -> CommandLine:
    return CommandLine(node.folder, {"PORT": str(node.port)})


async def test_sending_goes_on_where_it_was_interrupted(
    node: NotifierProcess, at_node: CommandLine, tmp_path: Path
) -> None:
    """After Ctrl-C the same command sends the rest; every line is published once."""
    file = write_lines(tmp_path / "many.jsonl", 450)
    record = tmp_path / "many.jsonl.sent"
    sending = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "notifier", "send", "--file", file, "--rate", "1"),
        cwd=node.folder,
        env={**clean_environment(), "PYTHONPATH": str(REPOSITORY), **at_node.env},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def has_begun() -> bool:
        return record.exists()

    await until(has_begun, what="the first batch to be sent")
    sending.send_signal(signal.SIGINT)
    assert await sending.wait() != 0
    done = json.loads(record.read_text())["line"]
    assert done == 100
    outcome = await at_node("send", "--file", file)
    assert outcome.status == 0, outcome.errors
    assert f"Going on behind line {done}." in outcome.errors
    assert f"{450 - done} published, 0 refused" in outcome.output
    assert not record.exists()
    again = await at_node("send", "--file", file)
    assert "450 published" in again.output
    assert await count_published(node) == 450


async def test_another_file_under_the_same_name_is_sent_from_its_start(
    at_node: CommandLine, tmp_path: Path
) -> None:
    """What was sent must still be there for the rest to count as the rest."""
    file = tmp_path / "file.jsonl"
    write_lines(file, 3)
    record = {"line": 2, "offset": 60, "digest": "0" * 64}
    (tmp_path / "file.jsonl.sent").write_text(json.dumps(record))
    outcome = await at_node("send", "--file", str(file))
    assert "3 published, 0 refused" in outcome.output


async def count_published(node: NotifierProcess) -> int:
    """How many the server has published, those that were repeated not counted."""
    async with aiohttp.ClientSession() as http, http.get(f"{node.url}/metrics") as answer:
        text = await answer.text()
    [line] = [x for x in text.splitlines() if x.startswith("notifier_publisher_published_total ")]
    return int(float(line.split()[1]))
