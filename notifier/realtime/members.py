"""The clients of one namespace and the rooms they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .engine import Connection, Frame

CONNECTING, CONNECTED, LEAVING = range(3)

Held = tuple[str | None, object, "Frame"]
Keep = Callable[[str | None, object], bool]


class Member:
    """One client in one namespace."""

    __slots__ = ("_held", "_held_size", "connection", "holding", "rooms", "sid", "state")

    def __init__(self, sid: str, connection: Connection) -> None:
        self.sid = sid
        self.connection = connection
        self.state = CONNECTING
        self.rooms: list[str] = []
        self.holding = False
        """True while somebody wants what goes to its rooms to wait."""
        # What goes to its rooms before it is told that it is connected waits, too.
        self._held: list[Held] | None = []
        self._held_size = 0

    def deliver(self, room: str | None, tag: object, frame: Frame, limit: int) -> None:
        """Write the frame, or hold it. Beyond `limit` bytes the client counts as too slow."""
        if self._held is None:
            self.connection.send(frame)
            return
        self._held.append((room, tag, frame))
        self._held_size += len(frame.websocket)
        if self._held_size > limit:
            self._held.clear()
            self.connection.too_slow()

    def hold(self) -> None:
        """Hold what goes to its rooms until `release`."""
        self.holding = True
        if self._held is None:
            self._held = []

    def release(self, keep: Keep) -> None:
        """Drop what is not wanted of what was held, and write the rest once it may be."""
        self.holding = False
        self._held = [held for held in self._held or () if keep(held[0], held[1])]
        if self.state != CONNECTING:
            self._flush()

    def connected(self) -> None:
        """It knows that it is connected."""
        self.state = CONNECTED
        if not self.holding:
            self._flush()

    def _flush(self) -> None:
        held, self._held, self._held_size = self._held, None, 0
        for _, _, frame in held or ():
            self.connection.send(frame)


class Space:
    """One namespace. Entering and leaving cost what the member's own rooms cost."""

    __slots__ = ("by_connection", "members", "rooms")

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.by_connection: dict[str, Member] = {}
        # In the order they came: what they need lies side by side in memory, which makes a frame
        # to thousands of them about 4 % cheaper than in the order of a set.
        self.rooms: dict[str, dict[Member, None]] = {}

    def add(self, member: Member) -> None:
        """A client asks to connect."""
        self.members[member.sid] = member
        self.by_connection[member.connection.sid] = member

    def remove(self, member: Member) -> None:
        """A client that is in no room any more leaves."""
        del self.members[member.sid]
        del self.by_connection[member.connection.sid]

    def enter(self, member: Member, room: str) -> bool:
        """Put the member into a room; True if it is the first there."""
        members = self.rooms.setdefault(room, {})
        if member in members:
            return False
        members[member] = None
        member.rooms.append(room)
        return len(members) == 1

    def leave(self, member: Member, room: str) -> bool:
        """Take the member out of a room it is in; True if it was the last there."""
        member.rooms.remove(room)
        members = self.rooms[room]
        del members[member]
        if not members:
            del self.rooms[room]
        return not members

    def audience(self, room: str | None) -> Iterable[Member]:
        """Who gets what is sent to a room, to a client, or (None) to all that are connected."""
        if room is None:
            return [member for member in self.members.values() if member.state == CONNECTED]
        if (own := self.members.get(room)) is not None:
            return (own,)
        return self.rooms.get(room, ())

    def chosen(self, room: str | None, sids: Iterable[str]) -> list[Member]:
        """Those of `audience(room)` that have one of these sids, without looking at the others."""
        members = [self.members[sid] for sid in dict.fromkeys(sids) if sid in self.members]
        if room is None:
            return [member for member in members if member.state == CONNECTED]
        if (own := self.members.get(room)) is not None:
            return [own] if own in members else []
        present = self.rooms.get(room, ())
        return [member for member in members if member in present]
