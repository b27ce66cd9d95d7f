"""A slice of ``make chaos``: real faults, and every promise kept. See docs/chaos.md."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.oracle import PROMISES, judge
from tests.chaos.run import Options, run

FAULTS = ("a node is killed", "Redis is killed", "the primary is killed", "cut again and again")

SLICE = Options(
    seed=1,
    messages=1_000,
    users=40,
    faults=len(FAULTS),
    nodes=2,
    rate=100.0,
    seconds=180.0,
    only=FAULTS,
    probe=False,
)


async def test_nothing_is_lost_repeated_or_swapped_through_faults(tmp_path: Path) -> None:
    """Two nodes, a replica set of three, Redis and every transport, while each of them fails."""
    result = await run(SLICE, tmp_path, say=print)
    assert result.stuck is None
    assert len(result.evidence.accepted()) == SLICE.messages
    assert len(result.evidence.spans) == SLICE.faults
    assert judge(result.evidence, PROMISES) == []
