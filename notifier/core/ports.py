"""What the domain needs from the outside world; ``store``, ``realtime`` and ``http`` implement it.

Duties of every implementation: its driver's errors become ``StoreUnavailable``; a cancelled call
leaves nothing half-done that a later call could not repair; methods may be called concurrently.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Protocol

from notifier.core.models import (
    Ends,
    Entry,
    Outline,
    Preferences,
    Principal,
    Publication,
    Receipt,
    Ref,
    Revocation,
    ServiceKey,
    Standing,
    Subscriber,
    View,
)
from notifier.core.models.jobs import Job, Ration

WatermarkField = Literal["seen", "read", "dismissed"]


class Log(Protocol):
    """The append-only logs of all audiences."""

    async def append(self, publication: Publication) -> Receipt:
        """Make one entry for each audience durable and return them.

        Entry n+1 of a log is never visible before entry n. With an idempotency key known from an
        earlier call (24 h) the first receipt is returned, and missing entries of it are completed;
        with another fingerprint it raises ``Conflict``. A notification is put into a log once, key
        or not: appending it again returns the entry that is there.
        """
        ...

    async def withdraw(
        self, notification_id: str, *, publisher: str | None, now: int
    ) -> list[Entry]:
        """End the life of a notification in all its logs; return the withdrawal entries appended.

        Repeating it returns the same entries. ``publisher`` restricts it to that publisher's own
        notifications (None: anybody's). Raises ``NotFound``.
        """
        ...

    async def end(self, refs: Collection[Ref], *, now: int) -> None:
        """Let these notification entries expire now, untold: something else takes their place.

        It was appended to the same logs before and names them in ``replaces``. As a withdrawal is
        appended before the life of anything ends, too, everything that a log has lost before its
        time can be learnt by reading on in it.
        """
        ...

    async def heads(self, audiences: Collection[str]) -> dict[str, int]:
        """The last seq of each log; 0 for an empty one. One query."""
        ...

    async def ends(self, audiences: Collection[str]) -> Ends:
        """The heads as they are now, and what the store knows of the newest entries anyway."""
        ...

    async def after(
        self, positions: Mapping[str, int], *, limit: int, now: int, type: str | None = None
    ) -> dict[str, list[Entry]]:
        """For each log the entries behind a position, oldest first, at most ``limit`` for each log.

        Of every kind (of one ``type``, if given), without the expired ones. Logs with nothing new
        are absent. One query.
        """
        ...

    async def page(
        self,
        view: View,
        before: Mapping[str, int],
        *,
        limit: int,
        now: int,
        type: str | None = None,
    ) -> dict[str, list[Entry]]:
        """For each log of the view the visible notifications before a position, newest first.

        A log absent from ``before`` starts at its head. At most ``limit`` for each log; logs with
        nothing are absent. Withdrawals, expired ones, hidden types and those that exclude the user
        are left out by the query. One query.
        """
        ...

    async def outline(
        self, view: View, positions: Mapping[str, int], *, limit: int, now: int
    ) -> dict[str, list[Outline]]:
        """The visible notifications behind a position in each log: what counting needs of them.

        Each log newest first, one log after the other until there are ``limit`` in all. One query.
        """
        ...

    async def entries(self, refs: Collection[Ref], *, now: int) -> list[Entry]:
        """The unexpired entries at these places, in no particular order.

        With ``now`` 0 the expired ones too, as long as they are kept.
        """
        ...

    async def copies(
        self, notification_ids: Collection[str], audiences: Collection[str], *, now: int
    ) -> list[Entry]:
        """The unexpired notification entries with these ids in these logs."""
        ...


class Subscribers(Protocol):
    """What is kept per user: preferences, topics, watermarks and marks."""

    async def subscriber(self, user: str) -> Subscriber | None:
        """All that is kept about a user, marks included; None if nothing is. One query.

        ``visited`` tells whether the user has come. Marks are read before watermarks.
        """
        ...

    async def standings(self, users: Collection[str]) -> dict[str, Standing]:
        """Where these users stand; those of whom nothing is kept are absent. One query for each
        few thousand."""
        ...

    async def welcome(
        self, user: str, floors: Mapping[str, int], roles: Collection[str] = ()
    ) -> Subscriber:
        """The first visit: the subscriber, whose view of shared logs starts at these floors.

        If somebody else was faster, what they created stays and is returned.
        """
        ...

    async def set_roles(self, user: str, roles: Collection[str]) -> None:
        """Keep the roles that the user came with last."""
        ...

    async def set_preferences(self, user: str, preferences: Preferences) -> None:
        """Replace the preferences if ``preferences.version`` is the stored version plus one.

        Raises ``Conflict`` otherwise: read again and repeat.
        """
        ...

    async def join_topic(self, user: str, topic: str, floor: int) -> bool:
        """Subscribe to a topic from ``floor`` on. False if already subscribed; its floor stays.

        It is no visit: who has never come is kept as a subscriber who has not.
        """
        ...

    async def leave_topic(self, user: str, topic: str) -> bool:
        """End a subscription. False if there was none."""
        ...

    async def raise_watermark(
        self, user: str, field: WatermarkField, positions: Mapping[str, int]
    ) -> None:
        """Move watermarks forward, never back; the marks that they make pointless go.

        ``read`` removes read marks up to the position that are not dismissals, ``dismissed`` all
        marks up to it.
        """
        ...

    async def mark(
        self, user: str, refs: Collection[Ref], *, read: bool | None = None, dismissed: bool = False
    ) -> None:
        """Set what is given for each entry and keep the rest. A dismissal is never undone."""
        ...


class Keys(Protocol):
    """The API keys of internal services."""

    async def add_key(self, key: ServiceKey) -> None: ...

    async def key(self, key_id: str) -> ServiceKey | None: ...

    async def keys(self) -> list[ServiceKey]: ...

    async def revoke_key(self, key_id: str, at: int) -> bool:
        """False if there is no such key. Revoking twice keeps the first time."""
        ...


class Tickets(Protocol):
    """Tickets that stand for a user once, known only by a digest."""

    async def add_ticket(self, digest: str, principal: Principal, expires_at: int) -> None: ...

    async def take_ticket(self, digest: str, *, now: int) -> Principal | None:
        """Whom a ticket stands for; it is used up by this, on every node. None if it is no good."""
        ...


class Revocations(Protocol):
    """What has been taken back from users' tokens."""

    async def revoke(self, user: str, revocation: Revocation) -> None:
        """Add to what is revoked. Each time moves forward, never back."""
        ...

    async def revocations(self, users: Collection[str]) -> dict[str, Revocation]:
        """By user; those from whom nothing was taken are absent. One query."""
        ...


class Jobs(Protocol):
    """What is to be done later, by whichever runner takes it; and what is rationed.

    A job is claimed by being postponed: who takes it and dies leaves it to the others.
    """

    async def add_jobs(self, jobs: Sequence[Job]) -> frozenset[str]:
        """Add those whose ids are new, and return their ids."""
        ...

    async def job(self, job_id: str) -> Job | None: ...

    async def take_jobs(self, now: int, *, until: int, limit: int) -> list[Job]:
        """Postpone the jobs that are due to ``until`` and return them, those due longest first.

        Each is returned to one caller only. Their version has grown.
        """
        ...

    async def next_job(self) -> int | None:
        """When the first job is due; None without any."""
        ...

    async def replace_job(self, job: Job) -> Job | None:
        """Store the job's time and data, if its version is still the stored one; else None.

        Returned is the job with its new version.
        """
        ...

    async def touch_jobs(
        self, job_ids: Collection[str], *, due_at: int | None = None
    ) -> frozenset[str]:
        """Tell that there may be something new for these jobs; with ``due_at`` they are due then
        at the latest. Returns the ids of which there is no job."""
        ...

    async def remove_job(self, job: Job) -> bool:
        """Remove it if nobody has taken, replaced or touched it since; False otherwise."""
        ...

    async def ration(self, rations: Collection[Ration], asker: str) -> frozenset[str]:
        """The places that let this asker through. Who asks again gets the same answer."""
        ...


class Store(Log, Subscribers, Keys, Tickets, Revocations, Jobs, Protocol):
    """All that is durable, and its life cycle."""

    async def migrate(self) -> None:
        """Create the schema and the indexes; safe to repeat and to run beside live nodes."""
        ...

    async def ping(self) -> None:
        """Raise ``StoreUnavailable`` unless the store can confirm a write now."""
        ...

    async def purge(self, now: int) -> int:
        """Remove what has expired and is past its grace; return how many entries went."""
        ...

    async def close(self) -> None: ...


class Bus(Protocol):
    """How nodes tell each other that a log grew. A hint that may be lost: the log is the truth."""

    def announce(self, entries: Sequence[Entry]) -> None:
        """Tell every node that has readers of these logs. Never blocks, never raises."""
        ...

    def tell(self, user: str, event: str, data: Any, *, skip: str | None = None) -> None:
        """Send an event to all connections of a user but ``skip``. Never blocks, never raises."""
        ...


class Authenticator(Protocol):
    """Turns credentials into a principal."""

    async def user(self, token: object) -> Principal:
        """The user a JWT speaks for. Raises ``Unauthenticated`` or ``TokenExpired``.

        What was revoked a few seconds ago may still count.
        """
        ...

    async def recheck(self, caller: Principal) -> Principal:
        """What is left of a user's token by now. Raises ``Unauthenticated`` if it was revoked."""
        ...

    async def caller(self, bearer: str) -> Principal:
        """The user or the service behind a bearer token. Raises the same."""
        ...
