"""What a client keeps and shows: the client's duty of docs/protocol.md, without a connection."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from tests.chaos.evidence import Diary, Place

Entry = Mapping[str, Any]
"""An entry, a page or an event as the server sends it."""


class Reader:
    """The memory of one client over all its connections. ``cursor`` None: it has not been here."""

    def __init__(self, diary: Diary) -> None:
        self.diary = diary
        self.cursor: dict[str, int] | None = None
        self._known: set[str] = set()

    @property
    def since(self) -> str | None:
        """The cursor as text."""
        return None if self.cursor is None else cursor_text(self.cursor)

    def take_missed(self, entry: Entry) -> None:
        """Between connecting and ``synced``, or from an answer: take what is new."""
        place = place_of(entry["id"])
        if self.cursor is not None and place.seq > self.cursor.get(place.audience, 0):
            self._take(place, entry)

    def take_live(self, entry: Entry) -> bool:
        """After ``synced``. False: something is missing before it, ask for that first."""
        place = place_of(entry["id"])
        assert self.cursor is not None
        position = self.cursor.get(place.audience, 0)
        if place.seq > position and not _follows(place.seq, position):
            return False
        if place.seq > position:
            self._take(place, entry)
        return True

    def synced(self, cursor: str) -> None:
        self.cursor = parse_cursor(cursor)

    def reload(self, items: Iterable[Entry], cursor: str) -> None:
        """Show what a freshly loaded feed, oldest first, has behind the old cursor."""
        for item in items:
            place = place_of(item["id"])
            if self.is_new(place):
                self._show(place, item)
        self.synced(cursor)

    def is_new(self, place: Place) -> bool:
        return self.cursor is None or place.seq > self.cursor.get(place.audience, 0)

    def has_news(self, items: Collection[Entry]) -> bool:
        """Whether a page of the feed holds something behind the cursor."""
        return any(self.is_new(place_of(item["id"])) for item in items)

    def _take(self, place: Place, entry: Entry) -> None:
        assert self.cursor is not None
        self.cursor[place.audience] = place.seq
        if "notification_id" in entry:
            self._show(place, entry)

    def _show(self, place: Place, entry: Entry) -> None:
        if entry["notification_id"] not in self._known:
            self._known.add(entry["notification_id"])
            self.diary.show(entry["data"]["number"], place)


def place_of(text: str) -> Place:
    seq, _, audience = text.partition("@")
    return Place(audience, int(seq))


def cursor_text(cursor: Mapping[str, int]) -> str:
    return ";".join(f"{quote(audience, safe=':@')}={seq}" for audience, seq in cursor.items())


def parse_cursor(text: str) -> dict[str, int]:
    parts = (part.rpartition("=") for part in text.split(";") if part)
    return {unquote(name): int(seq) for name, _, seq in parts}


_HOUR = 3_600_000


def _follows(seq: int, position: int) -> bool:
    return seq == position + 1 if position else seq % _HOUR == 0
