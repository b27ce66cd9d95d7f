"""Collapsing: of notifications with one key the first is shown at once, the others as one card.

The first one of a group opens it: its job is added, and it goes to the audience. While the job is
there, the others go into a private log instead, which no audience can name, so that they are as
durable and as repeatable as any entry. Each of them touches the job afterwards. The job looks soon
whether the first one got there. It adds the others up once in a window and goes when there were
none: but not if it was touched since it looked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import orjson

from notifier.core.jobs.plans import notification_from, planned
from notifier.core.models import (
    Entry,
    Kind,
    Notification,
    Priority,
    Publication,
    Ref,
    encode_content,
    new_id,
    rfc3339,
)
from notifier.core.models.jobs import Job
from notifier.core.orders import Order
from notifier.core.ports import Bus, Store
from notifier.core.types import Collapse, NotificationType

KIND = "collapse"

_LOG = "gather:"
"""What the names of private logs begin with. No audience does (``parse_audience``)."""

OPENING = 5_000
"""Milliseconds within which the first of a group is in its log, or was refused by the store."""

MAX_SENDERS = 3
"""Senders that a card shows, the newest."""

MAX_PEOPLE = 500
"""Senders that a group tells apart; beyond, each notification counts as somebody's first."""

MAX_MEMBERS = 10_000
"""Notifications that one run adds up; the next run goes on from there at once."""

PAGE = 500
"""Entries of a private log read at a time."""

MAX_TITLE = 200
"""Characters of a card's title, as of any other."""


def is_private(audience: str) -> bool:
    """Whether a log is one that nobody reads."""
    return audience.startswith(_LOG)


@dataclass(slots=True)
class Tally:
    """What is known of the notifications of a group: how many, and from whom.

    ``group`` is the id of the first: the same in all cards that replace one another.
    """

    group: str | None = None
    count: int = 0
    people: list[str] = field(default_factory=list)
    senders: list[dict[str, Any]] = field(default_factory=list)

    def add(self, content: Mapping[str, Any]) -> None:
        """Count one more, newer than all before."""
        self.count += 1
        sender = content.get("sender")
        if not sender:
            return
        name = sender.get("id") or sender.get("name") or ""
        if name not in self.people and len(self.people) < MAX_PEOPLE:
            self.people.append(name)
        others = [known for known in self.senders if known != sender]
        self.senders = [sender, *others][:MAX_SENDERS]

    def title(self, rule: Collapse | None) -> str | None:
        """The card's title; None if there is nobody to name, or no rule."""
        names = list(dict.fromkeys(s["name"] for s in self.senders if s.get("name")))
        if rule is None or ("{senders}" in rule.title and not names):
            return None
        title = rule.title.format(senders=self._people(names), count=self.count)
        return title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…"

    def _people(self, names: Sequence[str]) -> str:
        told_apart = len(self.people) < MAX_PEOPLE
        number = max(len(self.people) if told_apart else self.count, len(names))
        if number <= len(names) <= 2:
            return " and ".join(names)
        return f"{names[0]} and {number - 1} {'other' if number == 2 else 'others'}"


