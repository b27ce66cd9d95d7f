"""Entries as MongoDB documents."""

from __future__ import annotations

from sys import intern

from bson.datetime_ms import DatetimeMS

from notifier.core.models import Entry, Kind, Notification, Priority
from notifier.store.entries import Head
from notifier.store.mongo.database import Document

# Thousands of them are kept and few names occur in them: each name is kept once (``intern``). And
# a page has a hundred of them: calling an enumeration takes twenty times as long as a look-up.
_KINDS = {str(kind): kind for kind in Kind}
_PRIORITIES = {str(priority): priority for priority in Priority}


def entry_id(notification_id: str, kind: Kind, audience: str) -> str:
    """The ``_id`` of an entry: a notification is put into a log once, and taken back there once."""
    return f"{notification_id}/{kind}/{audience}"


def of_notification(notification_id: str) -> Document:
    """The query for all entries of a notification, served by the index on ``_id``."""
    ids = {"$gte": f"{notification_id}/", "$lt": f"{notification_id}0"}  # 0 comes next after /
    return {"_id": ids, "notification_id": notification_id}


def notification_fields(notification: Notification) -> Document:
    return {
        "kind": str(notification.kind),
        "notification_id": notification.id,
        "type": notification.type,
        "priority": str(notification.priority),
        "publisher": notification.publisher,
        "created_at": notification.created_at,
        "expires_at": notification.expires_at,
        "excluded": sorted(notification.excluded),
        "copies": notification.copies,
        "content": notification.content,
    }


def notification_from(document: Document) -> Notification:
    return Notification(
        id=document["notification_id"],
        kind=_KINDS[document["kind"]],
        type=intern(document["type"]),
        # Absent from what an earlier release wrote.
        priority=_PRIORITIES[document.get("priority", Priority.NORMAL)],
        publisher=intern(document["publisher"]),
        created_at=document["created_at"],
        expires_at=document["expires_at"],
        excluded=frozenset(document["excluded"]),
        copies=document["copies"],
        content=document["content"],
    )


def entry_document(entry: Entry, place: Head, *, first: bool) -> Document:
    """``first``: nothing stands in front of it, see the index of that name."""
    document = {
        "_id": entry_id(entry.notification.id, entry.notification.kind, entry.audience),
        "audience": entry.audience,
        "seq": entry.seq,
        **notification_fields(entry.notification),
        "purge_at": DatetimeMS(place.purge_at),
    }
    if entry.silent:
        document["silent"] = True
    if first:
        document["first"] = True
    return document


def entry_from(document: Document) -> Entry:
    silent = document.get("silent", False)
    audience = intern(document["audience"])
    return Entry(audience, document["seq"], notification_from(document), silent)
