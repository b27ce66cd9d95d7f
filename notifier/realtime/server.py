"""The Socket.IO server: python-socketio's, on our engine, with every door closed that is not asked
for."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import socketio
from socketio import exceptions

from .engine import Connection, Engine, EngineOptions, ProtocolError
from .events import Events
from .packet import ACK, BINARY_EVENT, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Packet
from .rooms import Rooms

logger = logging.getLogger(__name__)

# python-socketio reports each emitted event at INFO: connections are logged, messages are not.
quiet = logging.getLogger(f"{__name__}.socketio")
quiet.setLevel(logging.WARNING)

# The protocol's bound on a client: what it announces is held until it has come.
MAX_ATTACHMENTS = 10
POLICY_VIOLATION = 1008

Connected = Callable[[str], Awaitable[None]]
UnknownEvent = Callable[[str, str], Awaitable[Any]]


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]
    """`socketio.AsyncServer` on an `Engine`, for clients nobody trusts.

    - One connection's events are handled strictly in order.
    - Only events with a handler reach one: those registered with `on`, or those a namespace class
      names in `events` (without that attribute: its `on_...` methods). Others go to what
      `on_unknown_event` set, or nowhere.
    - A malformed packet closes the connection at once.
    - A connection that is in no namespace for `connect_timeout` seconds, or was refused
      `connect_attempts` times, is closed.

    `options` are those of the engine.
    """

    manager: Rooms
    eio: Engine

    def __init__(
        self,
        rooms: Rooms | None = None,
        options: EngineOptions | None = None,
        *,
        namespaces: Collection[str] = (),
        connect_timeout: float = 10.0,
        connect_attempts: int = 3,
    ) -> None:
        self._options = options or EngineOptions()
        self._connect_timeout = connect_timeout
        self._connect_attempts = connect_attempts
        self._failures: dict[str, int] = {}
        self._incomplete: dict[str, tuple[Packet, int]] = {}
        self._unknown_event: dict[str, UnknownEvent] = {}
        self._connected: dict[str, Connected] = {}
        super().__init__(
            client_manager=rooms or Rooms(), logger=quiet, serializer=Packet, async_handlers=False
        )
        self.namespaces = namespaces
        self._events = Events(self.handlers)

    def _engineio_server_class(self) -> Callable[..., Engine]:
        return lambda **_: Engine(self._options)

    # Handlers

    def register_namespace(self, namespace_handler: socketio.AsyncNamespace) -> None:
        """Serve a class-based namespace; see the class for which of its methods are events."""
        super().register_namespace(namespace_handler)
        self._events.register(namespace_handler)

    def on_unknown_event(self, namespace: str, handler: UnknownEvent) -> None:
        """Set what is called for an event without a handler: `await handler(sid, event)`.

        Its result is the acknowledgement, if the client asked for one.
        """
        self._unknown_event[namespace] = handler

    def on_connected(self, namespace: str, handler: Connected) -> None:
        """Set what is called once a client knows that it is connected: `await handler(sid)`.

        The client's own events wait until it returns.
        """
        self._connected[namespace] = handler

    # What the engine tells

    async def _handle_eio_connect(self, eio_sid: str, environ: Any) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        self._expect_namespace(eio_sid)

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        packet = self._assemble(eio_sid, data)
        if packet is None:
            return
        namespace, kind = packet.namespace, packet.packet_type
        if kind == CONNECT:
            await self._handle_connect(eio_sid, namespace, packet.data)
        elif kind == DISCONNECT:
            await self._handle_disconnect(eio_sid, namespace, self.reason.CLIENT_DISCONNECT)
            self._expect_namespace(eio_sid)
        elif kind in (EVENT, BINARY_EVENT):
            await self._handle_event(eio_sid, namespace, packet.id, packet.arguments)
        else:
            await self._handle_ack(eio_sid, namespace, packet.id, packet.arguments)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        self._incomplete.pop(eio_sid, None)
        self._failures.pop(eio_sid, None)
        await super()._handle_eio_disconnect(eio_sid, reason)

    def _assemble(self, eio_sid: str, data: str | bytes) -> Packet | None:
        """The packet that is complete with this message, None if attachments are missing."""
        packet, size = self._incomplete.pop(eio_sid, (None, 0))
        if isinstance(data, str):
            if packet is not None:
                raise ProtocolError("an attachment is missing")
            packet = Packet.read(data, MAX_ATTACHMENTS)
        elif packet is None:
            raise ProtocolError("unexpected attachment")
        else:
            packet.attachments.append(data)
        size += len(data)
        if size > self._options.max_payload:
            raise ProtocolError("too much attached", 1009)
        if packet.complete:
            return packet
        self._incomplete[eio_sid] = (packet, size)
        return None

    # Connecting

    async def _handle_connect(self, eio_sid: str, namespace: str, data: Any) -> None:
        if not self._serves(namespace):
            await self._refuse(eio_sid, namespace, {"message": "Invalid namespace"})
            return
        sid = await self.manager.pre_connect(eio_sid, namespace)
        if sid is None:
            await self._refuse(eio_sid, namespace, {"message": "Already connected"})
            return
        self._keep(eio_sid)
        refusal: dict[str, Any] | None = {"message": "Internal error"}
        try:
            refusal = await self._ask(eio_sid, namespace, sid, data)
        finally:
            if refusal is not None:
                await self.manager.disconnect(sid, namespace, ignore_queue=True)
        if refusal is not None:
            await self._refuse(eio_sid, namespace, refusal)
            return
        await self._send_packet(eio_sid, Packet(CONNECT, data={"sid": sid}, namespace=namespace))
        await self.manager.connect(sid, namespace)
        await self._greet(sid, namespace)

    async def _greet(self, sid: str, namespace: str) -> None:
        if (handler := self._connected.get(namespace)) is not None:
            try:
                await handler(sid)
            except Exception:
                logger.exception("the connected handler of %s failed", namespace)

    async def _ask(
        self, eio_sid: str, namespace: str, sid: str, data: Any
    ) -> dict[str, Any] | None:
        """Run the connect handler; returns why the client is refused, None if it is not."""
        arguments = (sid, self.environ[eio_sid], data)
        try:
            accepted = await self._trigger_event("connect", namespace, *arguments)
        except exceptions.ConnectionRefusedError as refusal:
            return dict(refusal.error_args)
        except ConnectionRefusedError:
            return {"message": "Connection refused by server"}
        except Exception:
            logger.exception("the connect handler of %s failed", namespace)
            return {"message": "Internal error", "data": {"code": "internal"}}
        return {"message": "Connection rejected by server"} if accepted is False else None

    async def _refuse(self, eio_sid: str, namespace: str, error: dict[str, Any]) -> None:
        await self._send_packet(eio_sid, Packet(CONNECT_ERROR, data=error, namespace=namespace))
        failures = self._failures[eio_sid] = self._failures.get(eio_sid, 0) + 1
        connection = self.eio.connections.get(eio_sid)
        if connection is not None and failures >= self._connect_attempts:
            connection.close(POLICY_VIOLATION, "too many attempts")
        self._expect_namespace(eio_sid)

    def _serves(self, namespace: str) -> bool:
        return (
            namespace in self.handlers
            or namespace in self.namespace_handlers
            or namespace in self.namespaces
        )

    def _keep(self, eio_sid: str) -> None:
        """It is our turn now: however long we take, the client has asked in time."""
        if (connection := self.eio.connections.get(eio_sid)) is not None:
            connection.keep()

    def _expect_namespace(self, eio_sid: str) -> None:
        connection: Connection | None = self.eio.connections.get(eio_sid)
        if connection is not None and not self.manager.in_any_namespace(eio_sid):
            connection.close_after(self._connect_timeout, "no namespace")

    # Connections of clients

    def connection(self, sid: str, namespace: str) -> Connection | None:
        """The connection of a client, None if it is not here."""
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace)
        return None if eio_sid is None else self.eio.connections.get(eio_sid)

    async def drained(self, sid: str, namespace: str) -> None:
        """Wait until the client has read most of what was sent to it, or is gone."""
        if (connection := self.connection(sid, namespace)) is not None:
            await connection.drained()

    def close_transport(self, sid: str, namespace: str, reason: str, *, drop: bool = False) -> None:
        """Close a client's whole connection with 1001, after which Socket.IO clients reconnect.

        `drop`: what waits for its reader is not sent any more. `disconnect` takes it out of the
        namespace instead, after which they do not.
        """
        if (connection := self.connection(sid, namespace)) is not None:
            connection.close(reason=reason, drop=drop)

    # Disconnecting

    async def _handle_disconnect(
        self, eio_sid: str, namespace: str, reason: str | None = None
    ) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if sid is not None and self.manager.is_connected(sid, namespace):
            self.manager.pre_disconnect(sid, namespace)
            await self._leave(sid, namespace, reason or self.reason.CLIENT_DISCONNECT)

    async def disconnect(
        self, sid: str, namespace: str | None = None, ignore_queue: bool = False
    ) -> None:
        """Disconnect a client from a namespace. Its transport stays open for others."""
        namespace = namespace or "/"
        if ignore_queue:
            here = self.manager.is_connected(sid, namespace)
        else:
            here = await self.manager.can_disconnect(sid, namespace)
        if not here:
            return
        eio_sid = self.manager.pre_disconnect(sid, namespace)
        await self._send_packet(eio_sid, Packet(DISCONNECT, namespace=namespace))
        await self._leave(sid, namespace, self.reason.SERVER_DISCONNECT)
        self._expect_namespace(str(eio_sid))

    async def _leave(self, sid: str, namespace: str, reason: str) -> None:
        try:
            await self._trigger_event("disconnect", namespace, sid, reason)
        except Exception:
            logger.exception("the disconnect handler of %s failed", namespace)
        finally:
            await self.manager.disconnect(sid, namespace, ignore_queue=True)

    # Events

    async def _handle_event(
        self, eio_sid: str, namespace: str, id: int | None, data: list[Any]
    ) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if sid is None or not self.manager.is_connected(sid, namespace):
            return
        event, *arguments = data
        try:
            result = await self._call(event, namespace, sid, arguments)
            if id is not None and result is not self.not_handled:
                await self._acknowledge(eio_sid, namespace, id, result)
        except Exception:
            logger.exception("a handler of %s failed", namespace)

    async def _call(self, event: str, namespace: str, sid: str, arguments: list[Any]) -> Any:
        if (handler := self._events.find(namespace, event, len(arguments))) is not None:
            result = handler(sid, *arguments)
            return await result if inspect.isawaitable(result) else result
        unknown_event = self._unknown_event.get(namespace)
        return self.not_handled if unknown_event is None else await unknown_event(sid, event)

    async def _acknowledge(self, eio_sid: str, namespace: str, id: int, result: Any) -> None:
        data = list(result) if isinstance(result, tuple) else [] if result is None else [result]
        await self._send_packet(eio_sid, Packet(ACK, namespace=namespace, id=id, data=data))

    async def _handle_ack(
        self, eio_sid: str, namespace: str, id: int | None, data: list[Any]
    ) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if sid is None:
            return
        try:
            await self.manager.trigger_callback(sid, id, data)
        except Exception:
            logger.exception("an acknowledgement callback failed")
