"""Everybody comes back to one node in the same moment, while others go on working there."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import count
from pathlib import Path
from random import Random

import aiohttp
from pymongo import AsyncMongoClient

from tests.chaos.clients import Client
from tests.chaos.cluster import Cluster, user_token
from tests.chaos.crowd import wait_for
from tests.chaos.evidence import Diary, Evidence
from tests.chaos.oracle import Violation, percentile
from tests.chaos.plan import Message, Plan, User
from tests.chaos.publishers import Publisher
from tests.chaos.run import Result, Say, open_http

BYSTANDERS = 100
"""Users who stay connected, every other one to the node of the storm."""

TOGETHER = 100
"""Clients that connect at a time before the storm; also users that one message is for."""

PUBLISHERS = 4

PAUSE_SECONDS = 0.1
"""Between two messages of one publisher to bystanders."""

CALM_SECONDS = 3.0

CAUGHT_UP_SECONDS = 30.0
"""From the return of all until the last of them has got what was missed."""

LONGEST_SECONDS = 120.0
"""Then the storm is over, whoever is missing."""

DELIVERY_SECONDS = 1.0
"""99 of 100 messages to bystanders must be shown so soon, storm or not."""

QUERIES_PER_CLIENT = 1.0
"""Of the store; there must be fewer. What many ask in the same moment is one question."""


async def storm(clients: int, seed: int, folder: Path, say: Say) -> Result:
    """Let so many clients come back at once; nothing is left running, whatever happens."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        cluster = Cluster(folder, nodes=2, direct=True)
        stack.push_async_callback(cluster.stop)
        await cluster.start()
        http = await stack.enter_async_context(open_http())
        tempest = _Storm(clients, seed, cluster, http, say)
        broken = await tempest.play()
        evidence = await tempest.evidence()
    return Result(evidence, time.monotonic() - began, broken=tuple(broken))


class _Storm:
    """The clients and publishers of one storm."""

    def __init__(
        self, clients: int, seed: int, cluster: Cluster, http: aiohttp.ClientSession, say: Say
    ) -> None:
        self._seed = seed
        self._cluster = cluster
        self._http = http
        self._say = say
        users = Plan(seed, clients + BYSTANDERS).users
        urls = [node.url for node in cluster.nodes]
        self._bystanders = [
            self._client(user, urls[n % 2]) for n, user in enumerate(users[:BYSTANDERS])
        ]
        self._returning = [self._client(user, urls[0]) for user in users[BYSTANDERS:]]
        self._numbers = count()
        self._messages: dict[int, Message] = {}
        self._accepted: dict[int, float] = {}
        self._publishers = [
            Publisher(f"publisher-{n}", urls, http, seed, self._took) for n in range(PUBLISHERS)
        ]

    async def play(self) -> list[Violation]:
        async with asyncio.TaskGroup() as group:
            tasks = await self._connect(group)
            for client in self._returning:
                client.sleep()
            await self._publish_missed()
            chatter = [group.create_task(self._chat(p)) for p in self._publishers]
            await asyncio.sleep(CALM_SECONDS)
            asked = await self._queries()
            began = time.monotonic()
            for client in self._returning:
                client.wake()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_SECONDS):
                    await wait_for(self._is_over)
            ended = time.monotonic()
            asked = await self._queries() - asked
            for task in (*chatter, *tasks):
                task.cancel()
        return self._judge(began, ended, asked)

    async def evidence(self) -> Evidence:
        """Of those who took part; bystanders may not have shown the very last messages."""
        return Evidence(
            messages=self._messages,
            attempts=[attempt for p in self._publishers for attempt in p.attempts],
            diaries=[client.diary for client in self._returning],
            logs=await self._cluster.logs(),
            spans=(),
        )

    def _client(self, user: User, url: str) -> Client:
        diary = Diary(f"{user.name}.0", user, "websocket")
        chance = Random(f"{self._seed}/{user.name}")
        return Client(diary, user_token(user), [url], self._http, chance)

    async def _connect(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        clients = [*self._bystanders, *self._returning]
        tasks = []
        for start in range(0, len(clients), TOGETHER):
            some = clients[start : start + TOGETHER]
            tasks += [group.create_task(client.run()) for client in some]
            await wait_for(partial(_all_up, some))
        self._say(f"{len(clients)} clients are connected")
        return tasks

    async def _publish_missed(self) -> None:
        """One message to everybody and one to each of those who are away."""
        await self._publish(self._publishers[0], ("everyone",))
        names = [f"user:{client.diary.user.name}" for client in self._returning]
        for start in range(0, len(names), TOGETHER):
            await self._publish(self._publishers[0], tuple(names[start : start + TOGETHER]))

    async def _chat(self, publisher: Publisher) -> None:
        chance = Random(f"{self._seed}/chat")
        while True:
            user = chance.choice(self._bystanders).diary.user.name
            await self._publish(publisher, (f"user:{user}",))
            await asyncio.sleep(PAUSE_SECONDS)

    async def _publish(self, publisher: Publisher, to: tuple[str, ...]) -> None:
        message = Message(next(self._numbers), to)
        self._messages[message.number] = message
        await publisher.publish(message)

    def _took(self, number: int) -> None:
        self._accepted[number] = time.monotonic()

    def _is_over(self) -> bool:
        """Whether everybody is back and has shown both messages."""
        return all(map(_is_back, self._returning))

    async def _queries(self) -> int:
        """How often the store has been asked something so far."""
        client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(self._cluster.mongo.uri)
        async with client:
            status = await client.admin.command("serverStatus")
        commands = status["metrics"]["commands"]
        return sum(commands[name]["total"] for name in ("find", "aggregate"))

    def _judge(self, began: float, ended: float, asked: int) -> list[Violation]:
        delays = [
            shown.at - self._accepted.get(shown.number, shown.at)
            for client in self._bystanders
            for shown in client.diary.shown
            if began <= shown.at <= ended
        ]
        seconds, p99 = ended - began, percentile(delays, 99)
        back = sum(map(_is_back, self._returning))
        each = asked / len(self._returning)
        self._say(
            f"{back} of {len(self._returning)} clients were back after {seconds:.1f} s; "
            f"{each:.2f} queries for each; {len(delays)} messages to others meanwhile: p50 "
            f"{percentile(delays, 50) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
        )
        limits = {
            "caught up too late": seconds > CAUGHT_UP_SECONDS,
            "others had to wait": p99 > DELIVERY_SECONDS,
            "too many queries": each >= QUERIES_PER_CLIENT,
        }
        story = f"{seconds:.1f} s, p99 {p99:.2f} s, {each:.2f} queries for each client"
        return [Violation(rule, story) for rule, is_broken in limits.items() if is_broken]


def _is_back(client: Client) -> bool:
    return client.up and len(client.diary.shown) == 2


def _all_up(clients: Sequence[Client]) -> bool:
    return all(client.up for client in clients)
