"""A slice of ``python -m tests.chaos queue``: a flood, urgent ones in front of it, killed nodes."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.oracle import PROMISES, judge
from tests.chaos.queue import Options, queue

SLICE = Options(messages=12_000, kills=2, seconds=180.0, seed=1, urgent_seconds=None)


async def test_a_flood_is_drained_once_and_urgent_ones_pass_it(tmp_path: Path) -> None:
    """All of it is stored once and shown once, whatever is killed; nothing urgent waits for it."""
    result = await queue(SLICE, tmp_path, say=print)
    assert result.stuck is None
    assert result.broken == []
    assert judge(result.evidence, PROMISES) == []
