"""Idempotency keys in MongoDB: who retries gets the first answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from bson.datetime_ms import DatetimeMS

from notifier.core.models import IdempotencyKey
from notifier.errors import Conflict, StoreUnavailable
from notifier.store.entries import KEY_LIFE
from notifier.store.mongo.database import Database, Document, available, duplicates
from notifier.store.mongo.documents import notification_fields, notification_from
from notifier.store.mongo.drafts import Draft, find_landed


class IdempotencyKeys:
    """A record for each key, written before any entry: it says whose notification it is.

    The record holds the whole notification, so that a retry on any node can complete what the
    first call began, and both may do so at the same time.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._records = database["idempotency_keys"]
        self._entries = database["entries"]
        self._clock = clock

    async def claim(self, drafts: Collection[Draft]) -> None:
        """Take the keys of these drafts; make those whose key is known retries of the first call.

        With another fingerprint, a draft is refused with ``Conflict``.
        """
        keyed = [draft for draft in drafts if draft.key is not None]
        if not keyed:
            return
        retries = await self._insert(keyed)
        if retries:
            await self._repeat(retries)
        for draft in keyed:
            draft.claimed = True
        if retries:
            await find_landed(self._entries, [draft for draft in retries if draft.repeated])

    async def _insert(self, keyed: Sequence[Draft]) -> list[Draft]:
        """Write the records; return the drafts whose keys have one already."""
        records = [self._record(draft) for draft in keyed]
        with available(), duplicates() as known:
            await self._records.insert_many(records, ordered=False)
        return [keyed[index] for index in known]

    async def _repeat(self, retries: Collection[Draft]) -> None:
        ids = [_id(draft.key) for draft in retries if draft.key is not None]
        with available():
            records = await self._records.find({"_id": {"$in": ids}}).to_list()
        known = {(r["_id"]["publisher"], r["_id"]["key"]): r for r in records}
        for draft in retries:
            assert draft.key is not None
            record = known.get((draft.key.publisher, draft.key.key))
            if record is None:
                draft.refusal = StoreUnavailable("The idempotency key ended at this moment.")
            elif record["fingerprint"] != draft.key.fingerprint:
                draft.refusal = Conflict("The idempotency key was used for another notification.")
            else:
                draft.repeat(notification_from(record), record.get("logs"))

    def _record(self, draft: Draft) -> Document:
        assert draft.key is not None
        assert draft.published is not None
        record = {
            "_id": _id(draft.key),
            "fingerprint": draft.key.fingerprint,
            **notification_fields(draft.published),
            "purge_at": DatetimeMS(self._clock() + KEY_LIFE),
        }
        return record | {"logs": list(draft.notifications)} if draft.fixed else record


def _id(key: IdempotencyKey) -> Document:
    return {"publisher": key.publisher, "key": key.key}
