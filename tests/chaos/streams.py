"""Server-Sent Events and polling by hand: HTTP in one direction, with the same cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import orjson

from tests.chaos.reader import Entry, Reader
from tests.chaos.sockets import ANSWER_SECONDS, PAGE, Lost

STREAM_SECONDS = 35.0
"""Without a byte for so long a stream counts as lost; a comment is promised every 20 s."""

WAIT_SECONDS = 25


class Requests:
    """The calls of one reader with one token."""

    def __init__(self, http: aiohttp.ClientSession, reader: Reader, token: str) -> None:
        self.reader = reader
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}

    async def stream(self, url: str, read: Callable[[], Any], synced: Callable[[], None]) -> None:
        """Follow a stream until it is lost. ``read`` is awaited before each event."""
        headers = self._headers.copy()
        if self.reader.since is not None:
            headers["Last-Event-ID"] = self.reader.since
        timeout = aiohttp.ClientTimeout(total=None, sock_read=STREAM_SECONDS)
        address = f"{url}/v1/feed/stream"
        async with self._http.get(address, headers=headers, timeout=timeout) as answer:
            if answer.status != 200:
                raise await _refusal(answer)
            fields: dict[str, str] = {}
            async for line in answer.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                elif "event" in fields:
                    await read()
                    await self._take(url, fields, synced)
                    fields = {}
        raise Lost("lost: the stream ended")

    async def _take(self, url: str, event: Mapping[str, str], synced: Callable[[], None]) -> None:
        name, data = event["event"], orjson.loads(event["data"])
        if name == "goodbye":
            self.reader.diary.note(f"goodbye: {data['reason']}")
            raise Lost("lost: sent away", data["reconnect_after"])
        if name == "notification":
            self.reader.take_missed(data)
        elif name == "synced":
            if not data["recovered"]:
                await self.reload(url)
            self.reader.diary.note("synced")
            synced()
        self.reader.synced(event["id"])

    async def poll(self, url: str, wait: int) -> None:
        """Ask once for what is new."""
        query: dict[str, str | int] = {"wait": wait}
        if self.reader.since is not None:
            query["since"] = self.reader.since
        answer = await self._get(f"{url}/v1/feed/poll", query, wait + ANSWER_SECONDS)
        if not answer["recovered"]:
            await self.reload(url)
            return
        for item in answer["items"]:
            self.reader.take_missed(item)
        self.reader.synced(answer["cursor"])

    async def reload(self, url: str) -> None:
        """Load the feed as far back as it has something new, then show it oldest first."""
        self.reader.diary.note("reloading")
        page = await self._get(f"{url}/v1/feed", {"limit": PAGE}, ANSWER_SECONDS)
        cursor, items = page["cursor"], list[Entry](page["items"])
        while page["next"] is not None and self.reader.has_news(page["items"]):
            query: dict[str, str | int] = {"limit": PAGE, "before": page["next"]}
            page = await self._get(f"{url}/v1/feed", query, ANSWER_SECONDS)
            items += page["items"]
        self.reader.reload(reversed(items), cursor)

    async def _get(self, address: str, query: Mapping[str, str | int], seconds: float) -> Any:
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with self._http.get(
            address, params=query, headers=self._headers, timeout=timeout
        ) as answer:
            if answer.status != 200:
                raise await _refusal(answer)
            return orjson.loads(await answer.read())


async def _refusal(answer: aiohttp.ClientResponse) -> Lost:
    pause = float(answer.headers.get("Retry-After", 0))
    return Lost(f"refused: {answer.status} {(await answer.text())[:80]}", pause)
