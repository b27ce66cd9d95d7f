"""Workers killed over their jobs: nothing may be lost or come twice, and every number be right.

Notifications are scheduled, cancelled, collapsed and summed up while workers, real processes, are
killed at random moments and started again. Afterwards the logs are compared with what was accepted.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from notifier.config import load_config
from notifier.core.feed import Feed
from notifier.core.models import PUBLISH, Entry, Kind, Principal, Subscriber, now_ms, rfc3339
from notifier.core.ports import Bus, Store
from notifier.core.publishing import Publisher
from notifier.core.types import TypeCatalogue
from notifier.errors import StoreUnavailable
from notifier.store import open_store
from tests.chaos.run import Say
from tests.servers import WorkerProcess, until

WORKERS = 2

USERS = 8

POSTS = 3
"""Groups of each user."""

LONGEST_WAIT = 2.0
"""Seconds that a delivery is scheduled ahead at most."""

LONGEST_LIFE = 1.5
"""Seconds that a worker runs at most before it is killed."""

PAUSE = 0.01
"""Seconds between two notifications of one publisher."""

ON_DIGEST = {"digests": {"comment": "hourly"}}

PATIENCE = 120.0
"""Seconds until all jobs must be done, once workers are left alone."""

TYPES = """
[info]
label = "Information"
[like]
label = "Likes"
collapse = { window = 1, title = "{senders} liked your post" }
[comment]
label = "Comments"
"""


class Silence(Bus):
    """Nobody listens: the logs are what is looked at."""

    def announce(self, entries: Sequence[Entry]) -> None:
        return

    def tell(self, user: str, event: str, data: Any, *, skip: str | None = None) -> None:
        return


@dataclass
class Accepted:
    """What was answered with an id, and what is to become of it."""

    scheduled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    likes: Counter[tuple[str, str]] = field(default_factory=Counter)
    comments: Counter[str] = field(default_factory=Counter)


async def play(store_url: str, kills: int, seed: int, folder: Path, say: Say) -> list[str]:
    """Kill workers so many times under load; return what is wrong afterwards."""
    types = TypeCatalogue.load(_catalogue(folder))
    accepted, chance = Accepted(), Random(f"{seed}/jobs")
    async with AsyncExitStack() as stack:
        store = await open_store(store_url)
        stack.push_async_callback(store.close)
        await store.migrate()
        env = {
            "NOTIFIER_ENV": "test",
            "NOTIFIER_STORE": store_url,
            "NOTIFIER_TYPES_FILE": str(_types_file(folder)),
            "NOTIFIER_JOBS__LEASE_SECONDS": "1",
        }
        workers = [WorkerProcess(folder / f"worker-{n}", env) for n in range(WORKERS)]
        for worker in workers:
            stack.push_async_callback(_end, worker)
        await asyncio.gather(*(worker.start() for worker in workers))
        feed = Feed(store, Silence(), types)
        for user in _users():
            await _until_taken(partial(feed.set_preferences, user, ON_DIGEST))
        publisher = Publisher(store, Silence(), types, retention=86_400_000)
        async with _load(store, publisher, accepted, seed):
            for number in range(kills):
                await asyncio.sleep(chance.uniform(0, LONGEST_LIFE))
                worker = chance.choice(workers)
                await worker.kill()
                await worker.start()
                if (number + 1) % 20 == 0:
                    say(f"killed {number + 1} times")
        await _settle(store)
        say(
            f"{len(accepted.scheduled)} scheduled, {len(accepted.cancelled)} cancelled, "
            f"{accepted.likes.total()} collapsed, {accepted.comments.total()} summed up"
        )
        return [
            *await wrong_schedules(store, accepted),
            *await wrong_groups(store, accepted.likes),
            *await wrong_digests(store, accepted.comments),
        ]


async def _end(worker: WorkerProcess) -> None:
    if worker.is_running:
        await worker.kill()


# Load


@asynccontextmanager
async def _load(
    store: Store, publisher: Publisher, accepted: Accepted, seed: int
) -> AsyncIterator[None]:
    """Publishers at work until the end of the block, and somebody who moves the hour."""
    enough = asyncio.Event()
    kinds = (_schedule, _like, _comment)
    async with asyncio.TaskGroup() as group:
        for number, kind in enumerate(kinds):
            chance = Random(f"{seed}/publisher {number}")
            group.create_task(_publish(kind, publisher, accepted, chance, enough))
        group.create_task(_hurry_digests(store, Random(f"{seed}/hours"), enough))
        yield
        enough.set()


async def _publish(
    kind: Any, publisher: Publisher, accepted: Accepted, chance: Random, enough: asyncio.Event
) -> None:
    number = 0
    while not enough.is_set():
        number += 1
        await kind(publisher, accepted, chance, number)
        await asyncio.sleep(PAUSE)


async def _schedule(publisher: Publisher, accepted: Accepted, chance: Random, number: int) -> None:
    to = tuple(chance.sample([f"user:{user.id}" for user in _users()], 2))
    at = now_ms() + int(chance.uniform(0, LONGEST_WAIT) * 1000)
    body = {"to": list(to), "title": "x", "deliver_at": rfc3339(at)}
    receipt = await _send(publisher, body, f"s{number}", chance)
    accepted.scheduled[receipt.notification_id] = to
    if chance.random() < 0.3:
        await asyncio.sleep(chance.uniform(0, LONGEST_WAIT))
        await _until_taken(partial(publisher.withdraw, receipt.notification_id, SENDER))
        accepted.cancelled.add(receipt.notification_id)


async def _like(publisher: Publisher, accepted: Accepted, chance: Random, number: int) -> None:
    user, post = f"user:{chance.choice(_users()).id}", str(chance.randrange(POSTS))
    sender = {"id": str(number % 7), "name": f"U{number % 7}"}
    body = {"to": user, "title": "x", "type": "like", "collapse_key": post, "sender": sender}
    await _send(publisher, body, f"l{number}", chance)
    accepted.likes[user, post] += 1


async def _comment(publisher: Publisher, accepted: Accepted, chance: Random, number: int) -> None:
    user = f"user:{chance.choice(_users()).id}"
    await _send(publisher, {"to": user, "title": "x", "type": "comment"}, f"c{number}", chance)
    accepted.comments[user] += 1


async def _send(publisher: Publisher, body: dict[str, Any], key: str, chance: Random) -> Any:
    """Send until it is taken; now and then once more, as impatient publishers do."""
    for _ in range(1 + (chance.random() < 0.2)):
        receipt = await _until_taken(partial(publisher.publish, body, SENDER, idempotency_key=key))
    return receipt


async def _until_taken(call: Any) -> Any:
    while True:
        try:
            return await call()
        except StoreUnavailable:
            await asyncio.sleep(0.1)


async def _hurry_digests(store: Store, chance: Random, enough: asyncio.Event) -> None:
    """An hour passes in the jobs of digests whenever this says so."""
    while not enough.is_set():
        await asyncio.sleep(chance.uniform(0, 0.5))
        for user in _users():
            await _until_taken(partial(_hurry, store, user.id))


async def _hurry(store: Store, user: str) -> bool:
    """Let a user's digest be due now. True if it was not being made at this moment."""
    job = await store.job(f"digest/comment/{user}")
    assert job is not None, "a digest is wanted, and there is no job"
    if "plan" in job.data:
        return False
    due = replace(job, due_at=now_ms(), data={**job.data, "at": now_ms()})
    return await store.replace_job(due) is not None


