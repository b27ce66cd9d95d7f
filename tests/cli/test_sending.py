"""``notifier send --file``: each line once, and on from where it was interrupted."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from notifier.cli.sending import send_one
from notifier.core.credentials import create_service_key
from notifier.core.models import PUBLISH, Publication, Receipt
from notifier.errors import StoreUnavailable
from tests.cli.command_line import CommandLine
from tests.cli.reader import titles
from tests.conftest import StartNotifier
from tests.queue.site import stored
from tests.realtime.nodes import running
from tests.servers import REPOSITORY, NotifierProcess, clean_environment, free_port, until


@pytest.fixture
async def node(start_notifier: StartNotifier) -> NotifierProcess:
    """A server of the test's own, which counts what it publishes."""
    return await start_notifier()


def write_lines(path: Path, *notifications: object) -> str:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in notifications))
    return str(path)


def numbered(count: int) -> list[dict[str, str]]:
    return [{"to": "user:f", "title": f"line {number}"} for number in range(count)]


async def test_a_file_is_sent_line_by_line_and_only_once(
    node: NotifierProcess, at_node: CommandLine, tmp_path: Path
) -> None:
    """Sending the same file again publishes nothing twice."""
    lines = numbered(30)
    file = write_lines(tmp_path / "many.jsonl", *lines)
    for _ in range(2):
        outcome = await at_node("send", "--file", file)
        assert outcome.status == 0, outcome.errors
        assert "30 published, 0 refused" in outcome.output
    assert sorted(map(str, await titles(node, at_node, "f"))) == sorted(
        line["title"] for line in lines
    )


async def test_refused_lines_are_told_and_the_others_sent(
    node: NotifierProcess, at_node: CommandLine, tmp_path: Path
) -> None:
    """Each refused line is named with the reason; the rest arrives; the status is 1."""
    file = tmp_path / "mixed.jsonl"
    file.write_text('{"to": "user:m", "title": "good"}\n\n{"to": "user:m"}\nnot json\n')
    outcome = await at_node("send", "--file", str(file))
    assert outcome.status == 1
    assert "1 published, 2 refused" in outcome.output
    third, fourth = [line for line in outcome.errors.splitlines() if line.startswith("line")]
    assert third.startswith("line 3: refused (422): title")
    assert fourth.startswith("line 4: refused (400)")
    assert await titles(node, at_node, "m") == ["good"]


async def test_a_file_stops_where_the_server_is_lost(notifier: CommandLine) -> None:
    """The line to go on from is named."""
    file = write_lines(notifier.folder / "x.jsonl", {"to": "everyone", "title": "x"})
    outcome = await notifier("send", "--file", file, "--port", str(free_port()))
    assert outcome.status == 1
    assert "Error: line 1: no answer from" in outcome.errors
    assert "0 published" in outcome.output


async def test_sending_goes_on_where_it_was_interrupted(
    node: NotifierProcess, at_node: CommandLine, tmp_path: Path
) -> None:
    """After Ctrl-C the same command sends the rest; every line is published once."""
    file = write_lines(tmp_path / "many.jsonl", *numbered(450))
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
    write_lines(file, *numbered(3))
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


async def test_what_a_failing_store_has_taken_is_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that could not tell whether it has it is asked again under the same key."""
    async with running(tmp_path) as site:
        append, calls = site.node.store.append, 0

        async def unsure(publication: Publication) -> Receipt:
            nonlocal calls
            calls += 1
            receipt = await append(publication)
            if calls == 1:
                raise StoreUnavailable("It took too long.", retry_after=0.01)
            return receipt

        monkeypatch.setattr(site.node.store, "append", unsure)
        key, text = create_service_key("shop", [PUBLISH], 0)
        await site.node.store.add_key(key)
        await send_one(site.url, lambda: text, {"to": "user:ada", "title": "Once"})
        assert calls == 2
        assert await stored(site, "user:ada") == ["Once"]
