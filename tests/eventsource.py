"""Reading Server-Sent Events as the HTML standard says, field by field."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

PATIENCE = 20.0
"""Seconds an awaited event may take before the test fails; far above what it needs."""


@dataclass(frozen=True)
class Event:
    """``id`` is the last id that was given by then, as browsers keep it."""

    name: str
    data: Any
    id: str


class EventStream:
    """An open stream: ``await stream.next()``."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.retry: int | None = None
        self.comments = 0
        self.last_id = ""

    async def next(self, *, patience: float = PATIENCE) -> Event | None:
        """The next event; None at the end of the stream."""
        async with asyncio.timeout(patience):
            return await self._read()

    async def expect(self, name: str) -> Event:
        """The next event, which must have this name."""
        event = await self.next()
        assert event is not None, f"the stream ended instead of {name}"
        assert event.name == name, f"{event} instead of {name}"
        return event

    async def until(self, name: str) -> list[Event]:
        """All events up to one of this name, that one last."""
        events: list[Event] = []
        while not events or events[-1].name != name:
            event = await self.next()
            assert event is not None, f"the stream ended before {name}: {events}"
            events.append(event)
        return events

    async def comment(self) -> None:
        """Wait for a comment, with nothing before it."""
        seen = self.comments
        async with asyncio.timeout(PATIENCE):
            while self.comments == seen:
                await self._line({})

    async def _read(self) -> Event | None:
        fields: dict[str, str] = {}
        while True:
            line = await self._line(fields)
            if line is None:
                return None  # what is cut in the middle of an event is no event
            if not line and "data" in fields:
                name = fields.get("event", "message")
                return Event(name, orjson.loads(fields["data"]), self.last_id)

    async def _line(self, fields: dict[str, str]) -> str | None:
        raw = await self.response.content.readline()
        if not raw.endswith(b"\n"):
            return None
        line = raw.decode().rstrip("\n")
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line and not name:
            self.comments += 1
        elif name == "id":
            self.last_id = value
        elif name == "retry":
            self.retry = int(value)
        elif name == "data" and "data" in fields:
            fields["data"] += "\n" + value
        elif name:
            fields[name] = value
        return line


@contextlib.asynccontextmanager
async def open_stream(
    session: aiohttp.ClientSession,
    url: Any,
    *,
    token: str | None = None,
    last_id: str | None = None,
    params: Mapping[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[EventStream]:
    """Connect; the answer may be a refusal, which ``response.status`` tells."""
    headers = {"Accept": "text/event-stream"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    unhurried = aiohttp.ClientTimeout(total=None, sock_connect=PATIENCE)
    async with session.get(
        url, headers=headers, params=params, timeout=unhurried, read_bufsize=2**20, **options
    ) as response:
        yield EventStream(response)
