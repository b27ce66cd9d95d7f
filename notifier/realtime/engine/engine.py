"""The engine: one Engine.IO server, attached to an aiohttp application."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from . import answers
from .admission import Admission
from .connection import CLIENT_DISCONNECT, POLICY_VIOLATION, TRANSPORT_CLOSE, Connection
from .core import Core
from .errors import PayloadTooLarge, ProtocolError, Refused, UnknownSession
from .options import EngineOptions
from .packets import MESSAGE, OPEN, Frame
from .requests import Environ, client_address, cors_headers, origin_allowed
from .upgrade import Upgrade
from .websocket import TakenOver, handshake_key, take_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .metrics import EngineMetrics
    from .polling import Polling

logger = logging.getLogger(__name__)

VERSION = "4"
EVENTS = ("connect", "message", "disconnect")
# Shutdown of few connections need not take as long as that of many.
FEW = 100
# The reason of a connection whose connect handler did not accept it: no disconnect handler is run.
REFUSED = "refused"

Handler = Callable[..., Awaitable[Any]]


class Engine:
    """An Engine.IO server, revision 4, on aiohttp.

    It can be used alone, or below `socketio.AsyncServer`, which sees it as `self.eio`. Handlers,
    all coroutine functions, are set with `on`:

    - `connect(sid, environ)`: a client asks to connect; False refuses it;
    - `message(sid, data)`: text or bytes came; the next message waits until this one is handled;
    - `disconnect(sid, reason)`: the connection has ended; called exactly once for each connect.

    A handler that raises ProtocolError closes the connection; other errors are logged.
    """

    async_mode = "aiohttp"

    def __init__(self, options: EngineOptions | None = None, **settings: Any) -> None:
        self.options = options or EngineOptions(**settings)
        self.core = Core.of(self.options)
        self.goodbye: Callable[[Connection, str], Frame | None] | None = None
        """Makes the last frame for a connection the server is about to close, given the reason."""
        self._handlers: dict[str, Handler] = {}
        self._connections: dict[str, Connection] = {}
        self._admission = Admission(self.options)

    @property
    def connections(self) -> Mapping[str, Connection]:
        """The open connections by session id."""
        return MappingProxyType(self._connections)

    @property
    def metrics(self) -> EngineMetrics:
        """Counters and gauges."""
        return self.core.metrics

    # Setting up

    def attach(self, app: web.Application, path: str = "engine.io") -> None:
        """Add the route `/path/` to the application, and the shutdown to its own."""
        app.router.add_route("*", f"/{path.strip('/')}/", self.handle_request)
        app.on_shutdown.append(self._on_shutdown)

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Set the handler of `connect`, `message` or `disconnect`; without one, a decorator."""
        if event not in EVENTS:
            raise ValueError(f"no such event: {event}")
        if handler is None:
            return lambda handler: self.on(event, handler)
        self._handlers[event] = handler
        return handler

    # Connections

    async def send(self, sid: str, data: str | bytes | list[Any] | dict[str, Any]) -> None:
        """Send a message; lists and dictionaries as JSON. Nothing happens if it is closed."""
        if (connection := self._connections.get(sid)) is not None:
            text = orjson.dumps(data).decode() if isinstance(data, (list, dict)) else data
            connection.send(Frame.message(text))

    async def send_packet(self, sid: str, packet: Any) -> None:
        """Send python-engineio's packet object, which has to be a message."""
        if str(packet.packet_type) != MESSAGE:
            raise ValueError("only messages can be sent")
        await self.send(sid, packet.data)

    async def disconnect(self, sid: str | None = None) -> None:
        """Close one connection, or all of them."""
        sids = list(self._connections) if sid is None else [sid]
        for each in sids:
            if (connection := self._connections.get(each)) is not None:
                connection.close()

    def transport(self, sid: str) -> str:
        """`"polling"` or `"websocket"`. UnknownSession if there is no such connection."""
        return self._connection(sid).transport

    async def get_session(self, sid: str) -> dict[str, Any]:
        """The application's data about a connection. UnknownSession if there is none."""
        return self._connection(sid).session

    async def save_session(self, sid: str, session: dict[str, Any]) -> None:
        """Replace that data. UnknownSession if there is no such connection."""
        self._connection(sid).session = session

    def session(self, sid: str) -> AbstractAsyncContextManager[dict[str, Any]]:
        """That data within `async with`, saved at its end."""

        @asynccontextmanager
        async def saved() -> AsyncIterator[dict[str, Any]]:
            session = await self.get_session(sid)
            yield session
            await self.save_session(sid, session)

        return saved()

    def claim(self, sid: str, key: Hashable, limit: int) -> bool:
        """Count a connection under a key (a user, say) until it ends.

        False, and not counted, if `limit` connections (0: any number) are counted already.
        UnknownSession if there is no such connection.
        """
        connection = self._connection(sid)
        if connection.closed or not self._admission.claim(key, limit):
            return False
        connection.add_claim(key)
        return True

    def generate_id(self) -> str:
        """A new session id: 120 random bits."""
        return secrets.token_urlsafe(15)

    # What python-socketio expects besides

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Run a coroutine function as a task."""
        return asyncio.create_task(target(*args, **kwargs))

    async def sleep(self, seconds: float = 0) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)

    def create_event(self) -> asyncio.Event:
        """An event of asyncio."""
        return asyncio.Event()

    # Requests

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Answer one HTTP request of the protocol."""
        if not origin_allowed(request, self.options):
            return answers.error(answers.FORBIDDEN)
        response = await self._answer(request)
        if not isinstance(response, TakenOver):
            response.headers.update(cors_headers(request))
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(status=204)
        transport, sid = request.query.get("transport"), request.query.get("sid")
        if transport not in self.options.transports:
            return answers.error(answers.UNKNOWN_TRANSPORT)
        if sid is None:
            return await self._handshake(request, transport)
        connection = self._connections.get(sid)
        if connection is None or connection.closed:
            return answers.error(answers.UNKNOWN_SESSION)
        if transport == "websocket":
            return self._upgrade(request, connection)
        return await self._exchange(request, connection)

    async def _handshake(self, request: web.Request, transport: str) -> web.StreamResponse:
        if request.method != "GET":
            return answers.error(answers.BAD_METHOD)
        if request.query.get("EIO") != VERSION:
            return answers.error(answers.UNSUPPORTED_VERSION)
        try:
            accept = handshake_key(request) if transport == "websocket" else None
            connection = await self._open(request)
        except ProtocolError:
            return answers.error(answers.BAD_REQUEST)
        except Refused as refusal:
            self.metrics.refused += 1
            return answers.refused(refusal)
        if connection is None:
            return answers.error(answers.FORBIDDEN)
        if accept is None:
            return self._open_polling(connection)
        return self._open_websocket(request, connection, accept)

    async def _open(self, request: web.Request) -> Connection | None:
        remote = client_address(request, self.options.trusted_hops)
        self._admission.admit(remote)
        connection = Connection(self, self.generate_id(), remote)
        self._connections[connection.sid] = connection
        self.metrics.opened += 1
        self.metrics.polling_connections += 1
        logger.info("connection %s opened from %s", connection.sid, remote)
        accepted = False
        try:
            accepted = await self._accepted(connection, Environ(request, remote))
        finally:
            if not accepted:
                connection.abort(REFUSED)
        return connection if accepted else None

    async def _accepted(self, connection: Connection, environ: Environ) -> bool:
        handler = self._handlers.get("connect")
        try:
            return handler is None or await handler(connection.sid, environ) is not False
        except Exception:
            logger.exception("the connect handler failed")
            return False

    def _open_polling(self, connection: Connection) -> web.StreamResponse:
        upgrades = ["websocket"] if "websocket" in self.options.transports else []
        return answers.payload(self._opening(connection, upgrades).packet)

    def _open_websocket(
        self, request: web.Request, connection: Connection, accept: str
    ) -> web.StreamResponse:
        if connection.closed:
            return answers.error(answers.BAD_REQUEST)
        if (socket := take_over(request, accept, self.core, connection)) is None:
            connection.abort(TRANSPORT_CLOSE)
            return answers.error(answers.BAD_REQUEST)
        self.metrics.polling_connections -= 1
        self.metrics.websocket_connections += 1
        socket.send(self._opening(connection, []))
        connection.adopt(socket)
        return TakenOver()

    def _opening(self, connection: Connection, upgrades: list[str]) -> Frame:
        opening = {
            "sid": connection.sid,
            "upgrades": upgrades,
            "pingInterval": round(self.options.ping_interval * 1000),
            "pingTimeout": round(self.options.ping_timeout * 1000),
            "maxPayload": self.options.max_payload,
        }
        return Frame(OPEN + orjson.dumps(opening).decode())

    def _upgrade(self, request: web.Request, connection: Connection) -> web.StreamResponse:
        upgrade = Upgrade(self.core, connection)
        # One that comes too late is opened and closed: an HTTP error would be an exception in
        # clients that only listen for the end.
        allowed = connection.polling is not None and not connection.upgrading
        try:
            owner = upgrade if allowed else None
            socket = take_over(request, handshake_key(request), self.core, owner)
        except ProtocolError:
            socket = None
        if socket is None:
            return answers.error(answers.BAD_REQUEST)
        if allowed:
            connection.begin_upgrade(upgrade)
            upgrade.begin(socket)
        else:
            socket.close(POLICY_VIOLATION, "already upgraded")
        return TakenOver()

    async def _exchange(self, request: web.Request, connection: Connection) -> web.StreamResponse:
        polling = connection.polling
        if polling is None:
            return answers.error(answers.BAD_REQUEST)
        try:
            if request.method == "GET":
                return await self._poll(request, connection, polling)
            if request.method == "POST":
                await polling.post(request)
                if connection.reason in OK_AFTER:
                    return answers.ok()
        except PayloadTooLarge as error:
            connection.fail(error)
            return answers.too_large(error)
        except ProtocolError as error:
            connection.fail(error)
        except asyncio.CancelledError:
            # aiohttp was asked to tell us that the client has gone.
            connection.lost(TRANSPORT_CLOSE)
            raise
        return answers.error(answers.BAD_REQUEST)

    async def _poll(
        self, request: web.Request, connection: Connection, polling: Polling
    ) -> web.StreamResponse:
        body = await polling.poll()
        if request.transport is None or request.transport.is_closing():
            # What was meant for this poll is lost: the client has to come back and say what it has.
            connection.lost(TRANSPORT_CLOSE)
        return answers.payload(body)

    # What connections tell the engine

    async def handle(self, connection: Connection, message: str | bytes) -> None:
        """Run the message handler."""
        handler = self._handlers.get("message")
        if handler is None:
            return
        try:
            await handler(connection.sid, message)
        except ProtocolError as error:
            connection.fail(error)
        except Exception:
            logger.exception("the message handler failed")

    def farewell(self, connection: Connection, reason: str) -> Frame | None:
        """The last frame for a connection that the server closes."""
        try:
            return None if self.goodbye is None else self.goodbye(connection, reason)
        except Exception:
            logger.exception("no goodbye could be made")
            return None

    def closed(self, connection: Connection) -> None:
        """A connection has closed: stop counting it."""
        if connection.polling is None:
            self.metrics.websocket_connections -= 1
        else:
            self.metrics.polling_connections -= 1
        reason = connection.reason
        self.metrics.closes[reason] = self.metrics.closes.get(reason, 0) + 1
        self._admission.leave(connection.remote)
        for key in connection.claims:
            self._admission.release(key)
        logger.info("connection %s closed: %s", connection.sid, reason)

    async def ended(self, connection: Connection) -> None:
        """Run the disconnect handler, after the last message was handled, and forget it all."""
        handler = self._handlers.get("disconnect")
        try:
            if handler is not None and connection.reason != REFUSED:
                await handler(connection.sid, connection.reason)
        except Exception:
            logger.exception("the disconnect handler failed")
        finally:
            self._connections.pop(connection.sid, None)

    def _connection(self, sid: str) -> Connection:
        try:
            return self._connections[sid]
        except KeyError:
            raise UnknownSession(sid) from None

    # Shutdown

    async def shutdown(self) -> None:
        """Refuse new connections and close all others, in random order, with code 1001.

        Takes about `drain_seconds` when there are many, and at most `shutdown_seconds`: what is
        not gone by then is cut. May be called again.
        """
        self._admission.draining = True
        loop = asyncio.get_running_loop()
        end = loop.time() + self.options.shutdown_seconds
        await self._close_all()
        # A bounded wait for many, not for one event.
        while loop.time() < end and (self._connections or self.core.lingering):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        for socket in list(self.core.lingering):
            socket.abort()
        tasks = [connection.stop() for connection in self._connections.values()]
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)

    async def _close_all(self) -> None:
        connections = list(self._connections.values())
        random.shuffle(connections)
        pause = self.options.drain_seconds / max(len(connections), FEW)
        for connection in connections:
            connection.close(reason="server shutdown")
            await asyncio.sleep(pause)

    async def _on_shutdown(self, app: web.Application) -> None:
        await self.shutdown()


# A POST is answered with `ok` while the connection is open and when it was the one that closed it.
OK_AFTER = ("", CLIENT_DISCONNECT)
