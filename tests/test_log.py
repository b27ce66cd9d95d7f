"""The log tells what happened in one form, and nothing that is nobody's business."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.servers import PATIENCE, REPOSITORY


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
