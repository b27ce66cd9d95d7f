"""Six ways to follow a feed behind one interface: a client's duty, nothing more.

What comes over the wire is handed on as it is, so that a loss, a repetition or a swap is seen; the
cursor moves with what was handed on, as if each event had been shown to the user.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any, ClassVar, NamedTuple

import aiohttp
import orjson
import socketio
from socketio.exceptions import ConnectionError as SocketRefused

from notifier.core.models import Cursor, Ref
from notifier.realtime.messages import NAMESPACE
from tests.eventsource import EventStream, open_stream

PATIENCE = 30.0
"""Seconds an awaited event may take before the test fails; far above what it needs."""

Token = Callable[[], str]


class Told(NamedTuple):
    """An event, in the words of Socket.IO whatever the transport."""

    name: str
    data: Any


class Refused(Exception):
    """The server does not let the client in; the argument is the code."""


class Client(ABC):
    """One reader. ``cursor`` is where it stands: None before the first visit."""

    name: ClassVar[str]

    def __init__(
        self,
        urls: Sequence[str],
        token: Token,
        cursor: Cursor | None = None,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.cursor = cursor
        self._urls = itertools.cycle(urls)
        self._token = token
        self._tls = tls
        self._closing = AsyncExitStack()

    async def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=True if self._tls is None else self._tls)
        session = aiohttp.ClientSession(connector=connector)
        return await self._closing.enter_async_context(session)

    @abstractmethod
    async def connect(self) -> None:
        """Connect, to the next of the nodes. Raises ``Refused``."""

    @property
    def is_polling(self) -> bool:
        """Whether each answer stands for itself: what changes is told by the next one."""
        return False

    @abstractmethod
    async def _next(self) -> Told:
        """The next event, of which ``cursor`` is told; ``end`` when the connection is over."""

    async def close(self) -> None:
        """Leave. What was not taken by then will be missed and come again."""
        await self._closing.aclose()

    async def next(self) -> Told:
        """The next event that says something: a place that holds nothing for this user does not."""
        async with asyncio.timeout(PATIENCE):
            told = await self._next()
            while told.name == "removed" and not told.data["ids"]:
                told = await self._next()
            return told

    async def until(self, name: str) -> list[Told]:
        """All events up to one with this name, that one last."""
        events: list[Told] = []
        while not events or events[-1].name != name:
            events.append(await self.next())
            if events[-1].name == "end" != name:
                raise AssertionError(f"ended before {name}: {[told.name for told in events]}")
        return events

    async def visit(self) -> list[Told]:
        """Connect and take what was missed; ``synced`` is the last."""
        await self.connect()
        return await self.until("synced")

    async def shown(self, count: int) -> list[str]:
        """The titles of the next notifications. Nothing may be removed in between."""
        titles: list[str] = []
        while len(titles) < count:
            told = await self.next()
            assert told.name in ("notification", "state", "preferences"), told
            titles += titles_of([told])
        return titles


def titles_of(events: Sequence[Told]) -> list[str]:
    return [told.data["title"] for told in events if told.name == "notification"]


class _Socket(Client):
    """Socket.IO: the events name their places, from which the cursor is kept."""

    _events: asyncio.Queue[Told]

    @property
    def _auth(self) -> dict[str, Any]:
        since = None if self.cursor is None else str(self.cursor)
        return {"token": self._token(), "since": since}

    async def _next(self) -> Told:
        told = await self._events.get()
        if told.name == "synced":
            self.cursor = Cursor.parse(told.data["cursor"])
        elif told.name in ("notification", "removed") and "id" in told.data:
            self._move(told.data["id"])
        elif told.name == "state" and self.cursor is not None:
            self.cursor |= Cursor.parse(told.data.get("joined", ""))
            for audience in told.data.get("left", ()):
                self.cursor.pop(audience, None)
        return told

    def _move(self, place: str) -> None:
        ref = Ref.parse(place)
        assert self.cursor is not None
        self.cursor[ref.audience] = ref.seq


class WebSocket(_Socket):
    """The stock client of python-socketio."""

    name = "websocket"

    async def connect(self) -> None:
        self._events = asyncio.Queue()
        http = await self._session()
        sio = socketio.AsyncClient(reconnection=False, http_session=http)
        for name in ("notification", "removed", "synced", "state", "preferences", "goodbye"):
            sio.on(name, self._keep(name), namespace=NAMESPACE)
        sio.on("disconnect", self._keep("end"), namespace=NAMESPACE)
        refusals: list[Any] = []
        sio.on("connect_error", refusals.append, namespace=NAMESPACE)
        self._closing.push_async_callback(sio.disconnect)
        try:
            await sio.connect(
                next(self._urls),
                namespaces=[NAMESPACE],
                auth=self._auth,
                transports=["websocket"],
                wait_timeout=PATIENCE,
            )
        except SocketRefused:
            await self.close()
            raise Refused(refusals[0]["data"]["code"] if refusals else "unknown") from None

    def _keep(self, name: str) -> Callable[[Any], None]:
        return lambda data: self._events.put_nowait(Told(name, data))


class EnginePolling(_Socket):
    """Engine.IO long-polling by hand. The stock client handles the packets of one answer at the
    same time, so it cannot tell their order."""

    name = "engine-polling"

    async def connect(self) -> None:
        self._events = asyncio.Queue()
        http = await self._session()
        self._post = partial(http.post, f"{next(self._urls)}/socket.io/")
        self._get = partial(http.get, self._post.args[0])
        self._query = {"EIO": "4", "transport": "polling"}
        self._query["sid"] = orjson.loads((await self._packets())[0][1:])["sid"]
        polling = asyncio.create_task(self._poll())
        self._closing.push_async_callback(asyncio.wait, [polling])
        self._closing.callback(polling.cancel)
        await self._send(f"40{NAMESPACE},{orjson.dumps(self._auth).decode()}")
        connected = await self._events.get()
        if connected.name == "refused":
            await self.close()
            raise Refused(connected.data["data"]["code"])

    async def _poll(self) -> None:
        with suppress(aiohttp.ClientError):
            while self._query:
                for packet in await self._packets():
                    await self._take(packet)
        self._events.put_nowait(Told("end", None))

    async def _take(self, packet: str) -> None:
        kind, _, text = packet.partition(f"{NAMESPACE},")
        data = orjson.loads(text) if text else None
        match kind:
            case "2":
                await self._send("3")
            case "40":
                self._events.put_nowait(Told("connected", data))
            case "44":
                self._events.put_nowait(Told("refused", data))
            case "42":
                self._events.put_nowait(Told(*data))
            case "1":
                self._query.clear()

    async def _packets(self) -> list[str]:
        async with self._get(params=self._query) as response:
            response.raise_for_status()
            return (await response.text()).split("\x1e")

    async def _send(self, packet: str) -> None:
        async with self._post(params=self._query, data=packet) as response:
            response.raise_for_status()


class Stream(Client):
    """Server-Sent Events."""

    name = "sse"

    async def connect(self) -> None:
        http = await self._session()
        stream = await self._closing.enter_async_context(
            open_stream(
                http,
                f"{next(self._urls)}/v1/feed/stream",
                token=self._token(),
                last_id=None if self.cursor is None else str(self.cursor),
            )
        )
        if stream.response.status != 200:
            problem = await stream.response.json(content_type=None)
            await self.close()
            raise Refused(problem["code"])
        self._stream: EventStream = stream

    async def _next(self) -> Told:
        event = await self._stream.next(patience=PATIENCE)
        if event is None:
            return Told("end", None)
        self.cursor = Cursor.parse(event.id)
        return Told(event.name, event.data)


class LongPoll(Client):
    """Polls that wait, each at another node."""

    name, wait, pause = "long-poll", 25.0, 0.0

    @property
    def is_polling(self) -> bool:
        return True

    async def connect(self) -> None:
        self._http = await self._session()
        self._pending: list[tuple[Told, Cursor]] = []
        self._counts: dict[str, int] | None = None
        self._tag: str | None = None
        if not await self._poll(0):
            await self.close()
            raise Refused(self._pending[0][0].data["code"])

    async def _next(self) -> Told:
        while not self._pending:
            await asyncio.sleep(self.pause)
            await self._poll(self.wait)
        told, self.cursor = self._pending.pop(0)
        return told

    async def _poll(self, wait: float) -> bool:
        """Ask, and keep what is answered as events; False if the poll was refused."""
        query = {"wait": str(wait)} | ({} if self.cursor is None else {"since": str(self.cursor)})
        headers = {"Authorization": f"Bearer {self._token()}"}
        if self._tag is not None:
            headers["If-None-Match"] = self._tag
        async with self._http.get(
            f"{next(self._urls)}/v1/feed/poll", params=query, headers=headers
        ) as response:
            if response.status == 304:
                return True
            answer = await response.json(content_type=None)
            if response.status != 200:
                self._refuse(answer)
                return False
            self._tag = response.headers["ETag"]
        self._take(answer)
        return True

    def _refuse(self, problem: Any) -> None:
        here = self.cursor or Cursor()
        reason = {"unauthenticated": "revoked"}.get(problem["code"], problem["code"])
        goodbye = {"reason": reason, "code": problem["code"]}
        self._pending += [(Told("goodbye", goodbye), here), (Told("end", None), here)]

    def _take(self, answer: dict[str, Any]) -> None:
        """One event for each part of the answer, each with the place behind it."""
        here = Cursor(self.cursor or {})
        for item in answer["items"]:
            place = Ref.parse(item["id"])
            here = Cursor({**here, place.audience: place.seq})
            self._pending.append((Told("notification", item), here))
        there = Cursor.parse(answer["cursor"])
        if answer["removed"]:
            self._pending.append((Told("removed", {"ids": answer["removed"]}), there))
        counts = {name: answer[name] for name in ("unread", "unseen", "until")}
        if self._counts is None or not answer["recovered"]:
            synced = {"counts": counts, "recovered": answer["recovered"], "cursor": str(there)}
            self._pending.append((Told("synced", synced), there))
        elif counts != self._counts:
            self._pending.append((Told("state", {"counts": counts}), there))
        self._counts = counts
        if not self._pending:
            self.cursor = there


class ShortPoll(LongPoll):
    """Polls that do not wait, again and again."""

    name, wait, pause = "short-poll", 0.0, 0.03


class Hopping(Client):
    """Another transport each time, at random, with one cursor."""

    name = "hopping"

    def __init__(
        self,
        urls: Sequence[str],
        token: Token,
        cursor: Cursor | None = None,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(urls, token, cursor, tls=tls)
        self._nodes = list(urls)
        self._dice = random.Random(20261122)

    async def connect(self) -> None:
        transport = self._dice.choice([WebSocket, EnginePolling, Stream, LongPoll, ShortPoll])
        self._nodes.append(self._nodes.pop(0))
        self._client: Client = transport(self._nodes, self._token, self.cursor, tls=self._tls)
        await self._client.connect()

    @property
    def is_polling(self) -> bool:
        return self._client.is_polling

    async def _next(self) -> Told:
        told = await self._client._next()
        self.cursor = self._client.cursor
        return told

    async def close(self) -> None:
        await self._client.close()


TRANSPORTS = (WebSocket, EnginePolling, Stream, LongPoll, ShortPoll, Hopping)
