"""The rooms of one node."""

from __future__ import annotations

from typing import Any

import pytest

from notifier.realtime.engine import EngineOptions, Frame
from notifier.realtime.members import CONNECTED
from notifier.realtime.rooms import Rooms
from notifier.realtime.server import SocketServer

NS = "/test"
A = Frame.message("a")
B = Frame.message("b")
C = Frame.message("c")


class Receiver:
    """Stands where a connection stands, and notes what it is sent."""

    def __init__(self, sid: str) -> None:
        self.sid = sid
        self.frames: list[str] = []
        self.slow = False

    def send(self, frame: Frame) -> None:
        self.frames.append(frame.packet[1:])

    def too_slow(self) -> None:
        self.slow = True


class Crowd:
    """Rooms with any number of clients."""

    def __init__(self, outbox_bytes: int = 1000) -> None:
        self.rooms = Rooms()
        self.server = SocketServer(self.rooms, EngineOptions(outbox_bytes=outbox_bytes))
        self.receivers: dict[str, Receiver] = {}

    async def connecting(self, namespace: str = NS, connection: str | None = None) -> str:
        """A client whose connect handler runs."""
        name = connection or f"connection {len(self.receivers)}"
        receiver = Receiver(name)
        self.server.eio.core.connections[name] = receiver  # type: ignore[assignment]
        sid = await self.rooms.pre_connect(name, namespace)
        assert sid is not None
        self.receivers[sid] = receiver
        return sid

    async def connected(self, *rooms: str, namespace: str = NS) -> str:
        """A connected client in these rooms."""
        sid = await self.connecting(namespace)
        await self.rooms.connect(sid, namespace)
        for room in rooms:
            await self.rooms.enter_room(sid, namespace, room)
        return sid

    def got(self, sid: str) -> list[str]:
        """What the client was sent."""
        return self.receivers[sid].frames


@pytest.fixture
def crowd() -> Crowd:
    """Nobody yet."""
    return Crowd()


# Sending frames


async def test_send_to_a_room(crowd: Crowd) -> None:
    """A frame goes to every member of its room, once, and to nobody else."""
    ada, bob, eve = (
        await crowd.connected("r", "s"),
        await crowd.connected("r"),
        await crowd.connected("s"),
    )
    assert crowd.rooms.send(NS, "r", A) == 2
    assert crowd.rooms.send(NS, "nobody", A) == 0
    assert crowd.rooms.send("/nothing", "r", A) == 0
    assert [crowd.got(sid) for sid in (ada, bob, eve)] == [["a"], ["a"], []]


async def test_skip_and_only(crowd: Crowd) -> None:
    """Members can be left out, or chosen, by sid."""
    ada, bob, eve = [await crowd.connected("r") for _ in range(3)]
    assert crowd.rooms.send(NS, "r", A, skip=[ada]) == 2
    assert crowd.rooms.send(NS, "r", B, only=[ada, "nobody"]) == 1
    assert crowd.rooms.send(NS, "r", C, only=[ada, bob], skip=[ada]) == 1
    assert [crowd.got(sid) for sid in (ada, bob, eve)] == [["b"], ["a", "c"], ["a"]]


async def test_only_in_every_kind_of_room(crowd: Crowd) -> None:
    """Who is chosen must be in the room as well: a room, a client's own, or the namespace."""
    ada, bob, eve = await crowd.connected("r"), await crowd.connected(), await crowd.connecting()
    everybody = [ada, bob, eve, ada]
    assert crowd.rooms.send(NS, "r", A, only=everybody) == 1
    assert crowd.rooms.send(NS, ada, B, only=everybody) == 1
    assert crowd.rooms.send(NS, ada, B, only=[bob]) == 0
    assert crowd.rooms.send(NS, None, C, only=everybody) == 2
    assert crowd.rooms.send("/", None, C, only=everybody) == 0
    assert crowd.rooms.send(NS, "no room", C, only=everybody) == 0
    assert [crowd.got(sid) for sid in (ada, bob)] == [["a", "b", "c"], ["c"]]


class Unseen(dict[Any, Any]):
    """May be asked for members, but not walked through."""

    def __iter__(self) -> Any:
        raise AssertionError("everybody was looked at")


async def test_only_looks_at_the_chosen(crowd: Crowd) -> None:
    """Sending to some of a room does not look at the others."""
    ada = await crowd.connected("r")
    space = crowd.rooms._spaces[NS]
    space.rooms["r"] = Unseen(space.rooms["r"])
    assert crowd.rooms.send(NS, "r", A, only=[ada]) == 1
    assert crowd.got(ada) == ["a"]


