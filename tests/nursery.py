"""Starts Notifier without the second of importing: forked from a process that has done it.

``python -m tests.nursery`` is that process. It reads orders from its standard input, JSON in lines,
and answers each with a number: a process id, or the exit status of a process that has ended.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.servers import REPOSITORY, NotifierProcess, Process


class Nursery:
    """The process and what it has started. ``close`` ends it; what it started goes on."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._one_at_a_time = threading.Lock()

    def start(self, args: list[str], folder: Path, env: dict[str, str], log: Path) -> Child:
        """Run ``notifier`` with these arguments."""
        log.touch()
        order = {"args": args, "folder": str(folder), "env": env, "log": str(log)}
        return Child(self, self.ask(order))

    def ask(self, order: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


class Child:
    """A started process, to be used like a ``subprocess.Popen``."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self._nursery = nursery
        self._ended = os.pidfd_open(pid)
        self._status: int | None = None
        self._asking = threading.Lock()

    def poll(self) -> int | None:
        return self._wait(0)

    def wait(self, timeout: float) -> int:
        status = self._wait(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("notifier", timeout)
        return status

    def send_signal(self, number: int) -> None:
        """Until it was waited for, nobody else has its process id."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _wait(self, timeout: float) -> int | None:
        with self._asking:
            if self._status is None and select.select([self._ended], [], [], timeout)[0]:
                self._status = self._nursery.ask({"ended": self.pid})
                os.close(self._ended)
            return self._status


class ForkedNotifier(NotifierProcess):
    """``notifier serve`` from a nursery, ready a second earlier."""

    def __init__(self, nursery: Nursery, *args: Any) -> None:
        super().__init__(*args)
        self._nursery = nursery

    def _spawn(self) -> Process:
        _, _, _, *args = self.command()
        return self._nursery.start(args, self.folder, self.environment(), self.log)


def main() -> None:
    """Import what a server needs, then take orders."""
    import notifier.app
    import notifier.store.mongo
    import notifier.store.sqlite  # noqa: F401
    from notifier.cli import main as command

    for line in sys.stdin.buffer:
        order = json.loads(line)
        if "ended" in order:
            _, status = os.waitpid(order["ended"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                _become(order)
                command(order["args"], prog_name="notifier")
        os.write(sys.stdout.fileno(), b"%d\n" % answer)


def _become(order: dict[str, Any]) -> None:
    """A process that has nothing of this one but what it has imported."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["env"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for output in (1, 2):
        os.dup2(log, output)


if __name__ == "__main__":
    main()
