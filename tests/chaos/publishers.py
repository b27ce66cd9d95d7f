"""Publishers that never give up: each message is sent until somebody says that it was accepted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random

import aiohttp

from tests.chaos.cluster import publisher_token
from tests.chaos.evidence import Attempt, Outcome, Place
from tests.chaos.plan import Message

ATTEMPT_SECONDS = 6.0
"""After so long without an answer a publisher tries again elsewhere."""

PAUSE_SECONDS = 0.2

TWINS = 0.03
"""The share of messages that are sent to two nodes at once, as impatient clients do."""

ECHOES = 0.02
"""The share that is sent again after it was accepted, as crashed clients do."""


class Refused(Exception):
    """A node refused a message for good: the plan or the server is wrong."""


class Publisher:
    """Sends messages to nodes chosen at random. All its attempts are in ``attempts``.

    ``took(number)`` is called when a message was accepted for the first time.
    """

    def __init__(
        self,
        name: str,
        urls: Sequence[str],
        http: aiohttp.ClientSession,
        seed: int,
        took: Callable[[int], None],
    ) -> None:
        self.attempts: list[Attempt] = []
        self._name = name
        self._urls = urls
        self._http = http
        self._chance = Random(f"{seed}/{name}")
        self._took = took
        self._headers = {"Authorization": f"Bearer {publisher_token(name)}"}

    async def publish(self, message: Message) -> None:
        """Send until accepted; of some, send it again after that."""
        twins = self._chance.random() < TWINS
        echoed = self._chance.random() < ECHOES
        await self._insist(message, copies=2 if twins else 1)
        self._took(message.number)
        if echoed:
            await self._insist(message, copies=1)

    async def _insist(self, message: Message, *, copies: int) -> None:
        while True:
            nodes = self._chance.choices(range(len(self._urls)), k=copies)
            attempts = await asyncio.gather(*(self._attempt(message, node) for node in nodes))
            self.attempts += attempts
            if any(attempt.outcome is Outcome.ACCEPTED for attempt in attempts):
                return
            await asyncio.sleep(PAUSE_SECONDS * self._chance.uniform(0.5, 1.5))

    async def _attempt(self, message: Message, node: int) -> Attempt:
        number, began = message.number, time.monotonic()
        try:
            async with self._http.post(
                f"{self._urls[node]}/v1/notifications",
                json=message.body(),
                headers={**self._headers, "Idempotency-Key": f"{self._name}/{number}"},
                timeout=aiohttp.ClientTimeout(total=ATTEMPT_SECONDS),
            ) as answer:
                body = await answer.json()
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return Attempt(number, node, began, time.monotonic(), Outcome.UNKNOWN)
        ended = time.monotonic()
        if status == 201:
            places = tuple(_place(entry["id"]) for entry in body["entries"])
            return Attempt(number, node, began, ended, Outcome.ACCEPTED, status, places, body["id"])
        if status == 503:
            return Attempt(number, node, began, ended, Outcome.REFUSED, status)
        raise Refused(f"number {number}: {status} {body}")


def _place(text: str) -> Place:
    seq, _, audience = text.partition("@")
    return Place(audience, int(seq))
