"""Jobs and rations in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import replace

import orjson

from notifier.core.models.jobs import Job, Ration
from notifier.store.sqlite.database import Database

_ADD = "INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?, ?)"

_JOB = "SELECT id, due_at, version, touches, data FROM jobs WHERE id = ?"

_DUE = """
    SELECT id, due_at, version, touches, data FROM jobs
    WHERE due_at <= ? ORDER BY due_at LIMIT ?
"""

_POSTPONE = "UPDATE jobs SET due_at = ?, version = version + 1 WHERE id = ?"

_NEXT = "SELECT min(due_at) FROM jobs"

_REPLACE = """
    UPDATE jobs SET due_at = ?, data = ?, version = version + 1 WHERE id = ? AND version = ?
"""

_TOUCH = "UPDATE jobs SET touches = touches + 1, due_at = min(due_at, ?) WHERE id = ?"

_REMOVE = "DELETE FROM jobs WHERE id = ? AND version = ? AND touches = ?"

_ASK = """
    INSERT INTO rations VALUES (:place, json_array(:asker), :purge_at)
    ON CONFLICT (place) DO UPDATE SET askers = json_insert(askers, '$[#]', :asker)
    WHERE json_array_length(askers) < :limit
      AND NOT EXISTS (SELECT 1 FROM json_each(askers) WHERE value = :asker)
"""

_PASSED = """
    SELECT 1 FROM rations WHERE place = ?
    AND EXISTS (SELECT 1 FROM json_each(askers) WHERE value = ?)
"""

_NEVER = 2**63 - 1


class SqliteJobs:
    """The ``Jobs`` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_jobs(self, jobs: Sequence[Job]) -> frozenset[str]:
        def work(connection: sqlite3.Connection) -> frozenset[str]:
            return frozenset(job.id for job in jobs if connection.execute(_ADD, _row(job)).rowcount)

        return await self._database.write(work, weight=1 + len(jobs))

    async def job(self, job_id: str) -> Job | None:
        def work(connection: sqlite3.Connection) -> Job | None:
            row = connection.execute(_JOB, (job_id,)).fetchone()
            return None if row is None else _job(row)

        return await self._database.read(work)

    async def take_jobs(self, now: int, *, until: int, limit: int) -> list[Job]:
        def work(connection: sqlite3.Connection) -> list[Job]:
            due = [_job(row) for row in connection.execute(_DUE, (now, limit)).fetchall()]
            connection.executemany(_POSTPONE, ((until, job.id) for job in due))
            return [replace(job, due_at=until, version=job.version + 1) for job in due]

        # A look costs nothing; a transaction that writes costs a disk its time.
        soonest = await self.next_job()
        if soonest is None or soonest > now:
            return []
        return await self._database.write(work, weight=1 + limit)

    async def next_job(self) -> int | None:
        def work(connection: sqlite3.Connection) -> int | None:
            due_at: int | None = connection.execute(_NEXT).fetchone()[0]
            return due_at

        return await self._database.read(work)

    async def replace_job(self, job: Job) -> Job | None:
        row = (job.due_at, orjson.dumps(job.data).decode(), job.id, job.version)
        changed = await self._database.write(
            lambda connection: connection.execute(_REPLACE, row).rowcount
        )
        return replace(job, version=job.version + 1) if changed else None

    async def touch_jobs(
        self, job_ids: Collection[str], *, due_at: int | None = None
    ) -> frozenset[str]:
        latest = _NEVER if due_at is None else due_at

        def work(connection: sqlite3.Connection) -> frozenset[str]:
            return frozenset(
                job_id
                for job_id in job_ids
                if not connection.execute(_TOUCH, (latest, job_id)).rowcount
            )

        return await self._database.write(work, weight=1 + len(job_ids))

    async def remove_job(self, job: Job) -> bool:
        row = (job.id, job.version, job.touches)
        return bool(
            await self._database.write(lambda connection: connection.execute(_REMOVE, row).rowcount)
        )

    async def ration(self, rations: Collection[Ration], asker: str) -> frozenset[str]:
        def work(connection: sqlite3.Connection) -> frozenset[str]:
            connection.executemany(_ASK, ({**r._asdict(), "asker": asker} for r in rations))
            return frozenset(
                place
                for place, _, _ in rations
                if connection.execute(_PASSED, (place, asker)).fetchone()
            )

        return await self._database.write(work, weight=1 + len(rations))


def _row(job: Job) -> tuple[object, ...]:
    return (job.id, job.due_at, job.version, job.touches, orjson.dumps(job.data).decode())


def _job(row: Sequence[object]) -> Job:
    job_id, due_at, version, touches, data = row
    return Job(job_id, due_at, orjson.loads(data), version, touches)  # type: ignore[arg-type]
