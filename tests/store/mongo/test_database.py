"""MongoDB when it is away, silent, unprepared or half written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator

import bson.errors
import pymongo.errors
import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from notifier.core.models import View
from notifier.core.ports import Store
from notifier.errors import Conflict, StoreUnavailable
from notifier.store import open_store
from notifier.store.mongo import log
from notifier.store.mongo.database import GROUP_SECONDS, TIMEOUT, Document, available
from notifier.store.mongo.drafts import Draft
from notifier.store.mongo.idempotency import IdempotencyKeys
from tests.servers import Mongod, until
from tests.store.samples import Clock, publication

LOGS = ("everyone", "user:1", "user:2")

PROMISE = 3.0
"""Seconds within which every call ends when MongoDB does not answer."""


def classes(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for derived in root.__subclasses__():
        yield from classes(derived)


@pytest.mark.parametrize(
    "error",
    sorted(
        {
            *classes(pymongo.errors.PyMongoError),
            *classes(bson.errors.BSONError),
            OSError,
            TimeoutError,
            OverflowError,
        },
        key=lambda error: error.__name__,
    ),
)
def test_every_error_of_the_driver_is_turned_in_one_place(error: type[Exception]) -> None:
    """No class of pymongo, bson or the network gets through."""
    with pytest.raises(StoreUnavailable) as raised, available():
        raise error.__new__(error, "mongodb://user:secret@host")
    assert "secret" not in raised.value.detail


def test_waiting_for_one_group_and_being_in_the_next_keeps_the_promise() -> None:
    """It is the longest that a caller of ``append`` waits."""
    assert TIMEOUT + GROUP_SECONDS < PROMISE


async def test_the_round_trips_of_a_group_end_together(
    empty_mongo_uri: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long each may take: what comes after a slow one is not waited for as long again."""
    store = await open_store(empty_mongo_uri, clock=clock)
    await store.append(publication(clock, "everyone"))
    claim = IdempotencyKeys.claim

    async def claim_slowly(keys: IdempotencyKeys, drafts: Collection[Draft]) -> None:
        await claim(keys, drafts)
        await asyncio.sleep(0.3)

    with monkeypatch.context() as patch:
        patch.setattr(log, "GROUP_SECONDS", 0.2)
        await store.append(publication(clock, "everyone"))
        patch.setattr(IdempotencyKeys, "claim", claim_slowly)
        with pytest.raises(StoreUnavailable):
            await store.append(publication(clock, "everyone"))
    await store.append(publication(clock, "everyone"))
    await store.close()


@pytest.fixture
async def database(empty_mongo_uri: str) -> AsyncIterator[AsyncDatabase[Document]]:
    """The store's database, as an administrator or another program sees it."""
    async with AsyncMongoClient[Document](empty_mongo_uri) as client:
        yield client.get_default_database()


@pytest.fixture
async def own_store(mongod: Mongod, clock: Clock) -> AsyncIterator[Store]:
    """A store on a MongoDB of the test's own."""
    store = await open_store(f"{mongod.uri.replace('/?', '/notifier?')}", clock=clock)
    await store.migrate()
    yield store
    await store.close()


def calls(store: Store, clock: Clock) -> list[Callable[[], Awaitable[object]]]:
    """One of every kind of call that reaches the server."""
    now, view = clock(), View("me", dict.fromkeys(LOGS, 0))
    return [
        lambda: store.append(publication(clock, *LOGS)),
        lambda: store.append(publication(clock, *LOGS, key="k")),
        lambda: store.withdraw("0198c0de-0000-7000-8000-000000000000", publisher=None, now=now),
        lambda: store.heads(LOGS),
        lambda: store.after(dict.fromkeys(LOGS, 0), limit=9, now=now),
        lambda: store.page(view, {}, limit=9, now=now),
        lambda: store.subscriber("me"),
        lambda: store.welcome("me", {}),
        lambda: store.raise_watermark("me", "read", {"everyone": 1}),
        lambda: store.key("k"),
        lambda: store.ping(),
    ]


async def refuses_everything(store: Store, clock: Clock) -> None:
    """Every call, alone and behind others, ends in time with the error for a store that is away."""

    async def timed(call: Callable[[], Awaitable[object]]) -> float:
        start = asyncio.get_running_loop().time()
        with pytest.raises(StoreUnavailable):
            await call()
        return asyncio.get_running_loop().time() - start

    together = [timed(call) for _ in range(3) for call in calls(store, clock)]
    late = [timed(lambda: store.append(publication(clock, "everyone"))) for _ in range(50)]
    await asyncio.sleep(0)
    # Twice the promise, for busy machines: the driver's own patience is ten times as long.
    assert max(await asyncio.gather(*together, *late)) < 2 * PROMISE


async def works(store: Store, clock: Clock) -> bool:
    try:
        await store.append(publication(clock, "probe"))
    except StoreUnavailable:
        return False
    return True


async def test_without_a_server_every_call_is_refused_in_time(
    mongod: Mongod, own_store: Store, clock: Clock
) -> None:
    """Killed and started again: nothing was accepted meanwhile, what was accepted is there."""
    before = await own_store.append(publication(clock, *LOGS, key="before"))
    await mongod.kill()
    await refuses_everything(own_store, clock)
    await mongod.start()
    await until(lambda: works(own_store, clock), what="the store to work again")
    again = await own_store.append(publication(clock, *LOGS, key="before"))
    assert again.entries == before.entries
    assert await own_store.heads(LOGS) == {e.audience: e.seq for e in before.entries}


