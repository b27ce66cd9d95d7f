"""Who is in which room, on this node: python-socketio's manager with plain sets.

A frame for a room is built once and the same bytes are written to every member. Entering, leaving
and disconnecting cost what the member's own rooms cost, never what all rooms cost.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import socketio

from .engine import Frame
from .members import CONNECTED, CONNECTING, LEAVING, Keep, Member, Space
from .packet import EVENT


class Rooms(socketio.AsyncManager):  # type: ignore[misc]
    """The rooms of a `SocketServer`, with the public API of `socketio.AsyncManager`.

    `room_opened(namespace, room)` is called when the first local member enters a room and
    `room_closed(namespace, room)` after the last one left; the rooms named like a sid are silent.
    """

    def __init__(self) -> None:
        super().__init__()
        self._spaces: dict[str, Space] = {}
        self.room_opened: Callable[[str, str], None] | None = None
        self.room_closed: Callable[[str, str], None] | None = None

    # Sending

    def send(
        self,
        namespace: str,
        room: str | None,
        frame: Frame,
        *,
        skip: Collection[str] = (),
        only: Collection[str] | None = None,
        tag: object = None,
    ) -> int:
        """Write a frame to every member of a room (None: of the namespace), without waiting.

        Sids in `skip`, and if `only` is given those not in it, are left out; then it costs what
        `only` costs, not the room. Returns to how many it went, those that hold it included.
        """
        if only is None:
            members = list(self._in_room(namespace, room))
        else:
            members = self._chosen(namespace, room, only)
        if skip:
            members = [member for member in members if member.sid not in skip]
        limit = self._limit
        for member in members:
            member.deliver(room, tag, frame, limit)
        return len(members)

    def send_to(self, namespace: str, sid: str, frame: Frame, tag: object = None) -> bool:
        """Write a frame to one client; False if it is not here. Without a tag it is never held."""
        member = self._member(sid, namespace)
        if member is None:
            return False
        if tag is None:
            member.connection.send(frame)
        else:
            member.deliver(None, tag, frame, self._limit)
        return True

    def hold(self, namespace: str, sid: str) -> None:
        """Keep what goes to this client's rooms until `release`, up to the outbox limit."""
        if (member := self._member(sid, namespace)) is not None:
            member.hold()

    def release(self, namespace: str, sid: str, keep: Keep) -> None:
        """End the holding: write, in order, what `keep(room, tag)` says is still wanted."""
        if (member := self._member(sid, namespace)) is not None:
            member.release(keep)

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: str | Collection[str] | None = None,
        skip_sid: str | list[str] | None = None,
        callback: Callable[..., Any] | None = None,
        to: str | Collection[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Emit an event to a client, a room, several rooms or (None) the whole namespace."""
        skip = skip_sid if isinstance(skip_sid, list) else [] if skip_sid is None else [skip_sid]
        arguments = [event, *arguments_of(data)]
        target = to or room
        if callback is not None:
            self._emit_with_ack(arguments, namespace, target, skip, callback)
            return
        frames = self._frames(namespace, arguments)
        if isinstance(target, str) and self.is_sid_room(namespace, target):
            for frame in frames if target not in skip else ():
                self.send_to(namespace, target, frame)
        elif target is None or isinstance(target, str):
            for frame in frames:
                self.send(namespace, target, frame, skip=skip)
        else:
            for member in self._in_rooms(namespace, target):
                for frame in frames if member.sid not in skip else ():
                    member.deliver(None, None, frame, self._limit)

    def _emit_with_ack(
        self,
        arguments: list[Any],
        namespace: str,
        target: str | Collection[str] | None,
        skip: list[str],
        callback: Callable[..., Any],
    ) -> None:
        for sid, _ in self.get_participants(namespace, target):
            if sid not in skip:
                ack = self._generate_ack_id(sid, callback)
                for frame in self._frames(namespace, arguments, ack):
                    self.send_to(namespace, sid, frame)

    def _frames(self, namespace: str, arguments: list[Any], ack: int | None = None) -> list[Frame]:
        encoded = self.server.packet_class(
            EVENT, namespace=namespace, data=arguments, id=ack
        ).encode()
        parts = encoded if isinstance(encoded, list) else [encoded]
        return [Frame.message(part) for part in parts]

    @property
    def _limit(self) -> int:
        return self.server.eio.options.outbox_bytes  # type: ignore[no-any-return]

    # Members

    async def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        """Add a client that asks to connect; None if it is in the namespace already."""
        space = self._spaces.setdefault(namespace, Space())
        connection = self.server.eio.connections.get(eio_sid)
        if connection is None or eio_sid in space.by_connection:
            self._drop_if_empty(namespace)
            return None
        member = Member(self.server.eio.generate_id(), connection)
        space.add(member)
        return member.sid

    async def connect(self, sid: str, namespace: str) -> str | None:
        """The client is accepted; what its rooms got meanwhile is written, unless it is held."""
        if (member := self._member(sid, namespace)) is not None:
            member.connected()
        return sid

    def is_pre_connected(self, sid: str, namespace: str) -> bool:
        """True while the client waits to be accepted."""
        member = self._member(sid, namespace)
        return member is not None and member.state == CONNECTING

    def is_connected(self, sid: str | None, namespace: str) -> bool:
        """True from when the client was accepted until it leaves."""
        member = None if sid is None else self._member(sid, namespace)
        return member is not None and member.state == CONNECTED

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        """The client leaves; its rooms are kept until its disconnect handler has run."""
        if (member := self._member(sid, namespace)) is None:
            return None
        member.state = LEAVING
        return member.connection.sid

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """Take the client out of its rooms and the namespace."""
        if (member := self._member(sid, namespace)) is None:
            return
        for room in list(member.rooms):
            self._leave(member, namespace, room)
        self._spaces[namespace].remove(member)
        self.callbacks.pop(sid, None)
        self._drop_if_empty(namespace)

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        """The sid that a connection has in a namespace."""
        space = self._spaces.get(namespace)
        member = None if space is None else space.by_connection.get(eio_sid)
        return None if member is None else member.sid

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        """The connection of a client."""
        member = self._member(sid, namespace)
        return None if member is None else member.connection.sid

    def in_any_namespace(self, eio_sid: str) -> bool:
        """True if the connection is in at least one namespace."""
        return any(eio_sid in space.by_connection for space in self._spaces.values())

    async def trigger_callback(self, sid: str, id: int | None, data: list[Any]) -> None:
        """Run the callback of an emitted event, once. An acknowledgement nobody awaits is dropped.

        python-socketio keeps the counter of the ids under the id 0.
        """
        callbacks = self.callbacks.get(sid, {})
        if not id or id not in callbacks:
            return
        result = callbacks.pop(id)(*data)
        if inspect.isawaitable(result):
            await result

    # Rooms

    def basic_enter_room(
        self, sid: str, namespace: str, room: str, eio_sid: str | None = None
    ) -> None:
        """Put the client into a room. ValueError if it is not connected or the room is a sid."""
        if (member := self._member(sid, namespace)) is None:
            raise ValueError("sid is not connected to requested namespace")
        if room == sid:
            return
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot enter a sid room")
        first = self._spaces[namespace].enter(member, room)
        if first and self.room_opened is not None:
            self.room_opened(namespace, room)

    def basic_leave_room(self, sid: str, namespace: str, room: str) -> None:
        """Take the client out of a room; nothing happens if it is not in there."""
        member = self._member(sid, namespace)
        if member is not None and room in member.rooms:
            self._leave(member, namespace, room)

    def basic_close_room(self, room: str, namespace: str) -> None:
        """Take every client out of a room. ValueError if the room is a sid."""
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot close a sid room")
        for member in list(self._in_room(namespace, room)):
            self._leave(member, namespace, room)

    def is_sid_room(self, namespace: str, room: str | None) -> bool:
        """True if the room is that of one client."""
        return room is not None and self._member(room, namespace) is not None

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        """The rooms of a client, its own included."""
        member = self._member(sid, namespace)
        return [] if member is None else [sid, *member.rooms]

    def get_namespaces(self) -> Iterable[str]:
        """The namespaces with at least one client."""
        return self._spaces.keys()

    def get_participants(
        self, namespace: str, room: str | Collection[str] | None
    ) -> Iterator[tuple[str, str]]:
        """(sid, connection's sid) of everybody in a room, several rooms, or the namespace."""
        names = [room] if room is None or isinstance(room, str) else room
        for member in self._in_rooms(namespace, names):
            yield member.sid, member.connection.sid

    def _in_rooms(self, namespace: str, rooms: Collection[str | None]) -> list[Member]:
        """Everybody in at least one of the rooms, once."""
        members = [member for room in rooms for member in self._in_room(namespace, room)]
        return list(dict.fromkeys(members))

    def _in_room(self, namespace: str, room: str | None) -> Iterable[Member]:
        space = self._spaces.get(namespace)
        return () if space is None else space.audience(room)

    def _chosen(self, namespace: str, room: str | None, sids: Collection[str]) -> list[Member]:
        space = self._spaces.get(namespace)
        return [] if space is None else space.chosen(room, sids)

    def _member(self, sid: str, namespace: str) -> Member | None:
        space = self._spaces.get(namespace)
        return None if space is None else space.members.get(sid)

    def _leave(self, member: Member, namespace: str, room: str) -> None:
        last = self._spaces[namespace].leave(member, room)
        if last and self.room_closed is not None:
            self.room_closed(namespace, room)

    def _drop_if_empty(self, namespace: str) -> None:
        if not self._spaces[namespace].members:
            del self._spaces[namespace]


def arguments_of(data: Any) -> list[Any]:
    """The arguments of an event as python-socketio's emit takes them: a tuple holds several."""
    if isinstance(data, tuple):
        return list(data)
    return [] if data is None else [data]
