"""Where logs end, and what is known of the entries there."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from notifier.core.models.audiences import MAX_SEQ
from notifier.core.models.entries import Entry
from notifier.core.models.subscribers import Outline, View


@dataclass(frozen=True, slots=True)
class Tail:
    """The newest entries of a log: all behind the number ``low`` that can still be shown.

    Newest first. Withdrawals and what was taken back are left out, what expires is not. ``low`` 0:
    there is nothing else in the log.
    """

    entries: Sequence[Entry]
    low: int

    # Made once for all who read it.
    rows: Sequence[Outline] = field(init=False, repr=False, compare=False)
    """What counting needs of the entries."""
    _types: frozenset[str] = field(init=False, repr=False, compare=False)
    _until: int = field(init=False, repr=False, compare=False)
    """When the first of them expires."""
    _excludes: bool = field(init=False, repr=False, compare=False)
    """Whether any of them leaves somebody out."""

    def __post_init__(self) -> None:
        notifications = [entry.notification for entry in self.entries]
        set_ = partial(object.__setattr__, self)
        set_("rows", list(map(Outline.of, self.entries)))
        set_("_types", frozenset(n.type for n in notifications))
        set_("_until", min((n.expires_at for n in notifications), default=0))
        set_("_excludes", any(n.excluded for n in notifications))

    def shown(
        self, view: View, place: int, before: int, *, now: int, type: str | None = None
    ) -> Iterable[int]:
        """The indexes of the entries behind one place and in front of another that the user may be
        shown now; ``place`` is not below the user's floor."""
        first = bisect_right(self.entries, -before, key=_falling)
        between = range(first, bisect_left(self.entries, -place, key=_falling))
        if type is None and self._is_open(view, now):
            return between
        return (i for i in between if _is_shown(self.entries[i], view, now=now, type=type))

    def _is_open(self, view: View, now: int) -> bool:
        """Whether there is nothing that the user must not be shown: mostly so, and soon found."""
        return now < self._until and not self._excludes and not view.hidden.touches(self._types)


def _falling(entry: Entry) -> int:
    return -entry.seq


@dataclass(frozen=True, slots=True)
class Ends:
    """Where some logs end: the last number of each, 0 for an empty one.

    ``tails`` are those of the logs of which the store knows more than that. Each is at least as new
    as the number.
    """

    heads: Mapping[str, int]
    tails: Mapping[str, Tail] = field(default_factory=dict)

    def reach(self, audience: str, place: int) -> bool:
        """Whether everything behind a place is known."""
        tail = self.tails.get(audience)
        return tail is not None and tail.low <= place

    def page(
        self,
        view: View,
        before: Mapping[str, int],
        *,
        limit: int,
        now: int,
        type: str | None = None,
    ) -> dict[str, list[Entry]]:
        """What ``Log.page`` finds, for those logs of which enough is known."""
        pages: dict[str, list[Entry]] = {}
        for audience, floor in view.floors.items():
            if audience not in self.tails:
                continue
            tail = self.tails[audience]
            behind = before.get(audience, MAX_SEQ + 1)
            shown = tail.shown(view, floor, behind, now=now, type=type)
            page = [tail.entries[i] for i in islice(shown, limit)]
            if len(page) == limit or self.reach(audience, floor):
                pages[audience] = page
        return pages

    def outline(
        self, view: View, positions: Mapping[str, int], *, limit: int, now: int
    ) -> dict[str, list[Outline]]:
        """What is known of that which ``Log.outline`` finds.

        One log after the other, until there are ``limit`` different notifications.
        """
        rows: dict[str, list[Outline]] = {}
        different: set[str] = set()
        for audience, place in positions.items():
            if audience in self.tails and len(different) < limit:
                tail, low = self.tails[audience], max(place, view.floors[audience])
                shown = tail.shown(view, low, MAX_SEQ + 1, now=now)
                rows[audience] = [tail.rows[i] for i in shown]
                different.update([row.notification_id for row in rows[audience]])
        return rows


def _is_shown(entry: Entry, view: View, *, now: int, type: str | None = None) -> bool:
    """Whether the user may be shown it now; it is from behind the user's floor."""
    notification = entry.notification
    return (
        notification.expires_at > now
        and (type is None or notification.type == type)
        and not view.hides(entry)
    )
