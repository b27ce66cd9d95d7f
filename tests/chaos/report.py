"""What a run prints: its figures, and for every broken rule the smallest evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.chaos.evidence import Diary, Evidence, Outcome, Trouble
from tests.chaos.oracle import RULES, Violation, during, percentile, recoveries
from tests.chaos.run import Result

EXAMPLES = 3
"""Violations of one rule that are told in full."""

CONTEXT = 12
"""Changes of a client's connection that are told with a violation."""


def figures(result: Result, violations: Sequence[Violation]) -> Iterator[str]:
    """The outcome in a few lines."""
    evidence, broken = result.evidence, Counter(violation.rule for violation in violations)
    shown = sum(len(diary.shown) for diary in evidence.diaries)
    accepted = evidence.accepted()
    yield f"{len(accepted)} accepted, " + ", ".join(f"{broken[rule]} {rule}" for rule in RULES)
    outcomes = Counter(attempt.outcome for attempt in evidence.attempts)
    yield (
        f"{shown} shown by {len(evidence.diaries)} clients ({_by_transport(evidence)}); "
        f"{len(evidence.attempts)} attempts: {outcomes[Outcome.REFUSED]} refused, "
        f"{outcomes[Outcome.UNKNOWN]} without an answer"
    )
    changes = Counter(
        change.what.partition(" to node")[0]
        for diary in evidence.diaries
        for change in diary.changes
    )
    yield "connections: " + ", ".join(f"{what} {count}" for what, count in changes.most_common(12))
    caught_up = recoveries(evidence)
    yield (
        f"{len(evidence.spans)} faults; caught up after the end of a fault: "
        f"p50 {percentile(caught_up, 50):.2f} s, p99 {percentile(caught_up, 99):.2f} s, "
        f"longest {max(caught_up, default=0.0):.2f} s"
    )
    for trouble in (Trouble.REDIS, Trouble.STORE, Trouble.SLOW_STORE):
        if slowest := ", ".join(f"{s:.2f} s ({what})" for what, s in _slowest(evidence, trouble)):
            yield f"slowest answers to publishers, {trouble} only: {slowest}"
    delays = _delays(evidence)
    yield (
        f"from acceptance to being shown: p50 {percentile(delays, 50) * 1000:.0f} ms, "
        f"p99 {percentile(delays, 99) * 1000:.0f} ms, faults included; "
        f"{result.seconds:.0f} s altogether"
    )
    if result.pause is not None:
        yield f"the clients' process, and with it all proxies, stood still for {result.pause:.2f} s"
    if result.stuck is not None:
        yield f"The run was {result.stuck}."


def stories(result: Result, violations: Sequence[Violation]) -> Iterator[str]:
    """The first violations of each rule, and what happened to the clients in them."""
    for rule in dict.fromkeys(violation.rule for violation in violations):
        broken = [violation for violation in violations if violation.rule == rule]
        for violation in broken[:EXAMPLES]:
            yield f"{rule}: {violation.story}"
            for diary in result.evidence.diaries:
                if f"{diary.client} " in violation.story:
                    yield from _context(diary)


def _context(diary: Diary) -> Iterator[str]:
    for change in diary.changes[-CONTEXT:]:
        yield f"    {change.at:.3f} {diary.client}: {change.what}"


def _by_transport(evidence: Evidence) -> str:
    counts: Counter[str] = Counter()
    for diary in evidence.diaries:
        counts[diary.transport] += len(diary.shown)
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _slowest(evidence: Evidence, trouble: Trouble) -> list[tuple[str, float]]:
    """By fault, the slowest first."""
    slowest: dict[str, float] = {}
    for span, attempt in during(evidence, trouble):
        slowest[span.what] = max(attempt.seconds, slowest.get(span.what, 0.0))
    return sorted(slowest.items(), key=lambda found: -found[1])


def _delays(evidence: Evidence) -> list[float]:
    accepted = evidence.accepted()
    return [
        max(0.0, shown.at - accepted[shown.number].ended)
        for diary in evidence.diaries
        for shown in diary.shown
        if shown.number in accepted and shown.number not in evidence.probes
    ]
