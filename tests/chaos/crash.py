"""One node on SQLite, killed again and again in the middle of its work."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from itertools import count
from pathlib import Path
from random import Random

import aiohttp

from tests.chaos.cluster import COMMON_SETTINGS, number_of
from tests.chaos.crowd import Crowd
from tests.chaos.evidence import Evidence
from tests.chaos.plan import Plan
from tests.chaos.publishers import Publisher
from tests.chaos.run import Result, Say, open_http
from tests.servers import NotifierProcess

USERS = 20

PUBLISHERS = 8

LONGEST_LIFE = 0.6
"""Seconds that a node works at most before it is killed."""


async def crash(rounds: int, seed: int, folder: Path, say: Say) -> Result:
    """Kill a node so many times at random moments; nothing is left running, whatever happens."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        node = NotifierProcess(folder / "node", COMMON_SETTINGS)
        await node.start()
        stack.push_async_callback(node.kill)
        http = await stack.enter_async_context(open_http())
        work = _Work(node, seed, http)
        await work.through(rounds, say)
        return Result(work.evidence(), time.monotonic() - began)


class _Work:
    """What goes on while the node is killed."""

    def __init__(self, node: NotifierProcess, seed: int, http: aiohttp.ClientSession) -> None:
        self._node = node
        self._chance = Random(f"{seed}/crash")
        self._plan = Plan(seed, USERS)
        self._crowd = Crowd(self._plan, [node.url], http)
        self._publishers = [
            Publisher(f"publisher-{number}", [node.url], http, seed, self._crowd.took)
            for number in range(PUBLISHERS)
        ]
        self._numbers = count()
        self._enough = False

    async def through(self, rounds: int, say: Say) -> None:
        async with asyncio.TaskGroup() as group:
            clients = await self._crowd.connect(group)
            publishing = [group.create_task(self._publish(p)) for p in self._publishers]
            for number in range(rounds):
                await asyncio.sleep(self._chance.uniform(0, LONGEST_LIFE))
                await self._node.kill()
                await self._node.start()
                if (number + 1) % 20 == 0:
                    say(f"killed {number + 1} times; {self._crowd.accepted} accepted")
            self._enough = True
            await asyncio.wait(publishing)
            await self._crowd.catch_up(time.monotonic())
            for client in clients:
                client.cancel()

    def evidence(self) -> Evidence:
        return Evidence(
            messages=self._crowd.messages,
            attempts=[attempt for p in self._publishers for attempt in p.attempts],
            diaries=[client.diary for client in self._crowd.clients],
            logs=_logs(self._node.folder / "var" / "notifier.db"),
            spans=(),
        )

    async def _publish(self, publisher: Publisher) -> None:
        while not self._enough:
            message = self._plan.message(next(self._numbers))
            self._crowd.messages[message.number] = message
            await publisher.publish(message)


def _logs(path: Path) -> Mapping[str, Sequence[tuple[int, int]]]:
    """What the file holds, read directly."""
    logs: dict[str, list[tuple[int, int]]] = {}
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT audience, seq, content FROM entries ORDER BY 1, 2")
        for audience, seq, content in rows:
            logs.setdefault(audience, []).append((seq, number_of(content)))
    return logs
