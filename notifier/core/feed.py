"""What a user sees: the merge of the user's logs, with the user's own state on top.

Arguments and answers are the JSON of REST and Socket.IO alike. Answers hold entries as ready-made
JSON fragments: an entry is encoded when it is published and never again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from notifier.core import policy
from notifier.core.counts import Counts, count
from notifier.core.jobs.appointments import Appointments
from notifier.core.loading import load
from notifier.core.models import (
    EVERYONE,
    Cursor,
    Entry,
    Kind,
    Principal,
    Ref,
    View,
    now_ms,
)
from notifier.core.pages import Pages
from notifier.core.ports import Bus, Store, WatermarkField
from notifier.core.preferences import changed, check_change
from notifier.core.schemas import CHANGE, PAGE, PREFERENCES, SEEN, SYNC, TOPIC, UNREAD
from notifier.core.topics import join
from notifier.core.types import TypeCatalogue
from notifier.core.views import Visit, view_of
from notifier.errors import Conflict, Forbidden, InvalidRequest, NotFound

REPLAY_LIMIT = 300
"""How many missed entries of one log are replayed; who missed more reloads the feed. Centrifugo's
default for the same purpose."""

MAX_UNREAD_MARKS = 1_000
"""Notifications that a user can have marked as unread: counting looks each of them up."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What a reader missed, in order, and where that leaves the reader.

    ``recovered`` False: too much was missed, or the reader belongs to other audiences now; nothing
    is replayed and the feed must be loaded again. Never a part of what was missed.
    """

    entries: Sequence[Entry]
    cursor: Cursor
    recovered: bool


class Feed:
    """Reading and changing what users see. A service key has no feed."""

    def __init__(
        self, store: Store, bus: Bus, types: TypeCatalogue, *, clock: Callable[[], int] = now_ms
    ) -> None:
        self._store = store
        self._bus = bus
        self._types = types
        self._clock = clock
        self._pages = Pages(store, clock)
        self._appointments = Appointments(store, clock=clock)

    # Reading

    async def visit(self, caller: Principal) -> Visit:
        """The caller as a reader; the first visit sets where the view of ``everyone`` starts."""
        if caller.is_service:
            raise Forbidden("A service key can publish; it has no feed.")
        subscriber = await self._store.subscriber(caller.id)
        if subscriber is None or not subscriber.visited:
            floors = await self._store.heads([EVERYONE])
            subscriber = await self._store.welcome(caller.id, floors, caller.roles)
        if subscriber.roles != caller.roles:
            await self._store.set_roles(caller.id, caller.roles)
        return Visit(subscriber, view_of(caller, subscriber, self._types))

    async def page(self, caller: Principal, args: object) -> dict[str, Any]:
        """One page of the feed, newest first: ``PageSchema`` in, items and counts out."""
        request = load(PAGE, args)
        visit = await self.visit(caller)
        # They are taken first: what arrives meanwhile is in the page, or comes live, or both.
        ends = await self._store.ends(visit.view.audiences)
        items, position = await self._pages.read(visit, ends, request)
        counts = await count(self._store, visit, ends, now=self._clock())
        return {
            "items": items,
            "next": None if position is None else str(position),
            "cursor": str(Cursor(ends.heads)),
            **counts.as_dict(),
        }

    async def sync(self, caller: Principal, args: object) -> dict[str, Any]:
        """What was missed since a cursor: ``SyncSchema`` in, items oldest first out."""
        since: Cursor = load(SYNC, args)["since"]
        return await self.missed(await self.visit(caller), since)

    async def missed(self, visit: Visit, since: Cursor | None) -> dict[str, Any]:
        """What a reader who stands at ``since`` has missed, and the counts."""
        return await self.answer(visit, await self.replay(visit, since))

    async def answer(self, visit: Visit, replay: Replay) -> dict[str, Any]:
        """What a reader has missed as JSON, with the counts as of now."""
        counts = await self.counts(visit)
        removed = [e for e in replay.entries if e.notification.kind is Kind.WITHDRAWAL]
        return {
            "items": [
                orjson.Fragment(e.wire())
                for e in replay.entries
                if e.notification.kind is not Kind.WITHDRAWAL
            ],
            "removed": [i for e in removed for i in orjson.loads(e.wire())["ids"]],
            "cursor": str(replay.cursor),
            "recovered": replay.recovered,
            **counts.as_dict(),
        }

    async def replay(self, visit: Visit, since: Cursor | None) -> Replay:
        """What a reader who stands at ``since`` has missed; without a cursor, nothing."""
        view = visit.view
        if since is None or since.keys() != view.floors.keys():
            heads = Cursor(await self._store.heads(view.audiences))
            return Replay((), heads, recovered=since is None)
        present = await self._store.heads(view.audiences)
        behind = {a: seq for a, seq in since.items() if seq != present[a]}
        missed = (
            await self._store.after(behind, limit=REPLAY_LIMIT + 1, now=self._clock())
            if behind
            else {}
        )
        too_many = any(len(entries) > REPLAY_LIMIT for entries in missed.values())
        if too_many or any(since[a] > present[a] for a in since.keys() - missed.keys()):
            return Replay((), Cursor(present), recovered=False)
        cursor = Cursor(since | {a: entries[-1].seq for a, entries in missed.items()})
        return Replay([e for e in _oldest_first(missed) if view.shows(e)], cursor, recovered=True)

    async def counts(self, visit: Visit) -> Counts:
        """Unread and unseen, exact up to the cap."""
        ends = await self._store.ends(visit.view.audiences)
        return await count(self._store, visit, ends, now=self._clock())

    def types(self, caller: Principal) -> dict[str, Any]:
        """The part of the type catalogue that the caller may receive."""
        return {
            "types": {
                name: kind.as_dict()
                for name, kind in self._types.items()
                if policy.may_receive(kind, caller.roles).allowed
            }
        }

    # Changing

    async def mark_read(
        self, caller: Principal, args: object, *, origin: str | None = None
    ) -> dict[str, Any]:
        """``ChangeSchema``: mark entries as read. ``origin`` is the connection not to be told."""
        return await self._change(caller, load(CHANGE, args), "read", origin)

    async def dismiss(
        self, caller: Principal, args: object, *, origin: str | None = None
    ) -> dict[str, Any]:
        """``ChangeSchema``: take entries out of this user's feed for good."""
        return await self._change(caller, load(CHANGE, args), "dismissed", origin)

    async def mark_unread(
        self, caller: Principal, args: object, *, origin: str | None = None
    ) -> dict[str, Any]:
        """``UnreadSchema``: mark entries as unread."""
        refs = load(UNREAD, args)["ids"]
        visit = await self.visit(caller)
        refs = await self._own(visit, refs)
        if len(_marked_unread(visit) | set(refs)) > MAX_UNREAD_MARKS:
            most = f"At most {MAX_UNREAD_MARKS} notifications can be marked as unread."
            raise InvalidRequest({"ids": [f"{most} Mark others as read first."]})
        await self._store.mark(visit.user, refs, read=False)
        return await self._report(caller, {"unread": [str(ref) for ref in refs]}, origin)

    async def mark_seen(
        self, caller: Principal, args: object, *, origin: str | None = None
    ) -> dict[str, Any]:
        """``SeenSchema``: everything up to a cursor has been seen."""
        through: Cursor = load(SEEN, args)["cursor"]
        visit = await self.visit(caller)
        return await self._raise(caller, visit, "seen", through, origin)

    async def preferences(self, caller: Principal) -> dict[str, Any]:
        visit = await self.visit(caller)
        return visit.subscriber.preferences.as_dict()

    async def set_preferences(
        self, caller: Principal, args: object, *, origin: str | None = None
    ) -> dict[str, Any]:
        """``PreferencesSchema``: change what is given, tell every other connection of the user."""
        change = load(PREFERENCES, args)
        check_change(self._types, change)
        while True:
            visit = await self.visit(caller)
            before = visit.subscriber.preferences
            preferences = changed(before, change)
            await self._appointments.prepare(visit.view, before, preferences)
            try:
                await self._store.set_preferences(visit.user, preferences)
                break
            except Conflict:
                continue  # another device was faster: read its version and change that
        await self._appointments.follow(visit.user, before, preferences)
        self._bus.tell(visit.user, "preferences", preferences.as_dict(), skip=origin)
        await self._report(caller, {}, None)
        return preferences.as_dict()

    async def subscribe_topic(
        self, caller: Principal, args: object, *, origin: str | None = None
    ) -> dict[str, str]:
        """``TopicSchema``: follow a topic from now on. Answers where the subscription begins."""
        topic = load(TOPIC, args)["topic"]
        visit = await self.visit(caller)
        joined = str(await join(self._store, visit.subscriber, topic))
        self._bus.tell(visit.user, "state", {"joined": joined}, skip=origin)
        return {"cursor": joined}

    async def unsubscribe_topic(
        self, caller: Principal, args: object, *, origin: str | None = None
    ) -> dict[str, Any]:
        """``TopicSchema``: follow a topic no longer; its notifications leave the feed."""
        topic = load(TOPIC, args)["topic"]
        visit = await self.visit(caller)
        await self._store.leave_topic(visit.user, topic)
        return await self._report(caller, {"left": [f"topic:{topic}"]}, origin)

    # Steps of the above

    async def _change(
        self,
        caller: Principal,
        change: Mapping[str, Any],
        field: WatermarkField,
        origin: str | None,
    ) -> dict[str, Any]:
        visit = await self.visit(caller)
        if "ids" not in change:
            return await self._raise(caller, visit, field, change["cursor"], origin)
        refs = await self._own(visit, change["ids"])
        if field == "read":
            await self._store.mark(visit.user, refs, read=True)
        else:
            await self._store.mark(visit.user, refs, dismissed=True)
        return await self._report(caller, {field: [str(ref) for ref in refs]}, origin)

    async def _raise(
        self,
        caller: Principal,
        visit: Visit,
        field: WatermarkField,
        cursor: Cursor,
        origin: str | None,
    ) -> dict[str, Any]:
        """Move a watermark, never beyond what exists: nobody has read what is yet to come."""
        own = cursor.keys() & visit.view.floors.keys()
        heads = await self._store.heads(own)
        through = Cursor({a: min(cursor[a], heads[a]) for a in own})
        await self._store.raise_watermark(visit.user, field, through)
        return await self._report(caller, {"through": {field: str(through)}}, origin)

    async def _report(
        self, caller: Principal, change: dict[str, Any], origin: str | None
    ) -> dict[str, Any]:
        """Count anew, tell the user's other connections, answer the counts."""
        counts = (await self.counts(await self.visit(caller))).as_dict()
        self._bus.tell(caller.id, "state", {**change, "counts": counts}, skip=origin)
        return counts

    async def _own(self, visit: Visit, refs: Collection[Ref]) -> list[Ref]:
        """The places of these notifications in the user's logs, all copies of each.

        Raises ``NotFound`` for a log that is not the user's. What has expired or been withdrawn, or
        does not exist yet, is left out.
        """
        for ref in refs:
            if ref.audience not in visit.view.floors:
                raise NotFound(f"There is no entry {ref}.")
        entries = await self._shown(visit.view, refs)
        copied = {e.notification.id for e in entries if e.notification.copies > 1}
        if copied:
            entries += await self._store.copies(copied, visit.view.audiences, now=self._clock())
        return list(dict.fromkeys(e.ref for e in entries if visit.view.shows(e)))

    async def _shown(self, view: View, refs: Collection[Ref]) -> list[Entry]:
        if not refs:
            return []
        entries = await self._store.entries(refs, now=self._clock())
        return [e for e in entries if e.notification.kind is not Kind.WITHDRAWAL and view.shows(e)]


def synced(visit: Visit, replay: Replay, counts: Counts) -> dict[str, Any]:
    """What a connected reader is told at the end of the replay."""
    return {
        "cursor": str(replay.cursor),
        "counts": counts.as_dict(),
        "recovered": replay.recovered,
        "preferences": visit.subscriber.preferences.as_dict(),
    }


def _marked_unread(visit: Visit) -> set[Ref]:
    return {
        Ref(audience, seq)
        for audience, states in visit.marks.items()
        for seq, mark in states.items()
        if mark.read is False
    }


def _time_of(entry: Entry) -> int:
    return entry.notification.created_at


def _oldest_first(logs: Mapping[str, Sequence[Entry]]) -> list[Entry]:
    """One order over several logs, which keeps the order of each."""
    return list(heapq.merge(*logs.values(), key=_time_of))
