"""``notifier send --file``: each line once, and on from where it was interrupted."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from notifier.cli.sending import send_file, send_one
from notifier.core.credentials import create_service_key
from notifier.core.models import PUBLISH, Publication, Receipt
from notifier.errors import StoreUnavailable
from tests.cli.command_line import CommandLine, Outcome
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


def opened(path: Path) -> BinaryIO:
    return path.open("rb")


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


@pytest.mark.parametrize("change", ["correct", "append", "insert", "take out"])
async def test_a_file_that_was_changed_is_sent_anew_but_for_what_was_sent(
    at_node: CommandLine, node: NotifierProcess, tmp_path: Path, change: str
) -> None:
    """Each line counts by itself, and equal ones one by one, whatever becomes of others."""
    lines: list[object] = [*numbered(4), *numbered(4), {"to": "user:f"}]
    file = write_lines(tmp_path / "many.jsonl", *lines)
    outcome = await at_node("send", "--file", file)
    assert "8 published, 1 refused" in outcome.output
    before = await count_published(node)
    new = {"to": "user:f", "title": "new"}
    match change:
        case "correct":
            lines[-1] = new
        case "append":
            lines += [new]
        case "insert":
            lines.insert(2, new)
        case "take out":
            del lines[2], lines[-1]
    write_lines(tmp_path / "many.jsonl", *lines)
    await at_node("send", "--file", file)
    assert await count_published(node) - before == (0 if change == "take out" else 1)


async def test_a_line_may_bring_a_key_of_its_own(
    at_node: CommandLine, node: NotifierProcess, tmp_path: Path
) -> None:
    """It counts once in whatever file it stands; the same line without one does not."""
    keyed = {"to": "user:k", "title": "keyed", "idempotency_key": "order-17"}
    before = await count_published(node)
    for name in ("one.jsonl", "two.jsonl"):
        file = write_lines(tmp_path / name, keyed, {"to": "user:k", "title": "not keyed"})
        outcome = await at_node("send", "--file", file)
        assert "2 published, 0 refused" in outcome.output, outcome.errors
    assert await count_published(node) - before == 3


async def test_a_key_that_is_null_is_none(
    at_node: CommandLine, node: NotifierProcess, tmp_path: Path
) -> None:
    """Such a line counts once, as one without a key."""
    file = write_lines(
        tmp_path / "null.jsonl", {"to": "user:k", "title": "x", "idempotency_key": None}
    )
    before = await count_published(node)
    for _ in range(2):
        await at_node("send", "--file", file)
    assert await count_published(node) - before == 1


async def test_what_comes_through_a_pipe_is_sent_each_time(
    at_node: CommandLine, node: NotifierProcess, tmp_path: Path
) -> None:
    """It is not known to be the same as before; a file behind it is."""
    file = write_lines(tmp_path / "some.jsonl", *numbered(2))
    before = await count_published(node)
    for _ in range(2):
        await run_shell(at_node, f"cat {file} | {sys.executable} -m notifier send --file -")
    assert await count_published(node) - before == 4
    for _ in range(2):
        await run_shell(at_node, f"{sys.executable} -m notifier send --file - < {file}")
    assert await count_published(node) - before == 6


async def run_shell(at_node: CommandLine, command: str) -> None:
    process = await asyncio.create_subprocess_shell(
        command,
        cwd=at_node.folder,
        env={**clean_environment(), "PYTHONPATH": str(REPOSITORY), **at_node.env},
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


async def test_refused_lines_are_told_after_an_interruption_too(
    node: NotifierProcess, at_node: CommandLine, tmp_path: Path
) -> None:
    """Those of the first try are kept: the second tells them, and its status is 1."""
    lines: list[object] = numbered(150)
    lines[7] = {"to": "user:f"}
    file = write_lines(tmp_path / "many.jsonl", *lines)
    sending = await start_sending(node, at_node, file)
    sending.send_signal(signal.SIGINT)
    await sending.wait()
    outcome = await at_node("send", "--file", file)
    assert "Going on behind line 100." in outcome.errors
    assert "line 8: refused (422): title" in outcome.errors
    assert "50 published, 1 refused" in outcome.output
    assert outcome.status == 1


async def test_a_record_that_cannot_be_written_is_told_before_anything_is_sent(
    at_node: CommandLine, node: NotifierProcess, tmp_path: Path
) -> None:
    """Whatever stands in its way."""
    file = write_lines(tmp_path / "many.jsonl", *numbered(3))
    before = await count_published(node)
    (tmp_path / "many.jsonl.sent").mkdir()
    told_how_far_is_impossible(await at_node("send", "--file", file), file)
    assert await count_published(node) == before


def told_how_far_is_impossible(outcome: Outcome, file: str) -> None:
    assert outcome.status == 1
    [line] = outcome.errors.splitlines()
    assert line.startswith(f"Error: {file}.sent cannot be written (")
    assert line.endswith(f"--file - < {file}")


async def test_a_failure_of_the_server_is_no_refusal(tmp_path: Path) -> None:
    """It is tried again, be it JSON and with a time or not, and only what was not answered."""
    asked: list[list[str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append([item["title"] for item in (await request.json())["notifications"]])
        match len(asked):
            case 1:
                return web.Response(status=502, text="<h1>Bad gateway</h1>")
            case 2:
                return web.json_response({"code": "internal"}, status=500)
            case 3:
                later = {"code": "store_unavailable", "message": "Later.", "retry_after": 0.01}
                results = [{"status": 201, "id": "1"}, {"status": 503, "error": later}]
                return web.json_response({"results": results})
            case _:
                return web.json_response({"results": [{"status": 201, "id": "2"}]})

    app = web.Application()
    app.router.add_post("/v1/notifications/batch", answer)
    write_lines(tmp_path / "two.jsonl", *numbered(2))
    with opened(tmp_path / "two.jsonl") as file:
        async with TestServer(app) as server:
            assert await send_file(str(server.make_url("/")), lambda: "key", file)
    assert asked == [["line 0", "line 1"]] * 3 + [["line 1"]]


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
    sending = await start_sending(node, at_node, file)
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


async def test_a_torn_row_of_the_record_counts_as_none(
    node: NotifierProcess, at_node: CommandLine, tmp_path: Path
) -> None:
    """Sending goes on from the row before it."""
    file = write_lines(tmp_path / "many.jsonl", *numbered(150))
    sending = await start_sending(node, at_node, file)
    sending.send_signal(signal.SIGINT)
    await sending.wait()
    with (tmp_path / "many.jsonl.sent").open("ab") as record:
        record.write(b'\n{"line": 150, "off')
    outcome = await at_node("send", "--file", file)
    assert "Going on behind line 100." in outcome.errors
    assert "50 published, 0 refused" in outcome.output


async def start_sending(
    node: NotifierProcess, at_node: CommandLine, file: str
) -> asyncio.subprocess.Process:
    """Send so slowly that only the first batch has been sent when this returns."""
    sending = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "notifier", "send", "--file", file, "--rate", "1"),
        cwd=node.folder,
        env={**clean_environment(), "PYTHONPATH": str(REPOSITORY), **at_node.env},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def has_begun() -> bool:
        return has_text(Path(f"{file}.sent"))

    await until(has_begun, what="the first batch to be sent")
    return sending


def has_text(path: Path) -> bool:
    return path.exists() and bool(path.read_bytes())


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
