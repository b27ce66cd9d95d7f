"""The jobs of digests: one for each user and type, made and moved when preferences change.

A job is there before the preferences say so, and goes after they say otherwise: nothing is hidden
for a digest that nobody would make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from notifier.core.jobs.times import next_digest
from notifier.core.models import Preferences, View
from notifier.core.models.jobs import Job
from notifier.core.ports import Store

KIND = "digest"


class Appointments:
    """Keeps the jobs in step with what users want."""

    def __init__(self, store: Store, *, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    async def prepare(self, view: View, before: Preferences, after: Preferences) -> None:
        """To be called before the user's preferences change, whether or not they will."""
        started = after.digests.keys() - before.digests.keys()
        if started:
            positions = await self._store.heads(view.audiences)
            for type in sorted(started):
                await self._begin(view.user, type, after, positions)

    async def follow(self, user: str, before: Preferences, after: Preferences) -> None:
        """To be called after the user's preferences have changed: digests come at other times."""
        types = before.digests.keys() | after.digests.keys()
        moved = [type for type in types if timing_of(before, type) != timing_of(after, type)]
        if moved:
            ids = {_id(user, type) for type in moved}
            await self._store.touch_jobs(ids, due_at=self._clock())

    async def _begin(
        self, user: str, type: str, preferences: Preferences, positions: Mapping[str, int]
    ) -> None:
        """Start at these positions, in a job that knows which version of the preferences wants it.

        What the user had been shown before is not summed up.
        """
        now = self._clock()
        at = next_digest(preferences.digests[type], preferences, now)
        data = {
            "user": user,
            "type": type,
            "version": preferences.version,
            "timing": timing_of(preferences, type),
            "at": at,
            "since": now,
            "positions": dict(positions),
            "groups": {},
        }
        fresh = Job(_id(user, type), at, data)
        while not await self._store.add_jobs([fresh]):
            stored = await self._store.job(fresh.id)
            if stored is None:
                continue  # it went at this moment
            if stored.data["version"] == preferences.version:
                return  # another device wants the same at the same time
            if await self._store.replace_job(replace(fresh, version=stored.version)):
                return


def timing_of(preferences: Preferences, type: str) -> list[Any]:
    """What the times of a digest follow from."""
    return [preferences.digests.get(type), preferences.digest_at, preferences.time_zone]


def _id(user: str, type: str) -> str:
    return f"{KIND}/{type}/{user}"
