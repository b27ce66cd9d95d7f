"""The figures of several runs as a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

Figures = dict[str, float]
"""What one run found. Times in seconds, memory in bytes."""


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
        yield "| | " + " | ".join([*names, *(f"to {name}" for name in others)]) + " |"
        yield "|---" * (1 + len(names) + len(others)) + "|"
        for figure in self._runs[names[0]][0]:
            medians = [_shown(figure, self._values(name, figure)) for name in names]
            ratios = [self._ratio(figure, name) for name in others]
            yield f"| {figure} | " + " | ".join([*medians, *ratios]) + " |"

    def _values(self, name: str, figure: str) -> list[float]:
        return [figures[figure] for figures in self._runs[name]]

    def _ratio(self, figure: str, name: str) -> str:
        if self._subject not in self._runs:
            return ""
        pairs = zip(self._values(self._subject, figure), self._values(name, figure), strict=False)
        ratios = [ours / theirs for ours, theirs in pairs if theirs > 0]
        if not ratios:
            return ""
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        return f"**{statistics.median(ratios):.2f}** ({each})"


def _shown(figure: str, values: Sequence[float]) -> str:
    value = statistics.median(values)
    if figure == "memory":
        return f"{value / 1024:.1f} KiB"
    if figure.startswith("p"):
        return f"{value * 1e3:.1f} ms"
    return f"{value * 1e6:.1f} us"
