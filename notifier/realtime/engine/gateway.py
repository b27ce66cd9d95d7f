"""What HTTP requests become: handshakes, polls, posts and upgrades."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Protocol

import orjson
from aiohttp import web

from . import answers, reasons
from .connection import Connection
from .core import Host
from .errors import PayloadTooLarge, ProtocolError, Refused
from .packets import OPEN, Frame
from .requests import Environ, client_address, cors_headers, origin_allowed
from .upgrade import Upgrade
from .websocket import TakenOver, handshake_key, take_over

if TYPE_CHECKING:
    from .polling import Polling

logger = logging.getLogger(__name__)

VERSION = "4"
# A POST is answered with `ok` while the connection is open and when it was the one that closed it.
OK_AFTER = ("", reasons.CLIENT_DISCONNECT)


class Gate(Host, Protocol):
    """What a gateway needs of its engine."""

    def accepts(self, connection: Connection, environ: Mapping[str, str]) -> Awaitable[bool]:
        """Run the connect handler; False refuses the client."""

    def generate_id(self) -> str:
        """A new session id."""


class Gateway:
    """Answers the requests to an engine's path."""

    def __init__(self, host: Gate) -> None:
        self._host = host
        self._core = host.core

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one HTTP request of the protocol."""
        if not origin_allowed(request, self._core.options):
            return answers.error(answers.FORBIDDEN)
        response = await self._answer(request)
        if not isinstance(response, TakenOver):
            response.headers.update(cors_headers(request))
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(status=204)
        transport, sid = request.query.get("transport"), request.query.get("sid")
        if transport not in self._core.options.transports:
            return answers.error(answers.UNKNOWN_TRANSPORT)
        if sid is None:
            return await self._handshake(request, transport)
        connection = self._core.connections.get(sid)
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
            self._core.metrics.refused += 1
            return answers.refused(refusal)
        if connection is None:
            return answers.error(answers.FORBIDDEN)
        if accept is None:
            return self._open_polling(connection)
        return self._open_websocket(request, connection, accept)

    async def _open(self, request: web.Request) -> Connection | None:
        remote = client_address(request, self._core.options.trusted_hops)
        environ = Environ(request, remote)
        self._core.admission.admit(remote)
        connection = Connection(self._host, self._host.generate_id(), remote)
        self._core.connections[connection.sid] = connection
        self._core.metrics.opened += 1
        self._core.metrics.polling_connections += 1
        logger.info("connection %s opened from %s", connection.sid, remote)
        accepted = False
        try:
            accepted = await self._host.accepts(connection, environ)
        finally:
            if not accepted:
                connection.abort(reasons.REFUSED)
        return connection if accepted else None

    def _open_polling(self, connection: Connection) -> web.StreamResponse:
        upgrades = ["websocket"] if "websocket" in self._core.options.transports else []
        return answers.payload(self._opening(connection, upgrades).packet)

    def _open_websocket(
        self, request: web.Request, connection: Connection, accept: str
    ) -> web.StreamResponse:
        if connection.closed:
            return answers.error(answers.BAD_REQUEST)
        greeting = self._opening(connection, []).websocket
        if (socket := take_over(request, accept, self._core, connection, greeting)) is None:
            connection.abort(reasons.TRANSPORT_CLOSE)
            return answers.error(answers.BAD_REQUEST)
        connection.adopt(socket)
        return TakenOver()

    def _opening(self, connection: Connection, upgrades: list[str]) -> Frame:
        opening = {
            "sid": connection.sid,
            "upgrades": upgrades,
            "pingInterval": round(self._core.options.ping_interval * 1000),
            "pingTimeout": round(self._core.options.ping_timeout * 1000),
            "maxPayload": self._core.options.max_payload,
        }
        return Frame(OPEN + orjson.dumps(opening).decode())

    def _upgrade(self, request: web.Request, connection: Connection) -> web.StreamResponse:
        upgrade = Upgrade(self._core, connection)
        # One that comes too late is opened and closed: an HTTP error would be an exception in
        # clients that only listen for the end.
        allowed = connection.polling is not None and connection.upgrade is None
        try:
            owner = upgrade if allowed else None
            socket = take_over(request, handshake_key(request), self._core, owner)
        except ProtocolError:
            socket = None
        if socket is None:
            return answers.error(answers.BAD_REQUEST)
        if allowed:
            upgrade.begin(socket)
        else:
            socket.close(reasons.POLICY_VIOLATION, "already upgraded")
        return TakenOver()

    async def _exchange(self, request: web.Request, connection: Connection) -> web.StreamResponse:
        polling = connection.polling
        if polling is None:
            return answers.error(answers.BAD_REQUEST)
        try:
            if request.method == "GET":
                return await self._poll(request, connection, polling)
            if request.method == "POST":
                await polling.post(request, request.query.get("t"))
                if connection.reason in OK_AFTER:
                    return answers.ok()
        except PayloadTooLarge as error:
            connection.fail(error)
            return answers.too_large(error)
        except ProtocolError as error:
            connection.fail(error)
        except asyncio.CancelledError:
            # aiohttp was asked to tell us that the client has gone.
            connection.lost(reasons.TRANSPORT_CLOSE)
            raise
        return answers.error(answers.BAD_REQUEST)

    async def _poll(
        self, request: web.Request, connection: Connection, polling: Polling
    ) -> web.StreamResponse:
        body = await polling.poll(request.query.get("t"))
        if request.transport is None or request.transport.is_closing():
            # What was meant for this poll is lost: the client has to come back and say what it has.
            connection.lost(reasons.TRANSPORT_CLOSE)
        return answers.payload(body)
