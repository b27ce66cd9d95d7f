"""What callers want appended, on its way into the logs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pymongo.asynchronous.collection import AsyncCollection

from notifier.core.models import Entry, IdempotencyKey, Notification, Publication, Receipt
from notifier.errors import IdTaken
from notifier.store.mongo.database import Document, available
from notifier.store.mongo.documents import entry_from, entry_id


@dataclass(slots=True, eq=False)
class Draft:
    """One caller's entries: a notification for each log, and what became of them.

    ``published`` is what a publication brings; ``fixed`` as there. ``claimed``: its idempotency key
    is on record. ``refusal`` is why nothing of it will be written.
    """

    notifications: Mapping[str, Notification]
    notification_id: str
    key: IdempotencyKey | None = None
    repeated: bool = False
    silent: frozenset[str] = frozenset()
    published: Notification | None = None
    fixed: bool = False
    claimed: bool = False
    landed: dict[str, Entry] = field(default_factory=dict)
    refusal: Exception | None = None

    @classmethod
    def of(cls, publication: Publication) -> Draft:
        notification = publication.notification
        notifications = dict.fromkeys(publication.audiences, notification)
        return cls(
            notifications,
            notification.id,
            publication.key,
            silent=publication.silent,
            published=notification,
            fixed=publication.fixed,
        )

    @property
    def missing(self) -> dict[str, str]:
        """The logs that have no entry yet, each with the ``_id`` that the entry will have."""
        return {
            audience: entry_id(notification.id, notification.kind, audience)
            for audience, notification in self.notifications.items()
            if audience not in self.landed
        }

    def repeat(self, first: Notification, logs: Collection[str] | None) -> None:
        """Become a retry of the call that published ``first``; None: into the same logs."""
        self.notification_id = first.id
        self.notifications = dict.fromkeys(self.notifications if logs is None else logs, first)
        self.repeated = True

    def find(self, entry: Entry) -> None:
        """An entry of this notification is in its log already. Somebody else's is not ours."""
        if entry.notification.publisher != self.notifications[entry.audience].publisher:
            self.refusal = IdTaken()
        self.landed[entry.audience] = entry

    def outcome(self, failure: Exception | None) -> Receipt | Exception:
        """The caller's answer; ``failure`` is why the whole group was given up, if it was."""
        if self.refusal is not None:
            return self.refusal
        if failure is not None and (self.missing or (self.key and not self.claimed)):
            return failure
        entries = tuple(self.landed[audience] for audience in self.notifications)
        return Receipt(self.notification_id, entries, self.repeated)


async def find_landed(entries: AsyncCollection[Document], drafts: Collection[Draft]) -> None:
    """Learn which entries of these drafts are in their logs already."""
    if not drafts:
        return
    wanted: dict[str, list[Draft]] = {}
    for draft in drafts:
        for entry in draft.missing.values():
            wanted.setdefault(entry, []).append(draft)
    with available():
        async for document in entries.find({"_id": {"$in": list(wanted)}}):
            landed = entry_from(document)
            for draft in wanted[document["_id"]]:
                draft.find(landed)