async def test_send_to_the_namespace(crowd: Crowd) -> None:
    """Without a room a frame goes to all that are connected, not to those still connecting."""
    ada, bob, other = (
        await crowd.connected(),
        await crowd.connecting(),
        await crowd.connected(namespace="/"),
    )
    assert crowd.rooms.send(NS, None, A) == 1
    await crowd.rooms.connect(bob, NS)
    assert [crowd.got(sid) for sid in (ada, bob, other)] == [["a"], [], []]


async def test_send_to_one(crowd: Crowd) -> None:
    """A frame can go to one client, which may not be here."""
    ada = await crowd.connected()
    assert crowd.rooms.send_to(NS, ada, A)
    assert not crowd.rooms.send_to(NS, "nobody", A)
    assert not crowd.rooms.send_to("/", ada, A)
    assert crowd.got(ada) == ["a"]


# Holding


async def test_hold_and_release(crowd: Crowd) -> None:
    """While held, what goes to rooms waits; released, what is still wanted comes, in order."""
    ada, bob = await crowd.connected("r", "s"), await crowd.connected("r")
    crowd.rooms.hold(NS, ada)
    for room, frame, tag in (("r", A, 1), ("s", B, 1), ("r", C, 2)):
        crowd.rooms.send(NS, room, frame, tag=tag)
    assert (crowd.got(ada), crowd.got(bob)) == ([], ["a", "c"])
    asked: list[tuple[str | None, object]] = []

    def keep(room: str | None, tag: object) -> bool:
        asked.append((room, tag))
        return (room, tag) != ("r", 1)

    crowd.rooms.release(NS, ada, keep)
    assert asked == [("r", 1), ("s", 1), ("r", 2)]
    assert crowd.got(ada) == ["b", "c"]
    crowd.rooms.send(NS, "r", A)
    assert crowd.got(ada) == ["b", "c", "a"]


async def test_what_is_not_held(crowd: Crowd) -> None:
    """What is written to the client itself passes, unless it has a tag."""
    ada = await crowd.connected()
    crowd.rooms.hold(NS, ada)
    crowd.rooms.send_to(NS, ada, A)
    await crowd.rooms.emit("b", None, NS, to=ada)
    crowd.rooms.send_to(NS, ada, C, tag=1)
    assert crowd.got(ada) == ["a", '2/test,["b"]']
    crowd.rooms.release(NS, ada, lambda room, tag: (room, tag) == (None, 1))
    assert crowd.got(ada)[2:] == ["c"]


async def test_what_is_held_is_bounded(crowd: Crowd) -> None:
    """A client for which more is held than an outbox may hold is closed as too slow."""
    ada = await crowd.connected("r")
    crowd.rooms.hold(NS, ada)
    for _ in range(11):
        crowd.rooms.send(NS, "r", Frame.message("x" * 100))
    assert crowd.receivers[ada].slow


async def test_before_a_client_knows_that_it_is_connected(crowd: Crowd) -> None:
    """What goes to the rooms of a connecting client comes after its connect packet."""
    ada = await crowd.connecting()
    await crowd.rooms.enter_room(ada, NS, "r")
    crowd.rooms.send(NS, "r", A)
    await crowd.rooms.emit("b", None, NS, room=["r"])
    assert crowd.got(ada) == []
    await crowd.rooms.connect(ada, NS)
    assert crowd.got(ada) == ["a", '2/test,["b"]']


async def test_hold_while_connecting(crowd: Crowd) -> None:
    """A hold that began in the connect handler lasts until it is released."""
    ada = await crowd.connecting()
    await crowd.rooms.enter_room(ada, NS, "r")
    crowd.rooms.hold(NS, ada)
    crowd.rooms.send(NS, "r", A, tag=1)
    await crowd.rooms.connect(ada, NS)
    crowd.rooms.send(NS, "r", B, tag=2)
    assert crowd.got(ada) == []
    crowd.rooms.release(NS, ada, lambda room, tag: tag == 2)
    assert crowd.got(ada) == ["b"]


async def test_release_while_connecting(crowd: Crowd) -> None:
    """A release in the connect handler drops what is unwanted and lets the rest wait."""
    ada = await crowd.connecting()
    await crowd.rooms.enter_room(ada, NS, "r")
    crowd.rooms.hold(NS, ada)
    for frame, tag in ((A, 1), (B, 2)):
        crowd.rooms.send(NS, "r", frame, tag=tag)
    crowd.rooms.release(NS, ada, lambda room, tag: tag == 2)
    assert crowd.got(ada) == []
    await crowd.rooms.connect(ada, NS)
    assert crowd.got(ada) == ["b"]


