"""Simulated clients: each has a user, a transport and a memory, and always comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

import aiohttp

from tests.chaos.evidence import Diary
from tests.chaos.reader import Reader
from tests.chaos.sockets import Conversation, Lost, Pipe, PollingPipe, WebSocketPipe
from tests.chaos.streams import WAIT_SECONDS, Requests

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
"""Seconds between attempts to connect: doubled each time, then shortened at random by up to half,
so that clients who lost their connection together do not come back together."""

CONNECT_SECONDS = 10.0

FAILURES = (aiohttp.ClientError, OSError, TimeoutError, Lost)


class Client:
    """One page of one user. ``urls`` are the nodes; it picks one at random for each connection."""

    def __init__(
        self,
        diary: Diary,
        token: str,
        urls: Sequence[str],
        http: aiohttp.ClientSession,
        chance: Random,
    ) -> None:
        self.diary = diary
        self.token = token
        self.reader = Reader(diary)
        self.http = http
        self.reading = asyncio.Event()
        """Unset, it reads nothing from its connection: a frozen page."""
        self.reading.set()
        self.online = asyncio.Event()
        self.online.set()
        self._urls = urls
        self._chance = chance
        self._pause = FIRST_PAUSE
        self.up = False
        self._session: asyncio.Task[None] | None = None

    def synced(self) -> None:
        """It is connected and has got what it missed."""
        self.up = True
        self._pause = FIRST_PAUSE

    def sleep(self) -> None:
        """Go offline, until ``wake``."""
        self.online.clear()
        self.drop()

    def wake(self) -> None:
        self.online.set()

    def drop(self) -> None:
        """Throw the connection away, as a page does that is loaded again."""
        if self._session is not None:
            self._session.cancel()

    async def run(self) -> None:
        """Connect again and again, until cancelled."""
        while True:
            await self.online.wait()
            self._session = asyncio.get_running_loop().create_task(self._connect())
            try:
                await asyncio.wait([self._session])
            finally:
                self._session.cancel()
                await asyncio.gather(self._session, return_exceptions=True)
            self.up = False
            await asyncio.sleep(self._next_pause(self._reason(self._session)))

    def any_url(self) -> str:
        return self._chance.choice(self._urls)

    async def _connect(self) -> None:
        name = self.diary.transport
        if name == "any":
            name = self._chance.choice(list(TRANSPORTS))
        url = self.any_url()
        self.diary.note(f"connecting by {name} to node {self._urls.index(url)}")
        await TRANSPORTS[name](self, url)

    def _reason(self, session: asyncio.Task[None]) -> float:
        """Note why the connection ended; answer for how long the server wants no other."""
        if session.cancelled():
            self.diary.note("dropped by itself")
            return 0.0
        error = session.exception()
        if not isinstance(error, FAILURES):
            raise RuntimeError(f"{self.diary.client} broke") from error
        self.diary.note(str(error) if isinstance(error, Lost) else f"lost: {type(error).__name__}")
        return error.pause if isinstance(error, Lost) else 0.0

    def _next_pause(self, asked: float) -> float:
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        return max(pause, min(asked, LONGEST_PAUSE)) * self._chance.uniform(0.5, 1.0)


async def by_websocket(client: Client, url: str) -> None:
    """Socket.IO over a WebSocket."""
    address = f"{url}/socket.io/?EIO=4&transport=websocket"
    async with asyncio.timeout(CONNECT_SECONDS) as limit:
        async with client.http.ws_connect(address, compress=0, max_msg_size=0) as ws:
            pipe = WebSocketPipe(ws, client.reading)
            await pipe.open()
            limit.reschedule(None)
            await _converse(client, pipe)


async def by_engine_polling(client: Client, url: str) -> None:
    """Socket.IO over Engine.IO long-polling."""
    pipe = PollingPipe(client.http, url, client.reading)
    try:
        await pipe.open()
        await _converse(client, pipe)
    finally:
        await pipe.close()


async def by_stream(client: Client, url: str) -> None:
    """Server-Sent Events."""
    requests = Requests(client.http, client.reader, client.token)
    await requests.stream(url, client.reading.wait, client.synced)


async def by_poll(client: Client, url: str) -> None:
    """Plain polling, each time at another node."""
    requests = Requests(client.http, client.reader, client.token)
    await requests.poll(url, wait=0)
    client.diary.note("synced")
    client.synced()
    while True:
        await client.reading.wait()
        await requests.poll(client.any_url(), wait=WAIT_SECONDS)


async def _converse(client: Client, pipe: Pipe) -> None:
    await Conversation(client.reader, client.token, pipe, client.synced).run()


TRANSPORTS: dict[str, Callable[[Client, str], Awaitable[None]]] = {
    "websocket": by_websocket,
    "engine polling": by_engine_polling,
    "stream": by_stream,
    "poll": by_poll,
}