class Gathering:
    """Where notifications of a collapsing type go, and what becomes of those that were gathered."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        types: Mapping[str, NotificationType],
        *,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._bus = bus
        self._types = types
        self._clock = clock

    def gathers(self, order: Order) -> bool:
        """Whether notifications like this one are gathered. What is critical never waits."""
        return (
            self._rule(order.type) is not None
            and order.collapse_key is not None
            and order.priority is not Priority.CRITICAL
        )

    async def logs(self, order: Order, *, now: int) -> tuple[str, ...]:
        """Where the notification goes for each of its audiences: there, or into a private log."""
        rule = self._rule(order.type)
        if rule is None or not self.gathers(order):
            return order.audiences
        until = now + rule.window * 1000
        first = {"previous": {"id": order.id}, "until": until}
        jobs = self._jobs(order, order.audiences, min(now + OPENING, until), first)
        opened = await self._store.add_jobs(list(jobs.values()))
        return tuple(
            audience if job.id in opened else _log(job.id) for audience, job in jobs.items()
        )

    async def note(self, order: Order, logs: Iterable[str]) -> None:
        """See to it that what was put into these private logs is added up."""
        wanted = {_job_id(log) for log in logs if is_private(log)}
        if not wanted:
            return
        missing = await self._store.touch_jobs(wanted)
        if missing:
            jobs = self._jobs(order, order.audiences, self._clock(), {})
            await self._store.add_jobs([job for job in jobs.values() if job.id in missing])

    async def run(self, job: Job) -> None:
        """Add up what has come; end the group if nothing has."""
        if "plan" not in job.data:
            if await self._has_opened(job):
                await self._store.replace_job(replace(job, due_at=job.data["until"]))
                return
            plan = await self._plan(job)
            if plan is None:
                await self._finish(job)
                return
            with_plan = await self._store.replace_job(replace(job, data={**job.data, "plan": plan}))
            if with_plan is None:
                return  # another runner has it now
            job = with_plan
        await self._carry_out(job)

    def _rule(self, type: str) -> Collapse | None:
        kind = self._types.get(type)
        return None if kind is None else kind.collapse

    def _jobs(
        self, order: Order, audiences: Iterable[str], due_at: int, data: Mapping[str, Any]
    ) -> dict[str, Job]:
        """The job of the order's group in each audience."""
        return {
            audience: Job(_id(order, audience), due_at, {"audience": audience, **data})
            for audience in audiences
        }

    async def _has_opened(self, job: Job) -> bool:
        """Whether the window is open and the first of the group is to be seen.

        The store may have refused that one after the group was opened for it. Its publisher has
        sent it again, and what came then must not wait for the end of the window.
        """
        if self._clock() >= job.data.get("until", 0):
            return False
        shown, _ = await self._previous(job)
        return bool(shown)

    async def _finish(self, job: Job) -> None:
        """End the group, or look again: somebody has touched the job meanwhile."""
        if not await self._store.remove_job(job):
            await self._store.replace_job(replace(job, due_at=self._clock()))

    # Adding up

    async def _plan(self, job: Job) -> dict[str, Any] | None:
        """The card that takes the place of all there is; None if nothing has come."""
        members = await self._members(_log(job.id))
        if not members:
            return None
        previous, tally = await self._previous(job)
        for member in members:
            tally.add(member.notification.fields)
        tally.group = tally.group or members[0].notification.id
        card = self._card(members, tally, previous)
        return {
            "card": planned(card),
            "replaced": [str(entry.ref) for entry in previous],
            "through": members[-1].seq,
            "more": len(members) >= MAX_MEMBERS,
            "previous": {"id": card.id, "tally": asdict(tally)},
        }

    async def _members(self, log: str, *, through: int | None = None) -> list[Entry]:
        """What was gathered and is still alive, oldest first: all of it up to a number, or what one
        run may add up."""
        members: list[Entry] = []
        position, now = 0, self._clock()
        while through is not None or len(members) < MAX_MEMBERS:
            page = await self._store.after({log: position}, limit=PAGE, now=now)
            found = page.get(log, [])
            members += [e for e in found if e.notification.kind is Kind.NOTIFICATION]
            if len(found) < PAGE or (through is not None and found[-1].seq >= through):
                break
            position = found[-1].seq
        return [member for member in members if through is None or member.seq <= through]

    async def _previous(self, job: Job) -> tuple[list[Entry], Tally]:
        """What the audience sees of the group now, and what that stands for."""
        known = job.data.get("previous")
        if known is None:
            return [], Tally()
        audience = job.data["audience"]
        alive = await self._store.copies([known["id"]], [audience], now=self._clock())
        if not alive:
            return [], Tally()
        if "tally" in known:
            return alive, Tally(**known["tally"])
        tally = Tally(group=known["id"])
        tally.add(alive[0].notification.fields)
        return alive, tally

    def _card(
        self, members: Sequence[Entry], tally: Tally, replaced: Sequence[Entry]
    ) -> Notification:
        newest = members[-1].notification
        now = self._clock()
        expires_at = max(member.notification.expires_at for member in members)
        content = {
            **members[-1].notification.fields,
            "notification_id": (card_id := new_id(now)),
            "created_at": rfc3339(now),
            "expires_at": rfc3339(expires_at),
            "group": tally.group,
            "count": tally.count,
            "senders": tally.senders,
            "replaces": [str(entry.ref) for entry in replaced],
        }
        title = tally.title(self._rule(newest.type))
        if title is not None:
            content["title"] = title
        return replace(
            newest,
            id=card_id,
            created_at=now,
            expires_at=expires_at,
            copies=1,
            content=encode_content(content),
        )

    async def _carry_out(self, job: Job) -> None:
        plan, audience = job.data["plan"], job.data["audience"]
        card = notification_from(plan["card"])
        receipt = await self._store.append(Publication(card, (audience,)))
        self._bus.announce(receipt.entries)
        await self._end(job)
        rule = self._rule(card.type)
        wait = 0 if plan["more"] or rule is None else rule.window * 1000
        data = {"audience": audience, "previous": plan["previous"]}
        await self._store.replace_job(replace(job, due_at=self._clock() + wait, data=data))

    async def _end(self, job: Job) -> None:
        """What the card stands for is nowhere else any more."""
        plan = job.data["plan"]
        members = await self._members(_log(job.id), through=plan["through"])
        refs = [*map(Ref.parse, plan["replaced"]), *(member.ref for member in members)]
        for start in range(0, len(refs), PAGE):
            await self._store.end(refs[start : start + PAGE], now=self._clock())


def _id(order: Order, audience: str) -> str:
    """A group has one publisher, priority and set of excluded users: its card has the same."""
    parts = [
        *(audience, order.type, order.collapse_key, order.publisher, order.priority),
        *sorted(order.excluded),
    ]
    digest = hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()
    return f"{KIND}/{digest}"


def _log(job_id: str) -> str:
    return _LOG + job_id.removeprefix(f"{KIND}/")


def _job_id(log: str) -> str:
    return f"{KIND}/{log.removeprefix(_LOG)}"


def visible(entries: Collection[Entry]) -> tuple[Entry, ...]:
    """Those in logs that somebody can read."""
    return tuple(entry for entry in entries if not is_private(entry.audience))
