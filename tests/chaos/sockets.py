"""Socket.IO by hand, over a WebSocket and over Engine.IO long-polling."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import aiohttp
import orjson

from tests.chaos.reader import Entry, Reader

NAMESPACE = "/notifications,"

ANSWER_SECONDS = 15.0
"""How long a client waits for an answer before it connects again."""

PAGE = 100
"""Entries asked for at once when a feed is loaded; the most there is."""


class Lost(Exception):
    """A connection is over; ``pause`` is how many seconds the server asked to stay away."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class Pipe(Protocol):
    """Carries Socket.IO packets; pings are its own business. Both methods raise ``Lost``."""

    async def send(self, packet: str) -> None: ...

    async def receive(self) -> str: ...


class WebSocketPipe:
    """Engine.IO messages over one WebSocket. ``reading`` unset: the client reads nothing."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, reading: asyncio.Event) -> None:
        self._ws = ws
        self._reading = reading
        self._patience = ANSWER_SECONDS

    async def open(self) -> None:
        handshake = await self._next()
        if not handshake.startswith("0"):
            raise Lost("lost: no handshake")
        self._patience = _patience(handshake)

    async def send(self, packet: str) -> None:
        await self._ws.send_str(f"4{packet}")

    async def receive(self) -> str:
        while True:
            await self._reading.wait()
            packet = await self._next()
            if packet == "2":
                await self._ws.send_str("3")
            elif packet.startswith("4"):
                return packet[1:]

    async def _next(self) -> str:
        try:
            message = await self._ws.receive(self._patience)
        except TimeoutError:
            raise Lost("lost: no ping came") from None
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Lost(f"lost: WebSocket closed with {self._ws.close_code}")
        return str(message.data)


class PollingPipe:
    """Engine.IO messages over one session at one node: it polls and posts at the same time.

    Whoever opened it must ``close`` it.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, reading: asyncio.Event) -> None:
        self._http = http
        self._url = f"{url}/socket.io/?EIO=4&transport=polling"
        self._reading = reading
        self._patience = ANSWER_SECONDS
        self._received: deque[str] = deque()
        self._unsent: asyncio.Queue[str] = asyncio.Queue()
        self._requests = 0
        self._posting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        handshake = (await self._get())[0]
        if not handshake.startswith("0"):
            raise Lost("lost: no handshake")
        self._url += "&sid=" + orjson.loads(handshake[1:])["sid"]
        self._patience = _patience(handshake)
        self._posting = asyncio.get_running_loop().create_task(self._post_forever())

    async def close(self) -> None:
        if self._posting is not None:
            self._posting.cancel()
            await asyncio.gather(self._posting, return_exceptions=True)

    async def send(self, packet: str) -> None:
        self._unsent.put_nowait(f"4{packet}")

    async def receive(self) -> str:
        while True:
            await self._reading.wait()
            if not self._received:
                self._received.extend(await self._get())
            if self._posting is not None and self._posting.done():
                self._posting.result()
            packet = self._received.popleft()
            if packet == "2":
                self._unsent.put_nowait("3")
            elif packet == "1":
                raise Lost("lost: closed by the server")
            elif packet.startswith("4"):
                return packet[1:]

    async def _post_forever(self) -> None:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        while True:
            packet = await self._unsent.get()
            address = self._fresh_address()
            async with self._http.post(address, data=packet, timeout=timeout) as answer:
                await _text(answer)

    async def _get(self) -> list[str]:
        timeout = aiohttp.ClientTimeout(total=self._patience)
        async with self._http.get(self._fresh_address(), timeout=timeout) as answer:
            return (await _text(answer)).split("\x1e")

    def _fresh_address(self) -> str:
        """No two requests have the same address, as with every stock client."""
        self._requests += 1
        return f"{self._url}&t={self._requests}"


async def _text(answer: aiohttp.ClientResponse) -> str:
    text = await answer.text()
    if answer.status == 200:
        return text
    raise Lost(f"lost: {answer.status} {text[:80]}", float(answer.headers.get("Retry-After", 0)))


