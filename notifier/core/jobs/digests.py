"""Digests: one card in place of the notifications of a type that came in an hour or a day.

Each user and type on digest has a job (``appointments.py``), which knows up to where the user's
logs have been summed up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from notifier.core.jobs.appointments import timing_of
from notifier.core.jobs.collapse import MAX_SENDERS
from notifier.core.jobs.plans import notification_from, planned
from notifier.core.jobs.times import HOUR, next_digest
from notifier.core.models import (
    Entry,
    Hidden,
    Kind,
    Notification,
    Preferences,
    Principal,
    Priority,
    Publication,
    Ref,
    Subscriber,
    View,
    encode_content,
    new_id,
    rfc3339,
)
from notifier.core.models.jobs import Job
from notifier.core.ports import Bus, Store
from notifier.core.types import NotificationType
from notifier.core.views import view_of

PAGE = 500
"""Notifications of one log that a digest sums up; the next one goes on from there."""

MAX_TITLES = 5

MAX_GROUPS = 200
"""Groups of collapsed notifications of which a job remembers what it has counted, the newest."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is to sum up for a user, oldest first, and where that leaves the job."""

    entries: Sequence[Entry]
    positions: Mapping[str, int]


class Digests:
    """Makes digests. ``retention`` is in milliseconds."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        types: Mapping[str, NotificationType],
        *,
        retention: int,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._bus = bus
        self._types = types
        self._retention = retention
        self._clock = clock

    async def run(self, job: Job) -> None:
        """Sum up what has come, if it is time; end the job if nobody wants it."""
        subscriber = await self._store.subscriber(job.data["user"]) or Subscriber(job.data["user"])
        if "plan" not in job.data:
            with_plan = await self._planned(job, subscriber)
            if with_plan is None:
                return
            job = with_plan
        await self._carry_out(job, subscriber.preferences)

    async def _planned(self, job: Job, subscriber: Subscriber) -> Job | None:
        """The job with its plan; None if there is nothing to be carried out."""
        preferences, type = subscriber.preferences, job.data["type"]
        if type not in preferences.digests:
            await self._retire(job, preferences)
            return None
        if type not in self._types:
            # Another release may know it; without its job the type would stay hidden for ever.
            await self._store.replace_job(replace(job, due_at=self._clock() + HOUR))
            return None
        on_time = job.data["timing"] == timing_of(preferences, type)
        if not on_time or self._clock() < job.data["at"]:
            await self._again(job, preferences)
            return None
        found = await self._find(job, subscriber)
        if not found.entries:
            await self._again(job, preferences, positions=found.positions, since=self._clock())
            return None
        plan = await self._plan(job, subscriber, found)
        return await self._store.replace_job(replace(job, data={**job.data, "plan": plan}))

    async def _retire(self, job: Job, preferences: Preferences) -> None:
        """Go, unless the preferences that want this job are still on their way."""
        if preferences.version >= job.data["version"] and await self._store.remove_job(job):
            return
        await self._store.replace_job(replace(job, due_at=self._clock() + HOUR))

    async def _again(self, job: Job, preferences: Preferences, **changes: Any) -> None:
        """Wait for the next time."""
        type = job.data["type"]
        at = next_digest(preferences.digests[type], preferences, self._clock())
        changes |= {"at": at, "timing": timing_of(preferences, type)}
        data = {key: value for key, value in job.data.items() if key != "plan"}
        await self._store.replace_job(replace(job, due_at=at, data={**data, **changes}))

    # Summing up

    async def _find(self, job: Job, subscriber: Subscriber) -> _Found:
        """What the digest is to bring: hidden for its sake, and for nothing else."""
        user = Principal(subscriber.user, roles=subscriber.roles)
        view = view_of(user, subscriber, self._types)
        known, now = job.data["positions"], self._clock()
        positions = {a: max(known.get(a, 0), floor) for a, floor in view.floors.items()}
        heads = await self._store.heads(view.audiences)
        logs = await self._store.after(positions, limit=PAGE, now=now, type=job.data["type"])
        entries = [
            entry
            for found in logs.values()
            for entry in found
            if _waits(entry, view) and not subscriber.state(entry.ref).dismissed
        ]
        ends = {a: found[-1].seq for a, found in logs.items()}
        full = {a for a, found in logs.items() if len(found) == PAGE}
        reached = {
            a: ends[a] if a in full else max(position, heads[a], ends.get(a, 0))
            for a, position in positions.items()
        }
        return _Found(_once(entries), {**known, **reached})

    async def _plan(self, job: Job, subscriber: Subscriber, found: _Found) -> dict[str, Any]:
        """The card, and everything that is to be changed with it."""
        contents = [entry.notification.fields for entry in found.entries]
        groups = dict(job.data["groups"])
        count = sum(_count(content, groups) for content in contents)
        return {
            "card": planned(self._card(job, count, contents)),
            "dismissed": [str(ref) for ref in await self._places(subscriber, found.entries)],
            "positions": found.positions,
            "groups": dict(list(groups.items())[-MAX_GROUPS:]),
        }

    async def _places(self, subscriber: Subscriber, entries: Sequence[Entry]) -> list[Ref]:
        """Where these notifications stand, all copies of each."""
        places = [entry.ref for entry in entries]
        copied = {e.notification.id for e in entries if e.notification.copies > 1}
        if copied:
            user = Principal(subscriber.user, roles=subscriber.roles)
            audiences = view_of(user, subscriber, self._types).audiences
            copies = await self._store.copies(copied, audiences, now=self._clock())
            places += [copy.ref for copy in copies]
        return list(dict.fromkeys(places))

    def _card(self, job: Job, count: int, contents: Sequence[Mapping[str, Any]]) -> Notification:
        """``contents`` are those of what is summed up, oldest first."""
        kind, now = self._types[job.data["type"]], self._clock()
        lifetime = kind.lifetime(self._retention)
        # What is critical is never summed up, so the sum is not critical either.
        priority = Priority.HIGH if kind.priority is Priority.CRITICAL else kind.priority
        newest = contents[::-1]
        content = {
            "notification_id": (card_id := new_id(now)),
            "type": kind.name,
            "priority": priority,
            "title": f"{kind.label}: {count}",
            "count": count,
            "senders": _senders(newest),
            "digest": {
                "since": rfc3339(job.data["since"]),
                "titles": [content["title"] for content in newest[:MAX_TITLES]],
            },
            "created_at": rfc3339(now),
            "expires_at": rfc3339(now + lifetime),
        }
        return Notification(
            id=card_id,
            kind=Kind.DIGEST,
            type=kind.name,
            priority=priority,
            publisher="notifier",
            created_at=now,
            expires_at=now + lifetime,
            content=encode_content(content),
        )

    async def _carry_out(self, job: Job, preferences: Preferences) -> None:
        user, plan = job.data["user"], job.data["plan"]
        card = notification_from(plan["card"])
        receipt = await self._store.append(Publication(card, (f"user:{user}",)))
        self._bus.announce(receipt.entries)
        # Otherwise they would all come back when the digest is switched off.
        dismissed = [Ref.parse(text) for text in plan["dismissed"]]
        for start in range(0, len(dismissed), PAGE):
            await self._store.mark(user, dismissed[start : start + PAGE], dismissed=True)
        done = {"positions": plan["positions"], "groups": plan["groups"], "since": card.created_at}
        if job.data["type"] in preferences.digests:
            await self._again(job, preferences, **done)
        else:
            data = {key: value for key, value in job.data.items() if key != "plan"}
            ended = replace(job, due_at=self._clock(), data={**data, **done})
            await self._store.replace_job(ended)


def _waits(entry: Entry, view: View) -> bool:
    """Whether the user would see the entry now, were it not for a digest."""
    without = Hidden(view.hidden.forbidden, view.hidden.muted)
    return view.hidden.gathers(entry) and replace(view, hidden=without).shows(entry)


def _once(entries: Sequence[Entry]) -> list[Entry]:
    """Each notification once, oldest first, without those that another one replaces."""
    replaced = {
        place for entry in entries for place in entry.notification.fields.get("replaces", ())
    }
    firsts: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.notification.created_at):
        if str(entry.ref) not in replaced:
            firsts.setdefault(entry.notification.id, entry)
    return list(firsts.values())


def _count(content: Mapping[str, Any], groups: dict[str, int]) -> int:
    """For how many notifications it stands that no digest has counted yet.

    A card goes on counting where the one before it in its group ended.
    """
    if "collapse_key" not in content:
        return 1
    group, count = content.get("group", content["notification_id"]), content.get("count", 1)
    before = groups.pop(group, 0)
    groups[group] = count
    return int(count) - before


def _senders(contents: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The first few, each once."""
    senders: list[Any] = []
    for content in contents:
        given = content.get("senders") or [content.get("sender")]
        senders += [sender for sender in given if sender and sender not in senders]
        if len(senders) >= MAX_SENDERS:
            break
    return senders[:MAX_SENDERS]
