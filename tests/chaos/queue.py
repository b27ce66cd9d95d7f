"""A flood in the queue: urgent notifications pass it, and it is drained while nodes are killed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Self

from notifier import Publisher
from notifier.queue.desk import Desk
from notifier.queue.names import QueueNames
from notifier.redis.client import connect
from tests.chaos.cluster import Cluster
from tests.chaos.crowd import Crowd, wait_for
from tests.chaos.evidence import Attempt, Evidence, Outcome, Place
from tests.chaos.oracle import Violation, percentile
from tests.chaos.plan import Message, Plan
from tests.chaos.run import Result, Say, open_http
from tests.servers import NotifierProcess, until

WATCHERS = 20
"""Users with open pages, and as many logs in a hundred of the flood."""

LOGS = 200
"""Users that the flood is for."""

URGENT = 100
"""Critical notifications that are timed while the flood stands in front of them."""

URGENT_PAUSE = 0.02

URGENT_SECONDS = 1.0
"""99 of 100 of them must be shown so soon."""

GROWTH_MB = 100
"""What a node may grow by, however much goes through it."""

LONGEST_LIFE = 4.0
"""Seconds that nodes work at most before one is killed."""

CHUNK = 5_000
"""Notifications that are handed over by one call."""


@dataclass(frozen=True, slots=True)
class Options:
    """How many notifications, how often a node is killed, the end come what may, the seed.

    ``urgent_seconds``: how soon 99 of 100 urgent ones must be shown; None: before the flood is.
    """

    messages: int
    kills: int
    seconds: float
    seed: int
    urgent_seconds: float | None = URGENT_SECONDS


async def queue(options: Options, folder: Path, say: Say) -> Result:
    """Hand over so many; nothing is left running, whatever happens."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        cluster = Cluster(folder, nodes=2, direct=True)
        stack.push_async_callback(cluster.stop)
        await cluster.start()
        flood = await stack.enter_async_context(Flood.of(options, cluster, say))
        stuck = None
        try:
            async with asyncio.timeout(options.seconds):
                await flood.play()
        except TimeoutError:
            stuck = f"not at its end after {options.seconds:.0f} s"
        logs = await cluster.logs()
        broken = list(flood.judge(logs))
        return Result(flood.evidence(logs), time.monotonic() - began, stuck, broken)


@dataclass(slots=True)
class _Sizes:
    """Memory of one process in MB: at first, and at most."""

    first: float
    most: float