class Conversation:
    """One connection to the namespace: feeds the reader until the connection is lost.

    ``synced`` is called once the reader has got what it missed.
    """

    def __init__(self, reader: Reader, token: str, pipe: Pipe, synced: Callable[[], None]) -> None:
        self._reader = reader
        self._token = token
        self._pipe = pipe
        self._synced = synced
        self._pause = 0.0
        self._live = False
        self._waiting: list[Entry] | None = None
        """What comes while something that belongs before it is fetched; None: nothing is."""
        self._asked = 0
        self._asked_at = 0.0
        self._answered: Callable[[Any], Awaitable[None]] | None = None
        """What to do with the answer of the call under way; there is at most one."""
        self._items: list[Entry] = []
        self._cursor = ""

    async def run(self) -> None:
        """Never returns; raises ``Lost``."""
        since = self._reader.since
        auth = {"token": self._token} | ({"since": since} if since is not None else {})
        try:
            await self._pipe.send(f"0{NAMESPACE}{orjson.dumps(auth).decode()}")
            while True:
                packet = await self._pipe.receive()
                await self._take(packet[0], packet[1:].removeprefix(NAMESPACE))
        except Lost as lost:
            raise Lost(str(lost), max(lost.pause, self._pause)) from None

    async def _take(self, kind: str, text: str) -> None:
        if kind == "2":
            await self._event(*orjson.loads(text))
        elif kind == "3":
            await self._answer(text)
        elif kind == "4":
            raise _refusal(orjson.loads(text))
        elif kind == "1":
            raise Lost("lost: disconnected from the namespace")
        if self._answered is not None and time.monotonic() - self._asked_at > ANSWER_SECONDS:
            raise Lost("lost: no answer to a call")

    async def _event(self, event: str, data: Any) -> None:
        if event == "goodbye":
            self._pause = data["reconnect_after"]
            self._reader.diary.note(f"goodbye: {data['reason']}")
        elif event == "synced":
            await self._end_replay(data)
        elif event == "notification" or (event == "removed" and "id" in data):
            await self._entry(data)

    async def _entry(self, entry: Entry) -> None:
        if self._waiting is not None:
            self._waiting.append(entry)
        elif not self._live:
            self._reader.take_missed(entry)
        elif not self._reader.take_live(entry):
            await self._fetch_gap([entry])

    async def _end_replay(self, data: Mapping[str, Any]) -> None:
        if data["recovered"]:
            self._reader.synced(data["cursor"])
            await self._go_live([])
        else:
            await self._reload([])

    async def _go_live(self, waiting: Sequence[Entry]) -> None:
        """Nothing is missing: take what waited."""
        if not self._live:
            self._live = True
            self._reader.diary.note("synced")
            self._synced()
        self._waiting = None
        for index, entry in enumerate(waiting):
            if not self._reader.take_live(entry):
                await self._fetch_gap(waiting[index:])
                return

    # What is missing before a live entry

    async def _fetch_gap(self, waiting: Sequence[Entry]) -> None:
        self._waiting = list(waiting)
        await self._call("sync", {"since": self._reader.since}, self._take_gap)

    async def _take_gap(self, answer: Mapping[str, Any]) -> None:
        waiting = self._waiting or []
        if not answer["recovered"]:
            await self._reload(waiting)
            return
        self._reader.diary.note("filled a gap")
        for item in answer["items"]:
            self._reader.take_missed(item)
        self._reader.synced(answer["cursor"])
        await self._go_live(waiting)

    # Too much is missing

    async def _reload(self, waiting: Sequence[Entry]) -> None:
        """Load the feed as far back as it has something new, then show it oldest first."""
        self._reader.diary.note("reloading")
        self._waiting, self._items, self._cursor = list(waiting), [], ""
        await self._call("feed", {"limit": PAGE}, self._take_page)

    async def _take_page(self, page: Mapping[str, Any]) -> None:
        self._cursor = self._cursor or page["cursor"]
        self._items += page["items"]
        if page["next"] is not None and self._reader.has_news(page["items"]):
            await self._call("feed", {"limit": PAGE, "before": page["next"]}, self._take_page)
            return
        self._reader.reload(reversed(self._items), self._cursor)
        await self._go_live(self._waiting or [])

    async def _call(
        self,
        event: str,
        argument: Mapping[str, Any],
        answered: Callable[[Any], Awaitable[None]],
    ) -> None:
        self._asked += 1
        self._asked_at = time.monotonic()
        self._answered = answered
        packet = orjson.dumps([event, argument]).decode()
        await self._pipe.send(f"2{NAMESPACE}{self._asked}{packet}")

    async def _answer(self, text: str) -> None:
        number, bracket, rest = text.partition("[")
        answered = self._answered
        if answered is None or number != str(self._asked):
            raise Lost("lost: an answer that nobody asked for")
        self._answered = None
        result = orjson.loads(bracket + rest)[0]
        if not result["ok"]:
            raise Lost(f"refused: {result['error']['code']}")
        await answered(result["data"])


def _refusal(error: Mapping[str, Any]) -> Lost:
    data = error.get("data", {})
    return Lost(f"refused: {data.get('code', error['message'])}", data.get("retry_after", 0.0))


def _patience(handshake: str) -> float:
    """Seconds without a ping after which the server counts as lost."""
    options = orjson.loads(handshake[1:])
    return float(options["pingInterval"] + options["pingTimeout"]) / 1000
