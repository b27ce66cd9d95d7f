"""Jobs and rations in MongoDB."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import orjson
from bson.datetime_ms import DatetimeMS
from pymongo import ReturnDocument, UpdateOne

from notifier.core.models.jobs import Job, Ration
from notifier.store.grouping import Grouping
from notifier.store.mongo.database import TIMEOUT, Database, Document, available, duplicates

TOGETHER = 1_000
"""Jobs or rations written by one command: some 50 ms of the server's time."""


class _Asked(NamedTuple):
    """One caller's rations."""

    rations: Sequence[Ration]
    asker: str


class MongoJobs:
    """The ``Jobs`` port."""

    def __init__(self, database: Database) -> None:
        self._jobs = database["jobs"]
        self._rations = database["rations"]
        self._asked: Grouping[_Asked, frozenset[str]] = Grouping(
            self._ask_together,
            weigh=lambda asked: len(asked.rations),
            limit=TOGETHER,
            patience=TIMEOUT,
        )

    async def add_jobs(self, jobs: Sequence[Job]) -> frozenset[str]:
        added: set[str] = set()
        for start in range(0, len(jobs), TOGETHER):
            chunk = jobs[start : start + TOGETHER]
            with available(), duplicates() as there:
                await self._jobs.insert_many(map(_document, chunk), ordered=False)
            added.update(job.id for index, job in enumerate(chunk) if index not in there)
        return frozenset(added)

    async def job(self, job_id: str) -> Job | None:
        with available():
            found = await self._jobs.find_one({"_id": job_id})
        return None if found is None else _job(found)

    async def take_jobs(self, now: int, *, until: int, limit: int) -> list[Job]:
        due = {"due_at": {"$lte": now}}
        with available():
            found = await self._jobs.find(due).sort("due_at").limit(limit).to_list()
            taken = await asyncio.gather(*(self._take(row, until) for row in found))
        return [job for job in taken if job is not None]

    async def _take(self, row: Document, until: int) -> Job | None:
        """None if another runner was faster."""
        taken = await self._jobs.find_one_and_update(
            {"_id": row["_id"], "version": row["version"]},
            {"$set": {"due_at": until}, "$inc": {"version": 1}},
            return_document=ReturnDocument.AFTER,
        )
        return None if taken is None else _job(taken)

    async def next_job(self) -> int | None:
        with available():
            row = await self._jobs.find_one({}, {"due_at": 1}, sort=[("due_at", 1)])
        return None if row is None else row["due_at"]

    async def replace_job(self, job: Job) -> Job | None:
        change = {"due_at": job.due_at, "data": orjson.dumps(job.data).decode()}
        with available():
            replaced = await self._jobs.update_one(
                {"_id": job.id, "version": job.version}, {"$set": change, "$inc": {"version": 1}}
            )
        return replace(job, version=job.version + 1) if replaced.matched_count else None

    async def touch_jobs(
        self, job_ids: Collection[str], *, due_at: int | None = None
    ) -> frozenset[str]:
        change: Document = {"$inc": {"touches": 1}}
        if due_at is not None:
            change["$min"] = {"due_at": due_at}
        wanted, missing = list(job_ids), set[str]()
        for start in range(0, len(wanted), TOGETHER):
            chunk = wanted[start : start + TOGETHER]
            with available():
                touched = await self._jobs.update_many({"_id": {"$in": chunk}}, change)
            if touched.matched_count < len(chunk):
                missing |= await self._missing(chunk)
        return frozenset(missing)

    async def _missing(self, job_ids: Collection[str]) -> set[str]:
        """One that was added since the touch is not missing: whoever runs it looks after it."""
        with available():
            rows = await self._jobs.find({"_id": {"$in": job_ids}}, {"_id": 1}).to_list()
        return set(job_ids) - {row["_id"] for row in rows}

    async def remove_job(self, job: Job) -> bool:
        with available():
            removed = await self._jobs.delete_one(
                {"_id": job.id, "version": job.version, "touches": job.touches}
            )
        return removed.deleted_count > 0

    async def ration(self, rations: Collection[Ration], asker: str) -> frozenset[str]:
        passed: frozenset[str] = frozenset()
        wanted = list(rations)
        for start in range(0, len(wanted), TOGETHER):
            chunk = wanted[start : start + TOGETHER]
            passed |= await self._asked.submit(_Asked(chunk, asker))
        return passed

    async def _ask_together(self, group: Sequence[_Asked]) -> list[frozenset[str]]:
        """Two commands for many callers, in the order in which they came."""
        asks = [_ask(ration, asked.asker) for asked in group for ration in asked.rations]
        places = {ration.place for asked in group for ration in asked.rations}
        with available():
            await self._rations.bulk_write(asks, ordered=False)
            rows = await self._rations.find({"_id": {"$in": list(places)}}).to_list()
        passed = {(row["_id"], asker) for row in rows for asker in row["askers"]}
        return [
            frozenset(r.place for r in asked.rations if (r.place, asked.asker) in passed)
            for asked in group
        ]


def _ask(ration: Ration, asker: str) -> UpdateOne:
    """Write the asker down, unless that has been done or the list is full."""
    askers = {"$ifNull": ["$askers", []]}
    full = {"$or": [{"$in": [asker, askers]}, {"$gte": [{"$size": askers}, ration.limit]}]}
    listed = {"$cond": [full, askers, {"$concatArrays": [askers, [asker]]}]}
    change = {"askers": listed, "purge_at": {"$literal": DatetimeMS(ration.purge_at)}}
    return UpdateOne({"_id": ration.place}, [{"$set": change}], upsert=True)


def _document(job: Job) -> Document:
    return {
        "_id": job.id,
        "due_at": job.due_at,
        "version": job.version,
        "touches": job.touches,
        "data": orjson.dumps(job.data).decode(),
    }


def _job(row: Document) -> Job:
    return Job(row["_id"], row["due_at"], orjson.loads(row["data"]), row["version"], row["touches"])
