"""The logs of all audiences in SQLite.

A statement costs a function call, not a round trip: where MongoDB asks about many logs at once,
this asks about one after another, in one snapshot.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import orjson

from notifier.core.models import (
    Ends,
    Entry,
    IdempotencyKey,
    Kind,
    Notification,
    Outline,
    Priority,
    Publication,
    Receipt,
    Ref,
    View,
)
from notifier.errors import Conflict, IdTaken
from notifier.store.entries import KEY_LIFE, Head, Withdrawing, by_log, stays_until
from notifier.store.sqlite.database import Database

_VISIBLE = """
    kind <> 'withdrawal' AND expires_at > :now
    AND type NOT IN (SELECT value FROM json_each(:forbidden))
    AND type || ' ' || priority NOT IN (SELECT value FROM json_each(:muted))
    AND (kind = 'digest' OR priority = 'critical'
         OR type NOT IN (SELECT value FROM json_each(:digested)))
    AND (excluded_users = '[]'
         OR NOT EXISTS (SELECT 1 FROM json_each(excluded_users) WHERE value = :user))
"""

_INSERT = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_HEADS = """
    SELECT log.value, entries.seq, entries.purge_at FROM json_each(?) AS log
    JOIN entries ON entries.audience = log.value
     AND entries.seq = (SELECT max(seq) FROM entries WHERE audience = log.value)
"""

_AFTER = """
    SELECT * FROM entries
    WHERE audience = :audience AND seq > :position AND expires_at > :now
      AND (:type IS NULL OR type = :type)
    ORDER BY seq LIMIT :limit
"""

_PAGE = f"""
    SELECT * FROM entries
    WHERE audience = :audience AND seq > :floor AND seq < :before
      AND (:type IS NULL OR type = :type) AND {_VISIBLE}
    ORDER BY seq DESC LIMIT :limit
"""  # noqa: S608 - made of constants

_OUTLINE = f"""
    SELECT seq, notification_id, expires_at FROM entries
    WHERE audience = :audience AND seq > :position AND {_VISIBLE}
    ORDER BY seq DESC LIMIT :limit
"""  # noqa: S608 - made of constants

_ENTRY = "SELECT * FROM entries WHERE audience = ? AND seq = ? AND expires_at > ?"

_COPY = """
    SELECT * FROM entries
    WHERE notification_id = ? AND audience = ? AND kind <> 'withdrawal' AND expires_at > ?
"""

_NOTIFICATION = "SELECT * FROM entries WHERE notification_id = ? ORDER BY audience"

_END = """
    UPDATE entries SET expires_at = :now
    WHERE notification_id = :id AND kind <> 'withdrawal' AND expires_at > :now
      AND (:publisher IS NULL OR publisher = :publisher)
"""

_END_ENTRY = """
    UPDATE entries SET expires_at = :now
    WHERE audience = :audience AND seq = :seq AND kind <> 'withdrawal' AND expires_at > :now
"""

_KNOWN_KEY = """
    SELECT fingerprint, notification_id FROM idempotency_keys
    WHERE publisher = ? AND key = ? AND purge_at > ?
