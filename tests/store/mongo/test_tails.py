"""What a node remembers of shared logs: never out of date, never too much, and worth it."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from typing import Any

import bson
import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from notifier.core.feed import Feed
from notifier.core.models import Ends, Entry, Principal, Tail
from notifier.core.ports import Store
from notifier.core.publishing import Publisher
from notifier.store.entries import Head
from notifier.store.mongo import tails
from notifier.store.mongo.database import Document
from notifier.store.mongo.documents import entry_document, entry_from
from notifier.store.mongo.ends import LOADED, EndReader
from notifier.store.mongo.tails import KEPT, MEMORY, End, Tails
from tests.core.domain import RETENTION, SERVICE, TYPES, Recorder
from tests.store.conftest import OpenNode
from tests.store.samples import DAY, HOUR, Clock, publication, view

LOG = "everyone"


@pytest.fixture
def store_uri(empty_mongo_uri: str) -> str:
    """These are about MongoDB alone."""
    return empty_mongo_uri


@pytest.fixture
async def database(empty_mongo_uri: str) -> AsyncIterator[AsyncDatabase[Document]]:
    """The store's database, as an administrator sees it."""
    async with AsyncMongoClient[Document](empty_mongo_uri) as client:
        yield client.get_default_database()


@pytest.fixture
async def node(open_node: OpenNode) -> Store:
    """The node whose memory is looked at."""
    return await open_node()


@pytest.fixture
async def other(open_node: OpenNode) -> Store:
    """Another node, which nobody asks about ends."""
    return await open_node()


async def publish(store: Store, clock: Clock, *logs: str, count: int = 1) -> list[Entry]:
    return [
        entry
        for _ in range(count)
        for entry in (await store.append(publication(clock, *(logs or (LOG,))))).entries
    ]


def known(ends: Ends, audience: str = LOG) -> list[int]:
    """The numbers that are known of a log, newest first."""
    return [entry.seq for entry in ends.tails[audience].entries]


def numbers(entries: Sequence[Entry]) -> list[int]:
    return [entry.seq for entry in reversed(entries)]


# Never out of date


async def test_what_comes_from_another_node_is_known_at_once(
    node: Store, other: Store, clock: Clock
) -> None:
    """However often, and however much it is."""
    sent: list[Entry] = []
    for count in (1, 2, KEPT - 1, KEPT, KEPT + 1, 3 * KEPT, 1):
        sent += await publish(other, clock, count=count)
        ends = await node.ends([LOG])
        assert ends.heads == {LOG: sent[-1].seq}
        assert known(ends) == numbers(sent)[:KEPT]
        assert ends.reach(LOG, sent[-1].seq - KEPT)
        assert ends.reach(LOG, 0) == (len(sent) < KEPT)


async def test_an_emptied_log_is_known_to_be_empty(
    node: Store,
    other: Store,
    open_node: OpenNode,
    clock: Clock,
    database: AsyncDatabase[Document],
) -> None:
    """And what then stands in it is read, also under the numbers of what was remembered."""
    before = await publish(other, clock, count=3)
    assert known(await node.ends([LOG])) == numbers(before)
    await database["entries"].delete_many({})
    assert await node.ends([LOG]) == Ends({LOG: 0}, {LOG: Tail((), 0)})
    after = await publish(await open_node(), clock, count=3)
    assert numbers(after) == numbers(before)
    assert await node.ends([LOG]) == Ends({LOG: after[-1].seq})
    assert list((await node.ends([LOG])).tails[LOG].entries) == after[::-1]


async def test_a_log_that_was_lost_and_goes_on_is_read_anew(
    node: Store,
    other: Store,
    open_node: OpenNode,
    clock: Clock,
    database: AsyncDatabase[Document],
) -> None:
    """Nothing of what it held before is shown, though its numbers lie further behind."""
    await publish(other, clock, count=3)
    await node.ends([LOG])
    await database["entries"].delete_many({})
    after = await publish(await open_node(), clock, count=5)
    assert await node.ends([LOG]) == Ends({LOG: after[-1].seq})
    assert list((await node.ends([LOG])).tails[LOG].entries) == after[::-1]


async def test_a_log_that_starts_anew_is_known_from_its_start(
    node: Store, other: Store, clock: Clock
) -> None:
    """When everything in it has expired and gone, numbers begin further up."""
    await other.append(publication(clock, LOG, lifetime=HOUR))
    await node.ends([LOG])
    clock.advance(DAY)
    await other.purge(clock())
    sent = await publish(other, clock, count=2)
    await node.ends([LOG])
    ends = await node.ends([LOG])
    assert known(ends) == numbers(sent)
    assert ends.reach(LOG, 0)


