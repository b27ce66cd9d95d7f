"""The engine: one Engine.IO server, attached to an aiohttp application."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from . import reasons
from .admission import site
from .connection import Connection
from .core import Core
from .errors import ProtocolError, Refused, UnknownSession
from .gateway import Gateway
from .options import EngineOptions
from .packets import MESSAGE, Frame
from .pulse import Pulse
from .requests import client_address, origin_allowed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from .metrics import EngineMetrics

logger = logging.getLogger(__name__)

EVENTS = ("connect", "message", "disconnect")
# Shutdown of few connections need not take as long as that of many.
FEW = 100

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
        self._gateway = Gateway(self)

    @property
    def connections(self) -> Mapping[str, Connection]:
        """The open connections by session id."""
        return MappingProxyType(self.core.connections)

    @property
    def metrics(self) -> EngineMetrics:
        """Counters and gauges."""
        return self.core.metrics

    # Setting up

    def attach(self, app: web.Application, path: str = "engine.io") -> None:
        """Add the route `/path/` to the application, and the shutdown to its own."""
        app.router.add_route("*", f"/{path.strip('/')}/", self.handle_request)
        app.cleanup_ctx.append(self._measuring)
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
        if (connection := self.core.connections.get(sid)) is not None:
            text = orjson.dumps(data).decode() if isinstance(data, (list, dict)) else data
            connection.send(Frame.message(text))

    async def send_packet(self, sid: str, packet: Any) -> None:
        """Send python-engineio's packet object, which has to be a message."""
        if str(packet.packet_type) != MESSAGE:
            raise ValueError("only messages can be sent")
        await self.send(sid, packet.data)

    async def disconnect(self, sid: str | None = None) -> None:
        """Close one connection, or all of them."""
        sids = list(self.core.connections) if sid is None else [sid]
        for each in sids:
            if (connection := self.core.connections.get(each)) is not None:
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
        """Count a connection under a key (a user, say), once, until it ends.

        False, and not counted, if `limit` connections (0: any number) are counted already.
        UnknownSession if there is no such connection.
        """
        connection = self._connection(sid)
        if key in connection.claims:
            return True
        if connection.closed or not self.core.admission.claim(key, limit):
            return False
        connection.claims = (*connection.claims, key)
        return True

    @contextmanager
    def seat(self, request: web.Request, key: Hashable, limit: int) -> Iterator[None]:
        """Count another request that is held open, as a connection under this key, for the block.

        Raises Refused when there are too many, or during shutdown.
        """
        address = client_address(request, self.options.trusted_hops)
        self.core.admission.hold(address)
        try:
            if not self.core.admission.claim(key, limit):
                raise Refused("too many connections", self.options.retry_after)
            try:
                yield
            finally:
                self.core.admission.release(key)
        finally:
            self.core.admission.leave(address)

    def peer(self, request: web.Request) -> str:
        """What the client of a request is counted as: its address, of IPv6 its network."""
        return site(client_address(request, self.options.trusted_hops))

    def allows(self, request: web.Request) -> bool:
        """Whether the page that a request comes from, if from one, may call this server."""
        return origin_allowed(request, self.options)

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
        return await self._gateway.answer(request)

    # What connections tell the engine

    async def accepts(self, connection: Connection, environ: Mapping[str, str]) -> bool:
        """Run the connect handler; False refuses the client."""
        handler = self._handlers.get("connect")
        try:
            return handler is None or await handler(connection.sid, environ) is not False
        except Exception:
            logger.exception("the connect handler failed")
            return False

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
        self.core.admission.leave(connection.remote)
        for key in connection.claims:
            self.core.admission.release(key)
        logger.info("connection %s closed: %s", connection.sid, reason)

    async def ended(self, connection: Connection) -> None:
        """Run the disconnect handler, after the last message was handled, and forget it all."""
        handler = self._handlers.get("disconnect")
        try:
            if handler is not None and connection.reason != reasons.REFUSED:
                await handler(connection.sid, connection.reason)
        except Exception:
            logger.exception("the disconnect handler failed")
        finally:
            self.core.connections.pop(connection.sid, None)

    def _connection(self, sid: str) -> Connection:
        try:
            return self.core.connections[sid]
        except KeyError:
            raise UnknownSession(sid) from None

    # Shutdown

    async def shutdown(self) -> None:
        """Refuse new connections and close all others, in random order, with code 1001.

        Takes about `drain_seconds` when there are many, and at most `shutdown_seconds`: what is
        not gone by then is cut. May be called again.
        """
        self.core.admission.draining = True
        loop = asyncio.get_running_loop()
        end = loop.time() + self.options.shutdown_seconds
        await self._close_all()
        # A bounded wait for many, not for one event.
        while loop.time() < end and (self.core.connections or self.core.lingering):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        for socket in list(self.core.lingering):
            socket.abort()
        tasks = [connection.stop() for connection in self.core.connections.values()]
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)

    async def _close_all(self) -> None:
        connections = list(self.core.connections.values())
        random.shuffle(connections)
        pause = self.options.drain_seconds / max(len(connections), FEW)
        for connection in connections:
            connection.close(reason=reasons.SERVER_SHUTDOWN)
            await asyncio.sleep(pause)

    async def _on_shutdown(self, app: web.Application) -> None:
        await self.shutdown()

    async def _measuring(self, app: web.Application) -> AsyncIterator[None]:
        pulse = Pulse(self.metrics)
        pulse.start()
        yield
        pulse.stop()