"""

_KEEP_KEY = "INSERT OR REPLACE INTO idempotency_keys VALUES (?, ?, ?, ?, ?)"

_BEFORE_ALL = 2**63 - 1

_audience_of = attrgetter("audience")


class SqliteLog:
    """The ``Log`` port. ``clock`` numbers empty logs and ends the life of idempotency keys."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    async def append(self, publication: Publication) -> Receipt:
        def work(connection: sqlite3.Connection) -> Receipt:
            return _append(connection, publication, self._clock())

        return await self._database.write(work, weight=1 + len(publication.audiences))

    async def withdraw(
        self, notification_id: str, *, publisher: str | None, now: int
    ) -> list[Entry]:
        def work(connection: sqlite3.Connection) -> list[Entry]:
            found = map(_entry, connection.execute(_NOTIFICATION, (notification_id,)))
            withdrawing = Withdrawing.of(found, publisher=publisher, now=now)
            told = _write(connection, withdrawing.missing, keyed=False, now=self._clock())
            connection.execute(_END, {"id": notification_id, "publisher": publisher, "now": now})
            return sorted([*withdrawing.done, *told], key=_audience_of)

        return await self._database.write(work)

    async def end(self, refs: Collection[Ref], *, now: int) -> None:
        rows = [{**ref._asdict(), "now": now} for ref in refs]
        await self._database.write(
            lambda connection: connection.executemany(_END_ENTRY, rows).rowcount,
            weight=1 + len(rows),
        )

    async def heads(self, audiences: Collection[str]) -> dict[str, int]:
        def work(connection: sqlite3.Connection) -> dict[str, int]:
            found = _heads(connection, audiences)
            return {a: found[a].seq if a in found else 0 for a in audiences}

        return await self._database.read(work)

    async def ends(self, audiences: Collection[str]) -> Ends:
        return Ends(await self.heads(audiences))

    async def after(
        self, positions: Mapping[str, int], *, limit: int, now: int, type: str | None = None
    ) -> dict[str, list[Entry]]:
        wanted = {"limit": limit, "now": now, "type": type}

        def work(connection: sqlite3.Connection) -> dict[str, list[Entry]]:
            found: list[Entry] = []
            for audience, position in positions.items():
                args = {"audience": audience, "position": position, **wanted}
                found += map(_entry, connection.execute(_AFTER, args))
            return by_log(found)

        return await self._database.read(work)

    async def page(
        self,
        view: View,
        before: Mapping[str, int],
        *,
        limit: int,
        now: int,
        type: str | None = None,
    ) -> dict[str, list[Entry]]:
        shown = {**_shown_to(view), "limit": limit, "now": now, "type": type}

        def work(connection: sqlite3.Connection) -> dict[str, list[Entry]]:
            found: list[Entry] = []
            for audience, floor in view.floors.items():
                end = before.get(audience, _BEFORE_ALL)
                args = {**shown, "audience": audience, "floor": floor, "before": end}
                found += map(_entry, connection.execute(_PAGE, args))
            return by_log(found)

        return await self._database.read(work)

    async def outline(
        self, view: View, positions: Mapping[str, int], *, limit: int, now: int
    ) -> dict[str, list[Outline]]:
        shown = {**_shown_to(view), "now": now}

        def work(connection: sqlite3.Connection) -> dict[str, list[Outline]]:
            found: dict[str, list[Outline]] = {}
            left = limit
            for audience in positions.keys() & view.floors.keys():
                position = max(positions[audience], view.floors[audience])
                args = {**shown, "audience": audience, "position": position, "limit": left}
                rows = [Outline(*row) for row in connection.execute(_OUTLINE, args)]
                left -= len(rows)
                if rows:
                    found[audience] = rows
            return found

        return await self._database.read(work)

    async def entries(self, refs: Collection[Ref], *, now: int) -> list[Entry]:
        def work(connection: sqlite3.Connection) -> list[Entry]:
            return [
                _entry(row)
                for audience, seq in set(refs)
                for row in connection.execute(_ENTRY, (audience, seq, now))
            ]

        return await self._database.read(work)

    async def copies(
        self, notification_ids: Collection[str], audiences: Collection[str], *, now: int
    ) -> list[Entry]:
        def work(connection: sqlite3.Connection) -> list[Entry]:
            return [
                _entry(row)
                for notification_id in set(notification_ids)
                for audience in set(audiences)
                for row in connection.execute(_COPY, (notification_id, audience, now))
            ]

        return await self._database.read(work)


