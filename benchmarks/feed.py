"""A feed among millions: ``make bench-feed``, some five minutes.

A real mongod is filled with 1,000,000 subscribers and 5,000,000 entries, each a document as the
store writes it. Then users drawn by lot read their feeds one after the other: own log, everyone,
two roles, three topics, with watermarks and marks.

broadcast   a notification to everyone: until it is durable, and what was written
page        the first page of a feed with its counts, 20 entries; before that the same on a node
            that has just been started (cold)
counts      unread and unseen
connect     what a connection asks the store for: the user, a replay of what was missed, the counts

Each query of a page is explained: its plan, and how much of indexes and documents it examined.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import statistics
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from pymongo import AsyncMongoClient, monitoring
from pymongo.asynchronous.database import AsyncDatabase

from benchmarks import machine
from notifier.core.feed import Feed
from notifier.core.models import EVERYONE, PUBLISH, Cursor, Principal, first_seq, now_ms
from notifier.core.ports import Store
from notifier.core.publishing import Publisher
from notifier.core.types import TypeCatalogue
from notifier.process import spare_collector
from notifier.realtime.bus import LocalBus
from notifier.realtime.hub import Hub
from notifier.resources import config_folder
from notifier.store import open_store
from tests.servers import Mongod

Document = dict[str, Any]

DATABASE = "bench"
ROLES, ROLE_ENTRIES = 20, 1_000
TOPIC_ENTRIES, USERS_PER_TOPIC = 279, 1_000
EVERYONE_ENTRIES = 1_000
ROLES_OF_USER, TOPICS_OF_USER = 2, 3
LENGTHS = ((1, 200), (10, 10), (100, 2))
"""Of a hundred users one has 200 entries of its own, nine have 10, the others 2: 4.7 on average."""

DAY = 86_400_000

WATCHED = 100
"""Operations of each kind whose commands are counted."""
GRACE = 2 * 3_600_000
CONTENTS = 1_000
"""Different texts, so that what the server compresses is not all the same."""

SERVICE = Principal("bench", is_service=True, scopes=frozenset({PUBLISH}))


class Server(Mongod):
    """With a cache of so many gigabytes instead of that of a test; None: what MongoDB takes by
    itself, half of the memory."""

    def __init__(self, folder: Path, cache: float | None) -> None:
        super().__init__(folder)
        self._cache = cache

    def command(self) -> list[str]:
        command = super().command()
        place = command.index("--wiredTigerCacheSizeGB")
        command[place : place + 2] = (
            [] if self._cache is None else ["--wiredTigerCacheSizeGB", str(self._cache)]
        )
        return command


class Commands(monitoring.CommandListener):
    """What was asked of the database, with the time that each took (in seconds)."""

    def __init__(self) -> None:
        self.asked: list[Document] = []
        self.seconds: list[float] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.database_name == DATABASE:
            self.asked.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if event.database_name == DATABASE:
            self.seconds.append(event.duration_micros / 1e6)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        if event.database_name == DATABASE:
            raise AssertionError(f"{event.command_name} failed: {event.failure}")

    def clear(self) -> None:
        self.asked.clear()
        self.seconds.clear()


# The data


class Builder:
    """Makes the server write the documents itself, from one of each kind that the store wrote."""

    def __init__(self, database: AsyncDatabase[Document], users: int, now: int) -> None:
        self._database = database
        self._users = users
        self._topics = _topics(users)
        self._now = now
        self._start = first_seq(now)

    async def entries(self) -> None:
        """All logs, from one entry."""
        template = await self._template("entries")
        logs = [
            self._log(1, 1, EVERYONE, {"$literal": EVERYONE_ENTRIES}),
            self._log(2, ROLES, _text("role:role-", "$n"), {"$literal": ROLE_ENTRIES}),
            self._log(3, self._topics, _text("topic:topic-", "$n"), {"$literal": TOPIC_ENTRIES}),
            self._log(4, self._users, _text("user:user-", "$n"), _length()),
        ]
        whole = [{"$replaceWith": {"$mergeObjects": [{"$literal": template}, "$$ROOT"]}}]
        await self._write("entries", [[*log, *whole] for log in logs])

    async def subscribers(self) -> None:
        """All users, from one who has followed topics; with watermarks and marks."""
        template = await self._template("subscribers")
        topics = [
            {"topic": _text("topic-", _mod("$n", self._topics, n)), "floor": self._start - 1}
            for n in range(TOPICS_OF_USER)
        ]
        roles = [_text("role-", _mod("$n", ROLES, n)) for n in range(ROLES_OF_USER)]
        own = {"_id": _text("user-", "$n"), "topics": topics, "roles": roles}
        whole = {"$mergeObjects": [{"$literal": template}, own]}
        await self._write("subscribers", [[*_numbers(self._users), {"$replaceWith": whole}]])
        user, log = _text("user-", "$n"), _text("user:user-", "$n")
        length, first = _length(), self._start
        middle = {"$add": [first, {"$floor": {"$divide": [length, 2]}}]}
        last = {"$add": [first, length, -1]}
        late = first + EVERYONE_ENTRIES - 20
        await self._write(
            "watermarks",
            [
                self._for_each({"user": user, "audience": log, "read": middle, "seen": last}),
                self._for_each({"user": user, "audience": EVERYONE, "read": late, "seen": late}),
            ],
        )
        kept = {"purge_at": {"$toDate": {"$literal": self._now + 90 * DAY}}}
        read = {"read": True, "dismissed": False, **kept}
        gone = {"read": None, "dismissed": True, **kept}
        await self._write(
            "marks",
            [
                self._for_each({"user": user, "audience": log, "seq": last, **read}),
                self._for_each({"user": user, "audience": EVERYONE, "seq": late + 5, **gone}),
            ],
        )

    async def _template(self, name: str) -> Document:
        """The one document that is there, without what only the first entry of a log has."""
        template = await self._database[name].find_one({}, {"first": 0})
        assert template is not None
        return template

    def _for_each(self, document: Document) -> list[Document]:
        return [*_numbers(self._users), {"$replaceWith": document}]

    def _log(self, kind: int, count: int, audience: Any, length: Any) -> list[Document]:
        """The entries of so many logs; ``$n`` is the log, ``$i`` the entry, ``$length`` of them."""
        gap = {"$divide": [60 * DAY, "$length"]}
        age = {"$multiply": [{"$subtract": ["$length", "$i"]}, gap]}
        created = {"$toLong": {"$subtract": [self._now, age]}}
        expires = {"$add": [created, 90 * DAY]}
        id = {"$concat": [f"01a20409-4a09-700{kind}-", _digits("$i", 4), "-", _digits("$n", 12)]}
        contents = [os.urandom(150).hex().encode() for _ in range(CONTENTS)]
        texts = [b'"type":"message","title":"Hello","body":"%b"}' % text for text in contents]
        return [
            *_numbers(count),
            {"$set": {"length": length}},
            {"$set": {"i": {"$range": [0, "$length"]}}},
            {"$unwind": "$i"},
            {
                "$project": {
                    "_id": {"$concat": [id, "/notification/", audience]},
                    "audience": audience,
                    "seq": {"$toLong": {"$add": [self._start, "$i"]}},
                    "notification_id": id,
                    "created_at": created,
                    "expires_at": expires,
                    "purge_at": {"$toDate": {"$add": [expires, GRACE]}},
                    "first": {"$cond": [{"$eq": ["$i", 0]}, True, "$$REMOVE"]},
                    "content": {
                        "$arrayElemAt": [
                            {"$literal": texts},
                            {"$mod": [{"$add": ["$n", {"$multiply": ["$i", 7]}]}, CONTENTS]},
                        ]
                    },
                }
            },
        ]

    async def _write(self, name: str, parts: Sequence[list[Document]]) -> None:
        first, *others = parts
        united = [{"$unionWith": {"pipeline": part}} for part in others]
        await self._database[name].drop()  # its indexes are made faster when all is there
        cursor = await self._database.aggregate([*first, *united, {"$out": name}])
        await cursor.to_list()


def _topics(users: int) -> int:
    return max(TOPICS_OF_USER, users // USERS_PER_TOPIC)


def _numbers(count: int) -> list[Document]:
    """``$n`` from 0 up to a count."""
    thousands = -(-count // 1_000)
    return [
        {"$documents": [{}]},
        {"$set": {"thousand": {"$range": [0, thousands]}}},
        {"$unwind": "$thousand"},
        {"$set": {"one": {"$range": [0, 1_000]}}},
        {"$unwind": "$one"},
        {"$project": {"n": {"$add": [{"$multiply": ["$thousand", 1_000]}, "$one"]}}},
        {"$match": {"n": {"$lt": count}}},
    ]


def _length() -> Document:
    """How many entries of its own the user ``$n`` has."""
    place = {"$mod": ["$n", 100]}
    branches = [{"case": {"$lt": [place, below]}, "then": size} for below, size in LENGTHS]
    return {"$switch": {"branches": branches, "default": 0}}


def _text(prefix: str, number: Any) -> Document:
    return {"$concat": [prefix, {"$toString": number}]}


def _mod(number: Any, count: int, offset: int) -> Document:
    return {"$toInt": {"$mod": [{"$add": [number, offset]}, count]}}


def _digits(number: Any, count: int) -> Document:
    return {"$substrBytes": [{"$toString": {"$toLong": {"$add": [10**count, number]}}}, 1, count]}


# The measurements


class Domain(NamedTuple):
    """What reads and publishes, on a store of its own."""

    feed: Feed
    publisher: Publisher

    @classmethod
    def of(cls, store: Store) -> Self:
        bus = LocalBus(Hub(store))
        types = TypeCatalogue.load(tomllib.loads((config_folder() / "types.toml").read_text()))
        publisher = Publisher(store, bus, types, retention=90 * DAY)
        return cls(Feed(store, bus, types), publisher)


Work = Callable[[Domain, Principal], Awaitable[Any]]


class Bench:
    """The measurements of a store that holds so many users."""

    def __init__(
        self,
        server: Server,
        domain: Domain,
        watched: Domain,
        commands: Commands,
        users: int,
        rounds: int,
    ) -> None:
        self._server = server
        self._domain = domain
        self._watched = watched
        self._commands = commands
        self._users = users
        self._rounds = rounds
        self._chance = random.Random(1)

    async def broadcasts(self) -> None:
        """Publish to everyone, and show what that wrote."""
        await self._publish(self._domain, self._somebody())
        await self._time("broadcast", self._publish)
        writes = Counter(
            (name, len(command.get("documents", "?")))
            for command in self._commands.asked
            if (name := next(iter(command))) in ("insert", "update", "delete", "findAndModify")
        )
        for (name, documents), count in writes.items():
            print(f"  {count / WATCHED:g} {name} of {documents} document(s) per broadcast")

    async def reads(self) -> list[Document]:
        """Read feeds; the queries of the last page."""
        await self._time("page (cold)", self._page)
        await self._warm_up()
        spare_collector()  # as a node does
        await self._time("page", self._page)
        await self._time("counts", self._counts)
        await self._time("connect", self._connect)
        self._commands.clear()
        page = await self._page(self._watched, self._somebody())
        assert len(page["items"]) == 20
        assert page["unread"] > 20
        return list(self._commands.asked)

    async def _time(self, name: str, work: Work) -> None:
        """Time some on a store that nobody watches, then count what others ask of one."""
        people = [self._somebody() for _ in range(self._rounds)]
        taken: list[float] = []
        cpu, server_cpu = time.process_time(), machine.cpu(self._server.pid)
        for somebody in people:
            started = time.perf_counter()
            await work(self._domain, somebody)
            taken.append(time.perf_counter() - started)
        cpu, server_cpu = time.process_time() - cpu, machine.cpu(self._server.pid) - server_cpu
        cuts = statistics.quantiles(taken, n=100)
        figures = " | ".join(
            f"{seconds * 1e3:.2f} ms" for seconds in (cuts[49], cuts[94], cuts[98])
        )
        self._commands.clear()
        for _ in range(WATCHED):
            await work(self._watched, self._somebody())
        each = len(self._commands.asked) / WATCHED
        used = f"{cpu / self._rounds * 1e3:.2f} ms | {server_cpu / self._rounds * 1e3:.2f} ms"
        print(f"| {name} | {figures} | {each:g} | {used} |", flush=True)

    def _somebody(self) -> Principal:
        return self._user(self._chance.randrange(self._users))

    def _user(self, number: int) -> Principal:
        roles = (f"role-{(number + n) % ROLES}" for n in range(ROLES_OF_USER))
        return Principal(f"user-{number}", roles=frozenset(roles))

    async def _publish(self, domain: Domain, _: Principal) -> None:
        body = {"to": EVERYONE, "title": "Maintenance tonight", "body": "From ten to eleven."}
        await domain.publisher.publish(body, SERVICE)

    async def _warm_up(self) -> None:
        """Let the node see every shared log, as one that has been up for a while has."""
        for number in range(0, _topics(self._users), TOPICS_OF_USER):
            for domain in (self._domain, self._watched):
                await self._page(domain, self._user(number))

    async def _page(self, domain: Domain, somebody: Principal) -> Document:
        return await domain.feed.page(somebody, {})

    async def _counts(self, domain: Domain, somebody: Principal) -> Any:
        return await domain.feed.counts(await domain.feed.visit(somebody))

    async def _connect(self, domain: Domain, somebody: Principal) -> None:
        feed = domain.feed
        visit = await feed.visit(somebody)
        heads = (await feed.replay(visit, None)).cursor
        since = Cursor({audience: seq - 1 for audience, seq in heads.items()})
        replay = await feed.replay(visit, since)
        assert replay.recovered
        assert replay.entries
        await feed.counts(visit)


# The plans


async def explain(database: AsyncDatabase[Document], commands: Sequence[Document]) -> None:
    """What the server does for each of these queries."""
    for command in commands:
        if "getMore" in command:
            print("\ngetMore")
            continue
        asked = {name: value for name, value in command.items() if name in EXPLAINED}
        name = next(iter(asked))
        plan = await database.command(
            "explain",
            {**asked, "cursor": {}} if name == "aggregate" else asked,
            verbosity="executionStats",
        )
        print(f"\n{name} {asked[name]}")
        steps = Counter(_steps(plan))
        for (path, keys, documents), times in steps.items():
            print(f"  {times} x {path}: {keys} keys, {documents} documents")


EXPLAINED = ("aggregate", "find", "pipeline", "filter", "projection", "sort", "limit")


def _steps(plan: Any) -> Iterator[tuple[str, int, int]]:
    """The winning plans in an explanation, each with the keys and documents it examined."""
    if isinstance(plan, list):
        for part in plan:
            yield from _steps(part)
    if not isinstance(plan, dict):
        return
    if "queryPlanner" in plan and "executionStats" in plan:
        winner = plan["queryPlanner"]["winningPlan"]
        stats = plan["executionStats"]
        path = " < ".join(_stages(winner.get("queryPlan", winner)))
        yield path, stats["totalKeysExamined"], stats["totalDocsExamined"]
        return
    for part in plan.values():
        yield from _steps(part)


def _stages(plan: Document) -> Iterator[str]:
    index = f" {plan['indexName']}" if "indexName" in plan else ""
    yield f"{plan['stage']}{index}"
    inner = [plan[name] for name in ("inputStage",) if name in plan] + plan.get("inputStages", [])
    for stage in inner[:1]:
        yield from _stages(stage)


async def measure(server: Server, commands: Commands, arguments: argparse.Namespace) -> None:
    """Fill the server, then measure."""
    uri = server.uri.replace("/?", f"/{DATABASE}?")
    store = await open_store(uri)
    monitoring.register(commands)  # from now on, for others: it takes a twentieth of a page's time
    watched = await open_store(uri)
    client: AsyncMongoClient[Document] = AsyncMongoClient(uri)
    try:
        await store.migrate()
        domain, other = Domain.of(store), Domain.of(watched)
        await _plant(domain)
        started = time.monotonic()
        builder = Builder(client[DATABASE], arguments.users, now_ms())
        await builder.entries()
        await builder.subscribers()
        await store.migrate()
        counts = [await client[DATABASE][name].estimated_document_count() for name in COLLECTIONS]
        sizes = ", ".join(f"{n:,} {name}" for n, name in zip(counts, COLLECTIONS, strict=True))
        print(f"{sizes}, built in {time.monotonic() - started:.0f} s")
        print("\n| | p50 | p95 | p99 | queries | CPU here | CPU of mongod |")
        print("|---" * 7 + "|")
        bench = Bench(server, domain, other, commands, arguments.users, arguments.rounds)
        asked = await bench.reads()
        await bench.broadcasts()
        await explain(client[DATABASE], asked)
        for each in (domain, other):
            await each.publisher.close()
    finally:
        await client.close()
        await watched.close()
        await store.close()


COLLECTIONS = ("subscribers", "entries", "watermarks", "marks")


async def _plant(domain: Domain) -> None:
    """One document of each kind, from which the others are made."""
    somebody = Principal("somebody", roles=frozenset({"role-0"}))
    await domain.feed.visit(somebody)
    await domain.feed.subscribe_topic(somebody, {"topic": "topic-0"})
    await domain.publisher.publish(
        {"to": "user:somebody", "title": "Hello", "type": "message"}, SERVICE
    )


async def main() -> None:
    arguments = _arguments()
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores")
    commands = Commands()
    with tempfile.TemporaryDirectory(prefix="notifier-bench-") as folder:
        server = Server(Path(folder), arguments.cache)
        await server.start()
        try:
            await measure(server, commands, arguments)
        finally:
            await server.kill()
    print(f"\nload {os.getloadavg()[0]:.1f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000, help="five entries for each")
    parser.add_argument("--rounds", type=int, default=1_000, help="of each measurement")
    parser.add_argument("--cache", type=float, help="of the database, in GB; MongoDB's own choice")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.platform == "win32":
        asyncio.run(main())
    else:
        import uvloop

        uvloop.run(main())
