"""All clients of a run, and what they still have to show."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from random import Random

import aiohttp

from tests.chaos.clients import Client
from tests.chaos.cluster import user_token
from tests.chaos.evidence import Diary
from tests.chaos.plan import Message, Plan

SHARES = {"websocket": 56, "stream": 20, "engine polling": 15, "poll": 3, "any": 6}
"""How clients connect, in percent. A poll asks the store anew for each notification: many of them
would mostly test the speed of this machine."""

SECOND_PAGES = 0.2
"""The share of users who have two pages open."""

SETTLE_SECONDS = 90.0
"""How long clients get to show everything; then it is for the oracle to find what is missing."""

SETTING_UP = 20
"""Users who say at the same time what they want."""


class Crowd:
    """The users of a plan, each with one or two pages on transports chosen at random."""

    def __init__(self, plan: Plan, urls: Sequence[str], http: aiohttp.ClientSession) -> None:
        self.plan = plan
        self._urls = urls
        self._http = http
        self.pages: dict[str, list[Client]] = {}
        chance = Random(f"{plan.seed}/crowd")
        for user in plan.users:
            names = [f"{user.name}.{n}" for n in range(1 + (chance.random() < SECOND_PAGES))]
            self.pages[user.name] = [
                Client(
                    Diary(name, user, chance.choices(list(SHARES), list(SHARES.values()))[0]),
                    user_token(user),
                    urls,
                    http,
                    Random(f"{plan.seed}/{name}"),
                )
                for name in names
            ]
        self.messages: dict[int, Message] = {}
        """Everything that anybody has begun to publish."""
        self.accepted = 0
        self._unseen: dict[int, float] = {}
        """Accepted messages, with the time, that somebody may not have shown yet."""

    @property
    def clients(self) -> list[Client]:
        return [client for pages in self.pages.values() for client in pages]

    async def connect(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Say what the users want, then let them come; return when all are there."""
        room = asyncio.Semaphore(SETTING_UP)
        await asyncio.gather(*(self._set_up(pages[0], room) for pages in self.pages.values()))
        tasks = [group.create_task(client.run()) for client in self.clients]
        await wait_for(self.all_up)
        return tasks

    async def _set_up(self, client: Client, room: asyncio.Semaphore) -> None:
        user = client.diary.user
        async with room:
            for topic in user.topics:
                await self._change(client, "PUT", f"/v1/topics/{topic}/subscription", None)
            if user.muted:
                body = {"types": {kind: {"bell": False} for kind in user.muted}}
                await self._change(client, "PATCH", "/v1/preferences", body)

    async def _change(self, client: Client, method: str, path: str, body: object) -> None:
        """Make a call that may be repeated, until it has been carried out."""
        headers = {"Authorization": f"Bearer {client.token}"}
        url = self._urls[0] + path
        while True:
            async with self._http.request(method, url, json=body, headers=headers) as answer:
                if answer.status < 300:
                    return
                assert answer.status == 503, await answer.text()
            await asyncio.sleep(0.5)

    def all_up(self) -> bool:
        """Whether everybody is connected and has got what they missed."""
        return all(client.up for client in self.clients)

    def took(self, number: int) -> None:
        """A message was accepted for the first time."""
        self.accepted += 1
        self._unseen[number] = time.monotonic()

    async def catch_up(self, moment: float) -> None:
        """Wait until everybody is up and has shown what was accepted before a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                await wait_for(lambda: self.all_up() and self._all_shown(moment))

    def _all_shown(self, moment: float) -> bool:
        for number, at in list(self._unseen.items()):
            if at <= moment:
                if not self._is_shown(number):
                    return False
                del self._unseen[number]
        return True

    def _is_shown(self, number: int) -> bool:
        return all(
            number in client.diary.numbers
            for user in self.plan.meant(self.messages[number])
            for client in self.pages[user]
        )


async def wait_for(condition: Callable[[], bool]) -> None:
    """Within the time that the caller has."""
    while not condition():  # noqa: ASYNC110 - what it depends on changes in many places
        await asyncio.sleep(0.05)
