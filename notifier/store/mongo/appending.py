"""Appending to logs in MongoDB: groups, idempotency keys, and never a hole.

The proof that entry n+1 of a log is never visible before entry n, and that every reader of a
majority sees each log grow at its end only. Everything is numbered behind a head h, of which is
known (``heads.py``) that a majority has it and that it stays.

1. One log, one command. A log's entries of one round are sent in *one* insert command, either
   several in an ordered command of their own, or a single one in the unordered command that logs
   share. The server inserts an ordered command from front to back and stops at the first that it
   rejects. Hence what lands of a round in a log is always a front part of it: h+1 ... h+k without a
   gap, in the order in which the callers came.
2. A rejected one leaves no hole. If its number was taken (index ``place`` or ``first``), another
   entry stands there. If the notification is in that log already (``_id``), its number stays free,
   but nothing of this round stands behind it, by 1; the next round begins at that number or above.
3. Order of visibility. On one primary the entries of a command are visible in the order in which
   they were inserted, and a majority always has a front part of what the primary did. Across
   rounds and writers, n+1 is only ever sent by somebody who knows that n is on a majority: from
   the acknowledgement of the own insert or from a majority read. So it does not matter when a
   command is carried out, on which primary, how often the driver sends it, or whether this
   process ever hears of it.
4. Two writers cannot both get n: ``place`` is unique. In an empty log they begin at the hour, which
   may differ between them: ``first`` is unique in a log as long as its first entry exists, and that
   one is the first to be removed (``store/entries.py``).
5. A writer with an old head cannot write behind a log that was emptied and started anew above: its
   head would have to be gone, but it stays for longer than a write can be delayed.

Entries of different logs have no order, and a publication to several logs may be there in part
when the server fails. Its caller is told ``StoreUnavailable``; a retry with the same
idempotency key completes it: the key's record holds the notification, and ``_id`` keeps out what
is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from notifier.core.models import Entry
from notifier.errors import StoreUnavailable
from notifier.store.entries import Head, stays_until
from notifier.store.mongo.database import Database, available, duplicates
from notifier.store.mongo.documents import entry_document
from notifier.store.mongo.drafts import Draft, find_landed
from notifier.store.mongo.heads import Heads

OWN_COMMANDS = 8
"""Logs that may send several entries in a round; the others send their first and wait."""

SHARED_DOCUMENTS = 1_000
"""Logs in the shared command: some 50 ms of the server's time. The others wait for a round."""

MAX_ROUNDS = 100
"""Then the group is given up. A round is lost only to writers who won it, so something is wrong."""

Run = dict[str, list[Draft]]
"""What is to be appended to one log, in order: ``_id`` of the entry -> the drafts that want it.

Several do when a call and its retries are in one group.
"""


class _Step(NamedTuple):
    """One entry in one round."""

    drafts: Sequence[Draft]
    entry: Entry
    place: Head
    first: bool


class _Command(NamedTuple):
    steps: Sequence[_Step]
    ordered: bool


class Appender:
    """Writes groups of drafts, one group at a time."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._entries = database["entries"]
        self._heads = Heads(self._entries, clock)
        self._clock = clock

    async def append(self, drafts: Sequence[Draft]) -> None:
        """Make everything that is missing durable.

        Raises ``StoreUnavailable``; some may have landed, as each draft tells.
        """
        for _ in range(MAX_ROUNDS):
            runs = _missing(drafts)
            if not runs:
                return
            await self._round(runs)
        raise StoreUnavailable("Too many writers at once.")

    async def _round(self, runs: Mapping[str, Run]) -> None:
        """Point 1 of the proof: a log is in one command, and alone if it sends several entries."""
        longest = sorted(runs, key=lambda audience: len(runs[audience]), reverse=True)
        own = [audience for audience in longest[:OWN_COMMANDS] if len(runs[audience]) > 1]
        shared = longest[len(own) :][:SHARED_DOCUMENTS]
        heads = await self._heads.before([*own, *shared])
        steps = {a: self._steps(a, runs[a], heads.get(a)) for a in (*own, *shared)}
        commands = [_Command(list(steps[audience]), ordered=True) for audience in own]
        if shared:
            commands.append(_Command([next(steps[audience]) for audience in shared], ordered=False))
        results = await asyncio.gather(*map(self._send, commands), return_exceptions=True)
        for failure in results:
            if failure is not None:
                raise failure

    def _steps(self, audience: str, run: Run, head: Head | None) -> Iterator[_Step]:
        now = self._clock()
        for drafts in run.values():
            notification = drafts[0].notifications[audience]
            stays = stays_until(notification, keyed=drafts[0].key is not None)
            place = Head.behind(head, stays_until=stays, now=now)
            silent = audience in drafts[0].silent
            entry = Entry(audience, place.seq, notification, silent)
            yield _Step(drafts, entry, place, first=head is None)
            head = place

    async def _send(self, command: _Command) -> None:
        rejected = await self._insert(command)
        tried = len(command.steps)
        if command.ordered and rejected:
            tried = min(rejected) + 1
        for index, step in enumerate(command.steps[:tried]):
            if index not in rejected:
                for draft in step.drafts:
                    draft.landed[step.entry.audience] = step.entry
                self._heads.learn(step.entry.audience, step.place)
            elif rejected[index] != "_id":
                self._heads.distrust(step.entry.audience)
        if "_id" in rejected.values():
            # Somebody is writing the same elsewhere, and is likely to have written more of it.
            await find_landed(self._entries, [d for step in command.steps for d in step.drafts])

    async def _insert(self, command: _Command) -> dict[int, str]:
        documents = [
            entry_document(step.entry, step.place, first=step.first) for step in command.steps
        ]
        with available(), duplicates() as rejected:
            await self._entries.insert_many(documents, ordered=command.ordered)
        return rejected


def _missing(drafts: Sequence[Draft]) -> dict[str, Run]:
    runs: dict[str, Run] = {}
    for draft in drafts:
        for audience, entry in draft.missing.items():
            runs.setdefault(audience, {}).setdefault(entry, []).append(draft)
    return runs