async def _settle(store: Store) -> None:
    """Wait until everything is done that can be: two more digests for everybody, no group left."""
    for _ in range(2):
        for user in _users():
            await until(partial(_until_taken, partial(_hurry, store, user.id)), what="a digest")
        await until(partial(_is_idle, store), what="all jobs to be done", patience=PATIENCE)


async def _is_idle(store: Store) -> bool:
    """Whether nothing is due within a minute."""
    due_at = await store.next_job()
    return due_at is None or due_at > now_ms() + 60_000


# What must hold


async def wrong_schedules(store: Store, accepted: Accepted) -> list[str]:
    """Delivered to each of its logs once, at its time; what was cancelled is nowhere."""
    placed = Counter(
        (entry.notification.id, entry.audience)
        for entry in await _entries(store)
        if entry.notification.type == "info"
    )
    due = {
        (notification_id, audience)
        for notification_id, to in accepted.scheduled.items()
        if notification_id not in accepted.cancelled
        for audience in to
    }
    lost = [f"lost: {place}" for place in due - placed.keys()]
    strange = [f"came all the same: {place}" for place in placed.keys() - due]
    twice = [f"came {count} times: {place}" for place, count in placed.items() if count > 1]
    return [*lost, *strange, *twice]


async def wrong_groups(store: Store, likes: Mapping[tuple[str, str], int]) -> list[str]:
    """What is shown of a post stands for as many as were accepted."""
    shown: Counter[tuple[str, str]] = Counter()
    for entry in await _entries(store):
        if entry.notification.type == "like":
            content = entry.notification.fields
            shown[entry.audience, content["collapse_key"]] += content.get("count", 1)
    return [
        f"{likes[group]} likes of {group}, {shown[group]} shown"
        for group in likes.keys() | shown.keys()
        if likes[group] != shown[group]
    ]


async def wrong_digests(store: Store, comments: Mapping[str, int]) -> list[str]:
    """The digests of a user add up to what came, and all of that is put away."""
    summed: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for user in _users():
        log = f"user:{user.id}"
        subscriber = await store.subscriber(user.id) or Subscriber(user.id)
        for entry in await _entries(store, log):
            if entry.notification.kind is Kind.DIGEST:
                summed[log] += entry.notification.fields["count"]
            elif entry.notification.type == "comment":
                left[log] += not subscriber.state(entry.ref).dismissed
    return [
        *(
            f"{comments[u]} comments for {u}, {summed[u]} summed up"
            for u in comments | summed
            if comments[u] != summed[u]
        ),
        *(f"{count} comments for {user} would come back" for user, count in left.items() if count),
    ]


async def _entries(store: Store, *logs: str) -> list[Entry]:
    """All living notifications of the users' logs."""
    found: list[Entry] = []
    for log in logs or [f"user:{user.id}" for user in _users()]:
        position = 0
        while page := (await store.after({log: position}, limit=500, now=now_ms())).get(log):
            found += [e for e in page if e.notification.kind is not Kind.WITHDRAWAL]
            position = page[-1].seq
    return found


def _users() -> list[Principal]:
    return [Principal(f"u{number}") for number in range(USERS)]


SENDER = Principal("shop", is_service=True, scopes=frozenset({PUBLISH}))


def _types_file(folder: Path) -> Path:
    return folder / "types.toml"


def _catalogue(folder: Path) -> Mapping[str, Any]:
    """The types of this test, as the workers read them."""
    _types_file(folder).write_text(TYPES)
    settings = {"NOTIFIER_ENV": "test", "NOTIFIER_TYPES_FILE": str(_types_file(folder))}
    return load_config({**settings, "HOME": os.environ.get("HOME", "")}).catalogue