class Flood:
    """What is published, what is done to the nodes, and what came of it."""

    def __init__(self, options: Options, cluster: Cluster, crowd: Crowd, say: Say) -> None:
        self._messages = options.messages
        self._kills = options.kills
        self._seconds = options.seconds
        self._urgent_seconds = options.urgent_seconds
        self._cluster = cluster
        self._crowd = crowd
        self._say = say
        self._chance = Random(f"{options.seed}/queue")
        self._publisher = Publisher(cluster.redis.url, name="flood")
        self._redis = connect(cluster.redis.url, socket_timeout=5.0)
        self._desk = Desk(self._redis, QueueNames("notifier"))
        self._ids: dict[int, str] = {}
        self._delays: list[float] = []
        self._still_waiting = 0
        self._sizes: dict[int, _Sizes] = {}
        self._dead = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, options: Options, cluster: Cluster, say: Say) -> AsyncIterator[Self]:
        async with open_http() as http:
            urls = [node.url for node in cluster.nodes]
            flood = cls(options, cluster, Crowd(Plan(options.seed, WATCHERS), urls, http), say)
            try:
                yield flood
            finally:
                await flood._publisher.close()
                await flood._redis.aclose()

    async def play(self) -> None:
        """Hand over while no node runs; let nodes begin, time urgent ones, kill nodes."""
        async with asyncio.TaskGroup() as group:
            pages = await self._crowd.connect(group)
            for client in self._crowd.clients:
                client.sleep()
            await asyncio.gather(*(node.kill() for node in self._cluster.nodes))
            await self._hand_over()
            began = time.monotonic()
            await asyncio.gather(*(node.start() for node in self._cluster.nodes))
            watching = group.create_task(self._watch_memory())
            for client in self._crowd.clients:
                client.wake()
            await wait_for(self._crowd.all_up)
            await self._publish_urgent()
            await self._kill_nodes()
            await until(self._is_drained, what="the queue to be drained", patience=self._seconds)
            taken = time.monotonic() - began
            self._say(f"drained after {taken:.1f} s: {self._messages / taken:.0f} a second")
            await self._crowd.catch_up(time.monotonic())
            self._dead = await self._desk.count_dead()
            for task in (*pages, watching):
                task.cancel()

    async def _hand_over(self) -> None:
        began = time.monotonic()
        for start in range(0, self._messages, CHUNK):
            numbers = range(start, min(start + CHUNK, self._messages))
            ids = await self._publisher.publish_many(map(self._notification, numbers))
            for number, notification_id in zip(numbers, ids, strict=True):
                if number in self._crowd.messages:
                    self._ids[number] = notification_id
                    self._crowd.took(number)
        taken = time.monotonic() - began
        self._say(f"handed over after {taken:.1f} s: {self._messages / taken:.0f} a second")

    def _notification(self, number: int) -> Mapping[str, Any]:
        message = Message(number, (f"user:u{number % LOGS}",), "marketing")
        if number % LOGS < WATCHERS:
            self._crowd.messages[number] = message
        return {**message.body(), "priority": "low"}

    async def _publish_urgent(self) -> None:
        """One after another, each timed until the page of its user shows it."""
        before = await self._waiting()
        for number in range(self._messages, self._messages + URGENT):
            user = f"u{number % WATCHERS}"
            self._crowd.messages[number] = message = Message(number, (f"user:{user}",))
            began = time.monotonic()
            body = {name: value for name, value in message.body().items() if name != "except"}
            self._ids[number] = await self._publisher.publish(**body, priority="critical")
            page = self._crowd.pages[user][0]
            await wait_for(lambda page=page, number=number: number in page.diary.numbers)
            self._delays.append(time.monotonic() - began)
            self._crowd.took(number)
            await asyncio.sleep(URGENT_PAUSE)
        self._still_waiting = await self._waiting()
        self._say(
            f"{URGENT} critical ones while {before} to {self._still_waiting} were waiting: p50 "
            f"{percentile(self._delays, 50) * 1000:.0f} ms, p99 "
            f"{percentile(self._delays, 99) * 1000:.0f} ms"
        )

    async def _kill_nodes(self) -> None:
        for number in range(self._kills):
            await asyncio.sleep(self._chance.uniform(0.2, LONGEST_LIFE))
            node = self._cluster.nodes[number % len(self._cluster.nodes)]
            await node.kill()
            self._say(f"killed {number + 1} times; {await self._waiting()} waiting")
            await node.start()

    async def _waiting(self) -> int:
        return sum(lane.waiting for lane in await self._desk.status())

    async def _is_drained(self) -> bool:
        return await self._waiting() == 0

    async def _watch_memory(self) -> None:
        while True:
            for node in self._cluster.nodes:
                if node.is_running and (size := _megabytes(node)) is not None:
                    sizes = self._sizes.setdefault(node.pid, _Sizes(size, size))
                    sizes.most = max(sizes.most, size)
            await asyncio.sleep(0.5)

    # What came of it

    def judge(self, logs: Mapping[str, Sequence[tuple[int, int]]]) -> Iterator[Violation]:
        """Everything that was handed over stands in the store, once."""
        stored = Counter(number for entries in logs.values() for _, number in entries)
        missing = self._messages + URGENT - len(stored)
        if missing:
            yield Violation("lost in the queue", f"{missing} are not in the store")
        double = sum(count > 1 for count in stored.values())
        if double:
            yield Violation("stored twice", f"{double} stand in the store more than once")
        if self._dead:
            yield Violation("dead", f"{self._dead} dead letters of good notifications")
        if not self._still_waiting:
            yield Violation("urgent ones waited", "until the flood was drained")
        if self._urgent_seconds and (p99 := percentile(self._delays, 99)) > self._urgent_seconds:
            yield Violation("urgent ones waited", f"p99 {p99:.2f} s")
        growth = max(sizes.most - sizes.first for sizes in self._sizes.values())
        self._say(f"nodes grew by {growth:.0f} MB at most")
        if growth > GROWTH_MB:
            yield Violation("memory grew", f"by {growth:.0f} MB")

    def evidence(self, logs: Mapping[str, Sequence[tuple[int, int]]]) -> Evidence:
        """Of what was meant for the open pages. It counts as accepted at the end: the queue keeps
        no order in a flood that all nodes read."""
        places = {
            number: Place(audience, seq)
            for audience, entries in logs.items()
            for seq, number in entries
            if number in self._ids
        }
        ended = time.monotonic()
        attempts = [
            Attempt(
                number,
                0,
                ended,
                ended,
                Outcome.ACCEPTED,
                201,
                (places[number],) if number in places else (),
                notification_id,
            )
            for number, notification_id in self._ids.items()
        ]
        return Evidence(
            messages=self._crowd.messages,
            attempts=attempts,
            diaries=[client.diary for client in self._crowd.clients],
            logs=logs,
            spans=(),
        )


def _megabytes(node: NotifierProcess) -> float | None:
    """Resident memory; None if the process has just ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{node.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return None
