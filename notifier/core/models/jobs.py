"""What is to be done later, and what was let through of what is rationed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done at a time.

    ``id`` is its kind, a slash, and what it is about. ``data`` is JSON. ``version`` grows whenever
    a runner takes the job or the job is replaced: who holds an older one has lost it to somebody
    else. ``touches`` grows whenever there may be something new to do for it.
    """

    id: str
    due_at: int
    data: Mapping[str, Any]
    version: int = 0
    touches: int = 0

    @property
    def kind(self) -> str:
        return self.id.partition("/")[0]


class Ration(NamedTuple):
    """How many may pass one place until a time: the first ``limit`` who ask, again and again."""

    place: str
    limit: int
    purge_at: int
