"""The machine as benchmarks see it: its cores, and the CPU time of processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cores() -> tuple[int, int]:
    """One for what is measured, one for everything else."""
    ours = sorted(os.sched_getaffinity(0))
    if len(ours) < 2:
        raise SystemExit("Two cores are needed: one for the server, one for its clients.")
    return ours[0], ours[-1]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Processes that are started inside stay on this core with all their threads: a child inherits
    it from its first moment."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used so far, in all its threads."""
    return sum(_times(pid))


def kernel(pid: int) -> float:
    """Those of them that the system used for it: for what it sent and received, mostly."""
    return _times(pid)[1]


def _times(pid: int) -> tuple[float, float]:
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(stat[11]) / _TICKS, int(stat[12]) / _TICKS
