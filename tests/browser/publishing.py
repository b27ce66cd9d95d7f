"""An application that publishes to one person while the tests look on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import aiohttp

PACE = 0.3
"""Seconds between two notifications of a steady publisher: few enough for one page of the feed."""


class Publisher:
    """Publishes to Grace, by REST, at one node; remembers what was accepted."""

    def __init__(self, session: aiohttp.ClientSession, token: str) -> None:
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"}
        self.titles: list[str] = []

    async def publish(self, title: str) -> None:
        notification = {"to": "user:grace", "title": title}
        async with self._session.post(
            "/v1/notifications", json=notification, headers=self._headers
        ) as answer:
            assert answer.status == 201, await answer.text()
        self.titles.append(title)

    async def publish_all(self, titles: Sequence[str], *, by: int, pause: float = 0) -> None:
        """Publish these in order, so many at a time, with this many seconds after each time."""
        for start in range(0, len(titles), by):
            now = titles[start : start + by]
            batch = [{"to": "user:grace", "title": title} for title in now]
            async with self._session.post(
                "/v1/notifications/batch", json={"notifications": batch}, headers=self._headers
            ) as answer:
                assert answer.status == 200, await answer.text()
            self.titles.extend(now)
            await asyncio.sleep(pause)

    @contextlib.asynccontextmanager
    async def steadily(self) -> AsyncIterator[None]:
        """Publish one after the other for as long as the block lasts."""
        enough = asyncio.Event()

        async def run() -> None:
            while not enough.is_set():
                await self.publish(f"Number {len(self.titles)}")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(enough.wait(), PACE)

        task = asyncio.create_task(run())
        try:
            yield
        finally:
            enough.set()
            await task


@contextlib.asynccontextmanager
async def publishing_at(url: str) -> AsyncIterator[Publisher]:
    """A publisher at the node with this address, in Ada's name."""
    async with aiohttp.ClientSession(url) as session:
        async with session.get("/demo/session", params={"user": "ada"}) as answer:
            token = (await answer.json())["token"]
        yield Publisher(session, token)