async def test_with_a_silent_server_every_call_is_refused_in_time(
    mongod: Mongod, own_store: Store, clock: Clock
) -> None:
    """Frozen and thawed: what it still carries out leaves no hole, and a retry no second copy."""
    before = await own_store.append(publication(clock, *LOGS))
    mongod.freeze()
    with pytest.raises(StoreUnavailable):
        await own_store.append(publication(clock, *LOGS, key="frozen"))
    await refuses_everything(own_store, clock)
    mongod.thaw()
    await until(lambda: works(own_store, clock), what="the store to work again")
    receipt = await own_store.append(publication(clock, *LOGS, key="frozen"))
    again = await own_store.append(publication(clock, *LOGS, key="frozen"))
    assert again.entries == receipt.entries
    found = await own_store.after(dict.fromkeys(LOGS, 0), limit=300, now=clock())
    for audience, first in zip(LOGS, before.entries, strict=True):
        entries = found[audience]
        assert [e.seq for e in entries] == list(range(first.seq, first.seq + len(entries)))
        assert sum(e.notification.id == receipt.notification_id for e in entries) == 1


async def test_a_store_that_was_never_reached_is_refused_in_time(
    mongod: Mongod, clock: Clock
) -> None:
    """Opening asks nothing; the first call finds nobody there."""
    await mongod.kill()
    store = await open_store(mongod.uri, clock=clock)
    await refuses_everything(store, clock)
    await store.close()


async def test_a_database_without_indexes_takes_no_entry(mongodb_uri: str, clock: Clock) -> None:
    """Order rests on them: before ``migrate``, appending and readiness say what is missing."""
    async with AsyncMongoClient[Document](mongodb_uri) as client:
        store = await open_store(mongodb_uri, clock=clock)
        for call in (lambda: store.ping(), lambda: store.append(publication(clock, "everyone"))):
            with pytest.raises(StoreUnavailable, match="notifier migrate"):
                await call()
        assert await store.heads(["everyone"]) == {"everyone": 0}
        await store.migrate()
        await store.ping()
        await store.append(publication(clock, "everyone"))
        await store.close()
        await client.drop_database(client.get_default_database())


@pytest.mark.parametrize("landed", [0, 1, 2])
async def test_a_retry_completes_what_a_crash_left_half_done(
    database: AsyncDatabase[Document], empty_mongo_uri: str, clock: Clock, landed: int
) -> None:
    """Key written, some entries or none: the same notification gets into the other logs, once."""
    node = await open_store(empty_mongo_uri, clock=clock)
    await node.append(publication(clock, *LOGS))
    first = await node.append(publication(clock, *LOGS, key="k"))
    lost = [{"audience": e.audience, "seq": e.seq} for e in first.entries[landed:]]
    await database["entries"].delete_many({"$or": lost})
    others = [await open_store(empty_mongo_uri, clock=clock) for _ in range(2)]
    clock.advance(5_000)
    with pytest.raises(Conflict):
        await others[0].append(publication(clock, *LOGS, key="k", fingerprint="other"))
    retries = [others[i % 2].append(publication(clock, *LOGS, key="k")) for i in range(6)]
    receipts = await asyncio.gather(*retries)
    assert all(receipt.repeated for receipt in receipts)
    assert {receipt.entries for receipt in receipts} == {first.entries}
    assert await database["entries"].count_documents({}) == 6
    for store in (node, *others):
        await store.close()


async def test_a_withdrawal_that_was_cut_short_is_completed(
    database: AsyncDatabase[Document], empty_mongo_uri: str, clock: Clock
) -> None:
    """One log was told, the other not: asking again tells it, and nobody twice."""
    store = await open_store(empty_mongo_uri, clock=clock)
    receipt = await store.append(publication(clock, *LOGS))
    told = await store.withdraw(receipt.notification_id, publisher=None, now=clock())
    await database["entries"].delete_one({"kind": "withdrawal", "audience": "user:2"})
    alive = {"expires_at": receipt.entries[0].notification.expires_at}
    await database["entries"].update_many({"kind": "notification"}, {"$set": alive})
    other = await open_store(empty_mongo_uri, clock=clock)
    assert await other.withdraw(receipt.notification_id, publisher=None, now=clock()) == told
    found = await other.after(dict.fromkeys(LOGS, 0), limit=9, now=clock())
    assert sorted(e for entries in found.values() for e in map(str, (x.ref for x in entries))) == (
        sorted(str(entry.ref) for entry in told)
    )
    await store.close()
    await other.close()


async def test_the_server_itself_removes_what_is_past_its_grace(
    database: AsyncDatabase[Document], empty_mongo_uri: str, clock: Clock
) -> None:
    """Entries, marks and keys go without anybody asking; what lives stays."""
    store = await open_store(empty_mongo_uri, clock=clock)
    kept = await store.append(publication(clock, "user:1", key="kept"))
    clock.advance(-40 * 86_400_000)
    gone = await store.append(publication(clock, "user:2", lifetime=1, key="gone"))
    refs = [entry.ref for receipt in (kept, gone) for entry in receipt.entries]
    await store.mark("me", refs, read=True)

    async def only_one_left() -> bool:
        counts = [
            await database[name].count_documents({})
            for name in ("entries", "marks", "idempotency_keys")
        ]
        return counts == [1, 1, 1]

    await until(only_one_left, what="the server to remove what is past its grace")
    assert (await store.append(publication(clock, "user:1", key="kept"))).entries == kept.entries
    await store.close()
