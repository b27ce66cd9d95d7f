"""The log tells what happened in one form, and nothing that is nobody's business."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import PATIENCE, REPOSITORY, NotifierProcess


def logged(statement: str, *, level: str = "info", format: str = "json") -> list[str]:
    """The lines that a process logs: the log belongs to a process, so it gets one of its own."""
    program = (
        "import logging; from notifier.log import configure_log;"
        "from notifier.settings import LogConfig;"
        f"configure_log(LogConfig(level={level!r}, format={format!r}));"
        f"logger = logging.getLogger('notifier.test')\n{statement}"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_a_line_is_a_json_object() -> None:
    """In JSON: the sentence, who says it, how grave it is, when, and what was added."""
    (line,) = logged("logger.info('closed %s', 3, extra={'reason': 'slow'})")
    entry = json.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "closed 3",
        "logger": "notifier.test",
        "level": "info",
        "reason": "slow",
    }


def test_text_is_for_people() -> None:
    """In text: one readable line with the same content, without colours in a file."""
    (line,) = logged("logger.warning('closed', extra={'reason': 'slow'})", format="text")
    assert "closed" in line
    assert "reason=slow" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("format", ["json", "text"])
def test_tracebacks_show_no_values(format: str) -> None:
    """An exception is logged with its place, without the variables around it."""
    statement = (
        "def fail(token):\n    raise ValueError('broken')\n"
        "try:\n    fail('hunter' + str(2))\n"
        "except ValueError:\n    logger.exception('failed')"
    )
    output = "\n".join(logged(statement, format=format))
    assert "broken" in output
    assert "fail" in output
    assert "hunter2" not in output


def test_the_level_is_kept() -> None:
    """What is less grave than the level is left out."""
    lines = logged("logger.info('no'); logger.warning('yes')", level="warning")
    assert [json.loads(line)["event"] for line in lines] == ["yes"]


@pytest.mark.parametrize(
    "name", ["engineio.server", "socketio.server", "aiohttp.access", "pymongo.command"]
)
def test_libraries_do_not_log_packets(name: str) -> None:
    """Loggers that would write payloads or tickets stay silent below a warning."""
    assert logged(f"logging.getLogger({name!r}).info('payload')", level="debug") == []


UNREADABLE = [
    b"GET /?token=SECRET HTTP/9.9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nAuth orization: SECRET\r\n\r\n",
    b"GET / HTTP/1.1\r\nCookie: SECRET" + b"x" * 20_000 + b"\r\n\r\n",
    b"GET http://host:SECRET/ HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: host\r\nTransfer-Encoding: chunked\r\n\r\nSECRET\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Encoding: deflate\r\nContent-Length: 6\r\n\r\nSECRET",
]


@pytest.mark.parametrize(("level", "lines"), [("info", 0), ("debug", len(UNREADABLE))])
async def test_a_request_that_cannot_be_read_is_no_event(
    tmp_path: Path, level: str, lines: int
) -> None:
    """Anybody may send as many as they like: a line in debugging, never a trace or its text."""
    node = NotifierProcess(tmp_path, {"NOTIFIER_LOG__LEVEL": level})
    await node.start()
    try:
        for request in UNREADABLE:
            reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
            writer.write(request)
            assert await asyncio.wait_for(reader.readline(), PATIENCE)
            writer.close()
    finally:
        await node.stop()
    assert "SECRET" not in node.output
    assert "Traceback" not in node.output
    assert node.output.count("[aiohttp.server]") == lines


def test_what_the_server_fails_at_is_logged() -> None:
    """An error that is ours comes with its trace."""
    [line] = logged(
        "try:\n    1 / 0\n"
        "except Exception:\n"
        "    logging.getLogger('aiohttp.server').exception('Error handling request')"
    )
    entry = json.loads(line)
    assert entry["level"] == "error"
    assert entry["exception"][0]["exc_type"] == "ZeroDivisionError"
