"""The Redis manager: rooms that reach over all nodes, and the bus that carries entries.

Every room has a channel of its own, ``notifier:room:<room>``, which a node hears only while it has
a local member: a node's cost follows the traffic of its own users. A message is a line of JSON that
says what it is, and a body: an entry's content exactly as clients get it, or an event.

Unlike python-socketio's own Redis manager this one never moves clients between rooms and never
disconnects them because of what a message says: whoever can write to Redis can send events, not
more. Callbacks and events to a single connection stay on the node that has the connection.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from typing import Any

import orjson

from notifier.core.models import MAX_SEQ, Entry, Kind, Notification, Priority, is_name
from notifier.core.validity import REVOKED
from notifier.realtime.channels import RedisChannels
from notifier.realtime.engine import Frame
from notifier.realtime.events import RESERVED
from notifier.realtime.hub import Hub
from notifier.realtime.rooms import Rooms, arguments_of

logger = logging.getLogger(__name__)

TOLD_SECONDS = 1.0
"""Between two lines about senseless messages: who can write to Redis must not fill our log."""

_TOLD = frozenset({"state", "preferences", REVOKED})
"""What nodes tell each other about a user. Streams pass a name on as it is."""


class RedisManager(Rooms):
    """A client manager for ``socketio.AsyncServer`` whose rooms span all nodes.

    Rooms of ``namespace`` are the audiences; rooms of other namespaces work the same way.
    ``hub`` takes the entries and events that other nodes announce. It is also the hub's
    ``Channels``, and a ``Bus`` for the domain.
    """

    def __init__(self, channels: RedisChannels, *, prefix: str, namespace: str) -> None:
        super().__init__()
        self.hub: Hub | None = None
        self._channels = channels
        self._prefix = f"{prefix}:room:"
        self._namespace = namespace
        self._everywhere = f"{prefix}:nodes"
        self._told_at = float("-inf")
        self._from_here = b'{"node":"%b"' % channels.node.encode()
        """How messages of this node begin: most of what it hears are its own."""
        self.room_opened = self._hear_room
        self.room_closed = self._forget_room
        channels.on_message = self._receive
        channels.on_gap = self._repair
        channels.hear([self._everywhere])

    # Channels of the hub

    @property
    def healthy(self) -> bool:
        return self._channels.healthy

    async def listen(self, audiences: Collection[str]) -> None:
        await self._channels.want([self._prefix + audience for audience in audiences])

    def unlisten(self, audiences: Collection[str]) -> None:
        self._channels.unwant([self._prefix + audience for audience in audiences])

    # Bus of the domain

    def announce(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if self.hub is not None:
                self.hub.deliver(entry)
            self._send(
                self._prefix + entry.audience, _entry_head(entry), entry.notification.content
            )

    def tell(self, user: str, event: str, data: Any, *, skip: str | None = None) -> None:
        if self.hub is not None:
            self.hub.tell(user, event, data, skip)
        head = {"what": "tell", "user": user, "event": event, "skip": skip}
        self._send(f"{self._prefix}user:{user}", head, orjson.dumps(data))

    # Room API of python-socketio

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str | None = None,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **options: Any,
    ) -> None:
        """Emit to a room on every node, or to everybody in the namespace on every node.

        With a callback, or to a single connection, the event goes to this node's clients only.
        The data must be JSON: nodes exchange no binary attachments.
        """
        namespace, room = namespace or "/", to or room
        arguments = orjson.dumps([event, *arguments_of(data)])
        await super().emit(
            event, data, namespace=namespace, room=room, skip_sid=skip_sid, callback=callback
        )
        if callback is not None or options.get("ignore_queue"):
            return
        for one in room if isinstance(room, list | tuple) else [room]:
            if isinstance(one, str) and self.is_sid_room(namespace, one):
                continue
            head = {"what": "emit", "namespace": namespace, "room": one, "skip": skip_sid}
            channel = self._everywhere if one is None else self._channel(namespace, one)
            self._send(channel, head, arguments)

    # Messages

    def _channel(self, namespace: str, room: str) -> str:
        return self._prefix + (room if namespace == self._namespace else f"{namespace},{room}")

    def _send(self, channel: str, head: dict[str, Any], body: bytes) -> None:
        line = b"%b,%b" % (self._from_here, orjson.dumps(head)[1:])
        self._channels.send(channel, line + b"\n" + body)

    def _receive(self, channel: str, payload: bytes) -> None:
        """Take a message from another node. One that makes no sense is dropped and counted."""
        try:
            if payload.startswith(self._from_here):
                return
            line, _, body = payload.partition(b"\n")
            head = orjson.loads(line)
            self._handle(channel.removeprefix(self._prefix), head, body)
        except Exception as error:
            self._channels.metrics.senseless += 1
            self._tell_drop(channel, error)

    def _tell_drop(self, channel: str, error: Exception) -> None:
        now = time.monotonic()
        if now - self._told_at >= TOLD_SECONDS:
            self._told_at = now
            total, reason = self._channels.metrics.senseless, type(error).__name__
            logger.warning("dropped a message on %r: %s; %d so far", channel, reason, total)

    def _handle(self, room: str, head: dict[str, Any], body: bytes) -> None:
        what = head["what"]
        if what == "entry" and self.hub is not None:
            self.hub.deliver(_entry(room, head, body))
        elif what == "tell" and self.hub is not None:
            user, event, data = head["user"], head["event"], orjson.loads(body)
            if not is_name(user) or event not in _TOLD or not isinstance(data, dict):
                raise ValueError
            self.hub.tell(user, event, data, head["skip"])
        elif what == "emit":
            namespace, (event, *arguments) = head["namespace"], orjson.loads(body)
            prefix = "" if namespace == "/" else f"{namespace},"
            text = orjson.dumps([_event(event), *arguments]).decode()
            frame = Frame.message(f"2{prefix}{text}")
            skip = head["skip"] if isinstance(head["skip"], list) else [head["skip"]]
            self.send(namespace, head["room"], frame, skip=skip)

    def _repair(self, channels: Collection[str]) -> None:
        if self.hub is not None:
            self.hub.catch_up(
                [c.removeprefix(self._prefix) for c in channels if c.startswith(self._prefix)]
            )

    # Which rooms to hear of

    def _hear_room(self, namespace: str, room: str) -> None:
        self._channels.hear([self._channel(namespace, room)])

    def _forget_room(self, namespace: str, room: str) -> None:
        self._channels.unwant([self._channel(namespace, room)])


def _event(name: object) -> str:
    """The name of an event as clients take it; at any other they would close their connection."""
    if not isinstance(name, str) or name in RESERVED:
        raise ValueError
    return name


def _entry_head(entry: Entry) -> dict[str, Any]:
    notification = entry.notification
    return {
        "what": "entry",
        "seq": entry.seq,
        "id": notification.id,
        "kind": notification.kind,
        "type": notification.type,
        "priority": notification.priority,
        "publisher": notification.publisher,
        "created_at": notification.created_at,
        "expires_at": notification.expires_at,
        "excluded": list(notification.excluded),
        "copies": notification.copies,
        "silent": entry.silent,
    }


def _entry(audience: str, head: dict[str, Any], content: bytes) -> Entry:
    """Read an entry; any error if it is none. What is no JSON would end clients' connections."""
    if type(head["seq"]) is not int or not isinstance(head["type"], str):
        raise TypeError
    if not 1 <= head["seq"] <= MAX_SEQ:
        raise ValueError
    notification = Notification(
        id=head["id"],
        kind=Kind(head["kind"]),
        type=head["type"],
        priority=Priority(head["priority"]),
        publisher=head["publisher"],
        created_at=head["created_at"],
        expires_at=head["expires_at"],
        excluded=frozenset(head["excluded"]),
        copies=head["copies"],
        content=content,
    )
    entry = Entry(audience, head["seq"], notification, head["silent"] is True)
    orjson.loads(entry.wire())
    return entry