async def test_hold_of_nobody(crowd: Crowd) -> None:
    """Holding and releasing a client that has gone, or is not held, does nothing."""
    crowd.rooms.hold(NS, "nobody")
    crowd.rooms.release(NS, "nobody", lambda room, tag: True)
    ada = await crowd.connected()
    crowd.rooms.release(NS, ada, lambda room, tag: True)
    assert crowd.got(ada) == []


# python-socketio's API


async def test_emit(crowd: Crowd) -> None:
    """An event goes to a client, a room, several rooms (once), or the namespace."""
    ada, bob, eve = (
        await crowd.connected("r", "s"),
        await crowd.connected("r"),
        await crowd.connected(),
    )
    await crowd.rooms.emit("one", {"n": 1}, NS, to=ada)
    await crowd.rooms.emit("room", (1, 2), NS, room="r")
    await crowd.rooms.emit("rooms", None, NS, room=["r", "s"], skip_sid=bob)
    await crowd.rooms.emit("all", "x", NS, skip_sid=[ada])
    await crowd.rooms.emit("nobody", "x", "/nothing")
    assert crowd.got(ada) == ['2/test,["one",{"n":1}]', '2/test,["room",1,2]', '2/test,["rooms"]']
    assert crowd.got(bob) == ['2/test,["room",1,2]', '2/test,["all","x"]']
    assert crowd.got(eve) == ['2/test,["all","x"]']


async def test_emit_to_a_client_that_is_skipped(crowd: Crowd) -> None:
    """A client that is skipped gets nothing, even if it is the only one addressed."""
    ada = await crowd.connected()
    await crowd.rooms.emit("one", None, NS, to=ada, skip_sid=ada)
    assert crowd.got(ada) == []


async def test_emit_with_attachments(crowd: Crowd) -> None:
    """Attachments follow their packet, as frames that fit any transport."""
    ada = await crowd.connected("r")
    await crowd.rooms.emit("file", b"\1", NS, room="r")
    assert crowd.got(ada) == ['51-/test,["file",{"_placeholder":true,"num":0}]', "AQ=="]


async def test_callback(crowd: Crowd) -> None:
    """A callback is run once, with what the client acknowledged; unknown ids are ignored."""
    ada = await crowd.connected()
    seen: list[Any] = []

    async def callback(*arguments: Any) -> None:
        seen.append(arguments)

    await crowd.rooms.emit("ask", "x", NS, to=ada, callback=callback)
    assert crowd.got(ada) == ['2/test,1["ask","x"]']
    for id_ in (0, 2, None, 1, 1):
        await crowd.rooms.trigger_callback(ada, id_, ["yes"])
    await crowd.rooms.trigger_callback("nobody", 1, [])
    assert seen == [("yes",)]


async def test_rooms_of_a_client(crowd: Crowd) -> None:
    """A client is in the rooms it entered, once each, and in its own."""
    ada = await crowd.connected("r", "s", "r")
    await crowd.rooms.enter_room(ada, NS, ada)
    assert crowd.rooms.get_rooms(ada, NS) == [ada, "r", "s"]
    await crowd.rooms.leave_room(ada, NS, "r")
    await crowd.rooms.leave_room(ada, NS, "never entered")
    await crowd.rooms.leave_room("nobody", NS, "r")
    assert crowd.rooms.get_rooms(ada, NS) == [ada, "s"]
    assert crowd.rooms.get_rooms("nobody", NS) == []


async def test_participants(crowd: Crowd) -> None:
    """Participants are pairs of the client's and its connection's id."""
    ada, bob = await crowd.connected("r", "s"), await crowd.connected("s")
    assert list(crowd.rooms.get_participants(NS, "r")) == [(ada, "connection 0")]
    assert set(crowd.rooms.get_participants(NS, ["r", "s"])) == {
        (ada, "connection 0"),
        (bob, "connection 1"),
    }
    assert {sid for sid, _ in crowd.rooms.get_participants(NS, None)} == {ada, bob}
    assert list(crowd.rooms.get_participants("/nothing", "r")) == []


async def test_close_room(crowd: Crowd) -> None:
    """Closing a room takes everybody out."""
    ada, bob = await crowd.connected("r"), await crowd.connected("r", "s")
    await crowd.rooms.close_room("r", NS)
    assert crowd.rooms.send(NS, "r", A) == 0
    assert (crowd.rooms.get_rooms(ada, NS), crowd.rooms.get_rooms(bob, NS)) == ([ada], [bob, "s"])


