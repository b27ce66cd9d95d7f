"""Whom of this node's connections an entry must not reach: looked up, not decided for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from notifier.core.models import Entry, Hidden, Priority

Trait = tuple[str, Priority | None] | str
"""A type; a type of a priority; or, with None, the ordinary entries of a type."""


class Hiding:
    """What is hidden from each connection, kept by what entries are like.

    The sets are empty for most traits, and change only when roles or preferences do.
    """

    def __init__(self) -> None:
        self._skipping: dict[Trait, set[str]] = defaultdict(set)
        self._traits: dict[str, frozenset[Trait]] = {}

    def hide(self, sid: str, hidden: Hidden) -> None:
        """Keep from a connection what is hidden from its user, and nothing else any longer."""
        before, traits = self._traits.get(sid, frozenset()), frozenset(_traits_of(hidden))
        for trait in before - traits:
            self._skipping[trait].discard(sid)
        for trait in traits - before:
            self._skipping[trait].add(sid)
        self._traits[sid] = traits

    def forget(self, sid: str) -> None:
        """The connection is gone."""
        for trait in self._traits.pop(sid, ()):
            self._skipping[trait].discard(sid)

    def skipping(self, entry: Entry) -> Collection[str]:
        """The connections that must not get the entry."""
        type, priority = entry.notification.type, entry.notification.priority
        traits: list[Trait] = [type, (type, priority)]
        if entry.is_ordinary:
            traits.append((type, None))
        found = [skip for trait in traits if (skip := self._skipping.get(trait))]
        return found[0] if len(found) == 1 else set().union(*found)


def _traits_of(hidden: Hidden) -> Iterator[Trait]:
    yield from hidden.forbidden
    yield from hidden.muted
    yield from ((type, None) for type in hidden.digested)