def _append(connection: sqlite3.Connection, publication: Publication, now: int) -> Receipt:
    notification, key = publication.notification, publication.key
    if key is not None:
        first_id = _known(connection, key, now)
        if first_id is not None:
            return _first_receipt(connection, first_id, publication.audiences)
    there = _places(connection, notification.id)
    own = notification.publisher
    if any(there[a].notification.publisher != own for a in publication.audiences if a in there):
        raise IdTaken
    if key is not None:
        record = (key.publisher, key.key, key.fingerprint, notification.id, now + KEY_LIFE)
        connection.execute(_KEEP_KEY, record)
    drafts = {a: notification for a in publication.audiences if a not in there}
    silent = publication.silent
    written = _write(connection, drafts, keyed=key is not None, now=now, silent=silent)
    there |= {entry.audience: entry for entry in written}
    return Receipt(notification.id, tuple(there[a] for a in publication.audiences))


def _known(connection: sqlite3.Connection, key: IdempotencyKey, now: int) -> str | None:
    """The notification that was published under this key. Raises ``Conflict``."""
    row = connection.execute(_KNOWN_KEY, (key.publisher, key.key, now)).fetchone()
    if row is None:
        return None
    fingerprint, notification_id = row
    if fingerprint != key.fingerprint:
        raise Conflict("The idempotency key was used for another notification.")
    return str(notification_id)


def _first_receipt(
    connection: sqlite3.Connection, notification_id: str, audiences: Sequence[str]
) -> Receipt:
    """The places that the first call took, which need not be those that this one names."""
    places = _places(connection, notification_id)
    order = {audience: number for number, audience in enumerate(audiences)}
    first = sorted(places.values(), key=lambda entry: order.get(entry.audience, len(order)))
    return Receipt(notification_id, tuple(first), repeated=True)


def _places(connection: sqlite3.Connection, notification_id: str) -> dict[str, Entry]:
    """Where the notification stands."""
    found = map(_entry, connection.execute(_NOTIFICATION, (notification_id,)))
    return {e.audience: e for e in found if e.notification.kind is not Kind.WITHDRAWAL}


def _write(
    connection: sqlite3.Connection,
    drafts: Mapping[str, Notification],
    *,
    keyed: bool,
    now: int,
    silent: Collection[str] = (),
) -> list[Entry]:
    """Give each draft the next place of its log."""
    heads = _heads(connection, drafts)
    places = {
        audience: Head.behind(
            heads.get(audience), stays_until=stays_until(notification, keyed=keyed), now=now
        )
        for audience, notification in drafts.items()
    }
    entries = [
        Entry(audience, places[audience].seq, drafts[audience], audience in silent)
        for audience in drafts
    ]
    connection.executemany(_INSERT, (_row(e, places[e.audience].purge_at) for e in entries))
    return entries


def _heads(connection: sqlite3.Connection, audiences: Iterable[str]) -> dict[str, Head]:
    names = orjson.dumps(list(audiences)).decode()
    return {audience: Head(*head) for audience, *head in connection.execute(_HEADS, (names,))}


def _shown_to(view: View) -> dict[str, Any]:
    forbidden, muted, digested = view.hidden
    return {
        "user": view.user,
        "forbidden": _listed(forbidden),
        "muted": _listed(f"{type} {priority}" for type, priority in muted),
        "digested": _listed(digested),
    }


def _listed(names: Iterable[str]) -> str:
    return orjson.dumps(list(names)).decode()


def _row(entry: Entry, purge_at: int) -> tuple[Any, ...]:
    n = entry.notification
    return (
        *(entry.audience, entry.seq, n.kind, n.id, n.type, n.priority, n.publisher),
        *(n.created_at, n.expires_at, purge_at, n.copies, entry.silent),
        *(orjson.dumps(sorted(n.excluded)).decode(), n.content),
    )


def _entry(row: Sequence[Any]) -> Entry:
    (
        audience,
        seq,
        kind,
        id,
        type,
        priority,
        publisher,
        created_at,
        expires_at,
        _,
        copies,
        silent,
        excluded,
        content,
    ) = row
    notification = Notification(
        id=id,
        kind=Kind(kind),
        type=type,
        priority=Priority(priority),
        publisher=publisher,
        created_at=created_at,
        expires_at=expires_at,
        excluded=frozenset(orjson.loads(excluded)),
        copies=copies,
        content=content,
    )
    return Entry(audience, seq, notification, bool(silent))