async def test_rooms_of_others(crowd: Crowd) -> None:
    """Nobody can enter or close the room of one client, or enter any without being connected."""
    ada, bob = await crowd.connected(), await crowd.connected()
    with pytest.raises(ValueError, match="cannot enter a sid room"):
        await crowd.rooms.enter_room(ada, NS, bob)
    with pytest.raises(ValueError, match="cannot close a sid room"):
        await crowd.rooms.close_room(bob, NS)
    with pytest.raises(ValueError, match="not connected"):
        await crowd.rooms.enter_room("nobody", NS, "r")


async def test_states(crowd: Crowd) -> None:
    """A client is connecting, connected, then leaving, and keeps its rooms until it has left."""
    rooms = crowd.rooms
    ada = await crowd.connecting()
    assert (rooms.is_pre_connected(ada, NS), rooms.is_connected(ada, NS)) == (True, False)
    await rooms.connect(ada, NS)
    assert (rooms.is_pre_connected(ada, NS), rooms.is_connected(ada, NS)) == (False, True)
    assert await rooms.can_disconnect(ada, NS)
    await rooms.enter_room(ada, NS, "r")
    assert rooms.pre_disconnect(ada, NS) == "connection 0"
    assert not rooms.is_connected(ada, NS)
    assert rooms.get_rooms(ada, NS) == [ada, "r"]
    await rooms.disconnect(ada, NS)
    await rooms.disconnect(ada, NS)
    assert rooms.pre_disconnect(ada, NS) is None
    assert list(rooms.get_namespaces()) == []


async def test_ids(crowd: Crowd) -> None:
    """A client has an id for its connection and one for each namespace."""
    ada = await crowd.connecting()
    other = await crowd.connecting("/", "connection 0")
    assert crowd.rooms.sid_from_eio_sid("connection 0", NS) == ada
    assert crowd.rooms.sid_from_eio_sid("connection 0", "/") == other
    assert crowd.rooms.sid_from_eio_sid("connection 9", NS) is None
    assert crowd.rooms.sid_from_eio_sid("connection 0", "/nothing") is None
    assert crowd.rooms.eio_sid_from_sid(ada, NS) == "connection 0"
    assert crowd.rooms.eio_sid_from_sid(ada, "/") is None
    assert crowd.rooms.in_any_namespace("connection 0")
    assert not crowd.rooms.in_any_namespace("connection 9")


async def test_a_connection_joins_a_namespace_once(crowd: Crowd) -> None:
    """A second connect of a connection, or one of a connection that is gone, is refused."""
    await crowd.connecting()
    assert await crowd.rooms.pre_connect("connection 0", NS) is None
    assert await crowd.rooms.pre_connect("gone", "/other") is None
    assert list(crowd.rooms.get_namespaces()) == [NS]


async def test_opened_and_closed(crowd: Crowd) -> None:
    """The first member of a room and the last one are reported, sid rooms are not."""
    seen: list[tuple[str, ...]] = []
    crowd.rooms.room_opened = lambda namespace, room: seen.append(("opened", namespace, room))
    crowd.rooms.room_closed = lambda namespace, room: seen.append(("closed", namespace, room))
    ada, bob = await crowd.connected("r"), await crowd.connected("r")
    assert seen == [("opened", NS, "r")]
    await crowd.rooms.leave_room(ada, NS, "r")
    await crowd.rooms.disconnect(bob, NS)
    assert seen == [("opened", NS, "r"), ("closed", NS, "r")]


async def test_nothing_is_left(crowd: Crowd) -> None:
    """When all have left, nothing remembers them."""
    for _ in range(20):
        sid = await crowd.connected("r", "s")
        await crowd.rooms.emit("ask", None, NS, to=sid, callback=print)
        await crowd.rooms.disconnect(sid, NS)
    assert crowd.rooms._spaces == {}
    assert crowd.rooms.callbacks == {}


async def test_the_state_after_a_hold_of_a_leaving_client(crowd: Crowd) -> None:
    """Releasing a client that is leaving writes what was held: nobody waits for ever."""
    ada = await crowd.connected("r")
    crowd.rooms.hold(NS, ada)
    crowd.rooms.send(NS, "r", A)
    crowd.rooms.pre_disconnect(ada, NS)
    crowd.rooms.release(NS, ada, lambda room, tag: True)
    assert crowd.got(ada) == ["a"]
    assert crowd.rooms._member(ada, NS).state != CONNECTED  # type: ignore[union-attr]