async def test_what_an_older_server_tells_is_of_no_use(
    node: Store,
    other: Store,
    clock: Clock,
    database: AsyncDatabase[Document],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tail that ends in front of the head is not used, else what lies between would be lost."""
    first, last = await publish(other, clock, count=2)
    load = EndReader._load

    async def load_from_behind(reader: EndReader, heads: Any) -> Any:
        await database["entries"].delete_one({"seq": last.seq})
        return await load(reader, heads)

    monkeypatch.setattr(EndReader, "_load", load_from_behind)
    assert await node.ends([LOG]) == Ends({LOG: last.seq})
    monkeypatch.undo()
    assert known(await node.ends([LOG])) == [first.seq]


async def test_what_was_withdrawn_or_replaced_goes_wherever_it_stood(
    node: Store, other: Store, clock: Clock
) -> None:
    """The other node takes back some of what this one remembers, and some that it never saw."""
    sent = await publish(other, clock, LOG, "topic:news", count=6)
    logs = [LOG, "topic:news"]
    await node.ends(logs)
    seen = [*sent, *await publish(other, clock, LOG, "topic:news", count=2)]
    for entry in (seen[2], seen[-1]):
        await other.withdraw(entry.notification.id, publisher=None, now=clock())
    left = {seen[2].notification.id, seen[-1].notification.id}
    ends = await node.ends(logs)
    for log in logs:
        expected = [e for e in seen if e.audience == log and e.notification.id not in left]
        assert known(ends, log) == numbers(expected)


async def test_nothing_is_stale_beside_writers_that_never_stop(
    node: Store, other: Store, clock: Clock
) -> None:
    """What a writer was told is seen by whoever asks afterwards, by all who ask at once."""
    me, ending = view("me", LOG), False

    async def look() -> set[str]:
        page = (await node.ends([LOG])).page(me, {}, limit=KEPT, now=clock())[LOG]
        places = [entry.seq for entry in page]
        assert places == sorted(set(places), reverse=True)
        return {entry.notification.id for entry in page}

    async def write() -> None:
        while not ending:
            [entry] = await publish(other, clock)
            answers = await asyncio.gather(look(), look(), look())
            assert all(entry.notification.id in answer for answer in answers)
            await other.withdraw(entry.notification.id, publisher=None, now=clock())
            assert entry.notification.id not in await look()

    async def end() -> None:
        nonlocal ending
        for _ in range(20):
            await publish(other, clock)
        ending = True

    await asyncio.gather(end(), write(), write(), write())


# Never too much


def tail_entries(clock: Clock, audience: str, count: int, size: int) -> list[Entry]:
    """Entries as they are read, newest first."""
    documents = []
    for seq in range(count, 0, -1):
        sent = publication(clock, audience, title="x" * size)
        entry = Entry(audience, seq, sent.notification)
        document = entry_document(entry, Head(seq, 0), first=False)
        del document["_id"], document["purge_at"]
        documents.append(bson.encode(document))
    return [entry_from(bson.decode(document)) for document in documents]


def test_memory_is_bounded_and_what_was_asked_for_last_stays(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log that was not asked for longest goes first."""
    monkeypatch.setattr(tails, "MEMORY", 100_000)
    memory = Tails()
    ends = {}
    for number in range(40):
        log = f"topic:{number}"
        found = tail_entries(clock, log, 10, 300)
        memory.take(log, found, 0)
        ends[log] = End.of(found[0])
        assert memory.size <= 100_000
        assert "topic:0" in memory.at({"topic:0": ends["topic:0"]})
    left = memory.at(ends)
    assert 5 < len(left) < 15
    assert list(left) == ["topic:0", *list(ends)[1 - len(left) :]]


@pytest.mark.parametrize("size", [0, 400, 5_000])
def test_memory_is_counted_as_it_is(clock: Clock, size: int) -> None:
    """Within a sixth, whatever entries hold: a bound that is not true is none."""
    tracemalloc.start()
    memory = Tails()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(40):
        log = f"topic:{number}"
        memory.take(log, tail_entries(clock, log, KEPT, size), 0)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used * 5 / 6 < memory.size < used * 7 / 6
    assert memory.size < MEMORY


async def test_many_unknown_logs_are_learnt_bit_by_bit(
    node: Store, other: Store, clock: Clock
) -> None:
    """One who comes after a restart is not kept waiting for all of them."""
    logs = [f"topic:{number}" for number in range(LOADED + 5)]
    await publish(other, clock, *logs)
    assert len((await node.ends(logs)).tails) == LOADED
    assert len((await node.ends(logs)).tails) == len(logs)


# Worth it


async def test_a_known_page_takes_two_commands(
    node: Store, other: Store, clock: Clock, database: AsyncDatabase[Document]
) -> None:
    """The user with all marks, and where the logs end; one more if a log has grown."""
    feed = Feed(node, Recorder(), TYPES, clock=clock)
    publisher = Publisher(other, Recorder(), TYPES, retention=RETENTION, clock=clock)
    ada = Principal("ada", roles=frozenset({"admin"}))
    await feed.visit(ada)
    await feed.subscribe_topic(ada, {"topic": "news"})
    logs = ["everyone", "user:ada", "role:admin", "topic:news"]
    for number in range(4 * (KEPT - 4)):
        await publisher.publish({"to": logs[number % 4], "title": str(number)}, SERVICE)
    await feed.page(ada, {})
    assert await asked(database, feed, ada) == ["subscribers", "entries"]
    await publisher.publish({"to": ["everyone", "topic:news"], "title": "new"}, SERVICE)
    assert await asked(database, feed, ada) == ["subscribers", "entries", "entries"]
    await publisher.publish({"to": "user:ada", "title": "new"}, SERVICE)
    assert await asked(database, feed, ada) == ["subscribers", "entries"]
    await publisher.close()


async def asked(database: AsyncDatabase[Document], feed: Feed, user: Principal) -> list[str]:
    """The collections that a page asks, each with a majority read."""
    await database.command({"profile": 2})
    page = await feed.page(user, {})
    await database.command({"profile": 0})
    assert (len(page["items"]), page["unread"]) == (20, 100)
    operations = await database["system.profile"].find({"appName": "notifier"}).to_list()
    await database.drop_collection("system.profile")
    commands = [operation["command"] for operation in operations]
    assert all(command["readConcern"]["level"] == "majority" for command in commands)
    return [command["aggregate"] for command in commands]
