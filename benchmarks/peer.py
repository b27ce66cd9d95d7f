"""A server to be measured: a process of its own on a core of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks.machine import cpu, on_core
from tests.servers import node

REPOSITORY = Path(__file__).parent.parent
PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Kind:
    """One of the servers in `peers`; see there for what they do."""

    name: str
    command: Sequence[str]
    speaks: bool = True
    """False if its clients only open a socket and wait."""
    deliveries: int = 80_000
    """How many a figure is taken from: about a second of the server."""


def python(module: str) -> Sequence[str]:
    """The command for a peer written in Python."""
    return sys.executable, "-m", f"benchmarks.peers.{module}"


NOTIFIER = Kind("Notifier", python("notifier_peer"))
NODE = Kind("Node", (node(), "--expose-gc", str(PEERS / "server.mjs")))
STOCK = Kind("stock", python("stock_peer"), deliveries=16_000)
FLOOR = Kind("floor", python("floor_peer"), speaks=False)
KINDS = (NOTIFIER, NODE, FLOOR, STOCK)


def install() -> None:
    """Install what the peer on Node needs, beside it."""
    npm = Path(node()).parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--silent")
    subprocess.run([node(), str(npm), "install", *options], cwd=PEERS, check=True)


class Peer:
    """A running server. Use as a context: it ends with the block."""

    def __init__(self, kind: Kind, core: int, environment: Mapping[str, str]) -> None:
        with on_core(core):
            self._process = _start(kind.command, {**os.environ, **environment})
        self.port = int(self._read())

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self, command: str) -> None:
        """Give a command, see `peers`."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()

    def cpu(self) -> float:
        """Seconds of CPU that it has used so far, in all its threads."""
        return cpu(self._process.pid)

    def memory(self) -> int:
        """Bytes of memory that it holds once its garbage is collected."""
        self.tell("collect")
        self._read()
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the peer has ended"
        return line


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
