"""The figures of several runs as a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Figures = dict[str, float]
"""What one run found. Times in seconds, memory in bytes."""


@dataclass(frozen=True)
class Goal:
    """What a figure of one subject should be beside that of another: ``at_most`` so many times it,
    or ``at_least``."""

    figure: str
    subject: str
    other: str
    at_most: float | None = None
    at_least: float | None = None

    def __str__(self) -> str:
        return f"<= {self.at_most:g}" if self.at_most is not None else f">= {self.at_least:g}"

    def is_met(self, ratio: float) -> bool:
        if self.at_most is not None:
            return ratio <= self.at_most
        return self.at_least is None or ratio >= self.at_least


class Report:
    """Figures of all runs, by peer; `subject` is the one that is compared with the others."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._runs: dict[str, list[Figures]] = {}

    def add(self, name: str, figures: Figures) -> None:
        """One more run."""
        self._runs.setdefault(name, []).append(figures)

    def lines(self) -> Iterable[str]:
        """A table in Markdown: medians, then the ratio to each other peer, pair by pair."""
        names = list(self._runs)
        others = [name for name in names if name != self._subject]
        yield from _header(["", *names, *(f"to {name}" for name in others)])
        for figure in self._runs[names[0]][0]:
            medians = [self._median(name, figure) for name in names]
            ratios = [_compared(self._ratios(figure, self._subject, name)) for name in others]
            yield _row([figure, *medians, *ratios])

    def medians(self) -> Iterable[str]:
        """A table in Markdown: the medians of everything, a line for each subject."""
        figures = list(dict.fromkeys(figure for runs in self._runs.values() for figure in runs[0]))
        yield from _header(["", *figures])
        for name in self._runs:
            yield _row([name, *(self._median(name, figure) for figure in figures)])

    def goals(self, goals: Iterable[Goal]) -> Iterable[str]:
        """A table in Markdown: ratios beside what they should be."""
        yield from _header(["", "beside", "ratio", "goal"])
        for goal in goals:
            ratios = self._ratios(goal.figure, goal.subject, goal.other)
            if ratios:
                met = "met" if goal.is_met(statistics.median(ratios)) else "missed"
                names = [f"{goal.figure}: {goal.subject}", goal.other]
                yield _row([*names, _compared(ratios), f"{goal}, {met}"])

    def _values(self, name: str, figure: str) -> list[float]:
        return [figures[figure] for figures in self._runs.get(name, ()) if figure in figures]

    def _median(self, name: str, figure: str) -> str:
        values = self._values(name, figure)
        return _shown(figure, values) if values else ""

    def _ratios(self, figure: str, subject: str, other: str) -> list[float]:
        pairs = zip(self._values(subject, figure), self._values(other, figure), strict=False)
        return [ours / theirs for ours, theirs in pairs if theirs > 0]


def _compared(ratios: Sequence[float]) -> str:
    """Their median in bold, then each."""
    if not ratios:
        return ""
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    return f"**{statistics.median(ratios):.2f}** ({each})"


def _header(names: Sequence[str]) -> Iterable[str]:
    yield _row(names)
    yield "|---" * len(names) + "|"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _shown(figure: str, values: Sequence[float]) -> str:
    value = statistics.median(values)
    if figure == "memory":
        return f"{value / 1024:.1f} KiB"
    if figure == "rate":
        return f"{value:,.0f}/s"
    if figure == "core":
        return f"{value:.0%}"
    if figure.startswith("p"):
        return f"{value * 1e3:.1f} ms"
    return f"{value * 1e6:.1f} us"
