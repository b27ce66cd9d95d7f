"""The rules of Socket.IO revision 5 that a client sees, and what our server adds to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from notifier.realtime.server import SocketServer
from tests.conformance import server
from tests.realtime.engine.wire import Socket, Wire, serving


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """The server of the conformance suite."""
    async with serving(server.socket_app(), "/socket.io/") as wire:
        yield wire


@pytest.fixture
async def client(wire: Wire) -> AsyncIterator[Socket]:
    """A client connected to the main namespace."""
    async with wire.session() as socket:
        await connect(socket)
        yield socket


async def connect(socket: Socket, namespace: str = "") -> None:
    """Connect to a namespace and read both answers."""
    await socket.send(f"40{namespace}")
    assert (await socket.text()).startswith(f"40{namespace}")
    assert (await socket.text()).startswith(f"42{namespace}")


@pytest.mark.parametrize("namespace", ["", "/custom,"])
@pytest.mark.parametrize(("sent", "auth"), [("", "{}"), ('{"token":"123"}', '{"token":"123"}')])
async def test_connect(wire: Wire, namespace: str, sent: str, auth: str) -> None:
    """A client connects to a namespace, with or without a payload, and is told its sid."""
    async with wire.session() as socket:
        await socket.send(f"40{namespace}{sent}")
        packet = await socket.text()
        assert packet.startswith(f"40{namespace}")
        answer = json.loads(packet.removeprefix(f"40{namespace}"))
        assert list(answer) == ["sid"]
        assert isinstance(answer["sid"], str)
        assert await socket.text() == f'42{namespace}["auth",{auth}]'


async def test_connect_to_an_unknown_namespace(wire: Wire) -> None:
    """An unknown namespace is refused with a message object."""
    async with wire.session() as socket:
        await socket.send("40/random")
        assert await socket.text() == '44/random,{"message":"Invalid namespace"}'


async def test_no_namespace_in_time(wire: Wire) -> None:
    """A connection that joins no namespace is closed."""
    async with wire.session() as socket:
        while (packet := await socket.ws.receive(10)).data == "2":
            await socket.send("3")
        assert packet.data == 1008


async def test_a_client_need_not_pay_for_our_time() -> None:
    """Who has asked for a namespace is not closed while we are still thinking about it."""
    thinking = asyncio.Event()

    async def connect(sid: str, environ: object, auth: object = None) -> None:
        await thinking.wait()

    slow = SocketServer(connect_timeout=0.2)
    slow.on("connect", connect)
    app = web.Application()
    slow.attach(app, "socket.io")
    async with (
        serving(app, "/socket.io/") as wire,
        wire.session() as asking,
        wire.session() as idle,
    ):
        await asking.send("40")
        assert await idle.closed() == 1008
        thinking.set()
        assert (await asking.text()).startswith("40")


async def test_a_refused_client_has_so_long_again() -> None:
    """A connection that was refused and asks for nothing else is closed."""

    async def connect(sid: str, environ: object, auth: object = None) -> None:
        raise ConnectionRefusedError

    strict = SocketServer(connect_timeout=0.2)
    strict.on("connect", connect)
    app = web.Application()
    strict.attach(app, "socket.io")
    async with serving(app, "/socket.io/") as wire, wire.session() as client:
        await client.send("40")
        assert (await client.text()).startswith("44")
        assert await client.closed() == 1008


async def test_disconnect_from_the_main_namespace(client: Socket) -> None:
    """Leaving a namespace does not close the transport."""
    await client.send("41")
    assert await client.receive() == "2"


async def test_disconnect_from_another_namespace(client: Socket) -> None:
    """Leaving one namespace leaves the others connected."""
    await connect(client, "/custom,")
    await client.send("41/custom", '42["message","message to main namespace"]')
    assert await client.text() == '42["message-back","message to main namespace"]'


@pytest.mark.parametrize("arguments", ['1,"2",{"3":[true]}', '"é"', "null", '[{"a":{}}]'])
async def test_event(client: Socket, arguments: str) -> None:
    """An event reaches its handler with all arguments."""
    await client.send(f'42["message",{arguments}]')
    assert await client.text() == f'42["message-back",{arguments}]'


async def test_event_with_ack(client: Socket) -> None:
    """What a handler returns is the acknowledgement."""
    await client.send('42456["message-with-ack",1,"2",{"3":[false]}]')
    assert await client.text() == '43456[1,"2",{"3":[false]}]'


PLACEHOLDERS = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'


async def test_binary_event(client: Socket) -> None:
    """Attachments come and go as binary messages after their packet."""
    await client.send(f'452-["message",{PLACEHOLDERS}]', b"\1\2\3", b"\4\5\6")
    received = [await client.receive() for _ in range(3)]
    assert received == [f'452-["message-back",{PLACEHOLDERS}]', b"\1\2\3", b"\4\5\6"]


async def test_binary_event_with_ack(client: Socket) -> None:
    """An acknowledgement can have attachments."""
    await client.send(f'452-789["message-with-ack",{PLACEHOLDERS}]', b"\1\2\3", b"\4\5\6")
    received = [await client.receive() for _ in range(3)]
    assert received == [f"462-789[{PLACEHOLDERS}]", b"\1\2\3", b"\4\5\6"]


MALFORMED = {
    "unknown type": "4abc",
    "no array": "42{}",
    "no event": "42[]",
    "event name not text": "42[1]",
    "invalid id": '42abc["message-with-ack"]',
    "id too long": '4212345678901234567["message"]',
    "invalid JSON": '42["message"',
    "lone surrogate": '42["\\ud800"]',
    "connect with an array": "40[]",
    "disconnect with data": "41{}",
    "connect error": '44{"message":"no"}',
    "ack without id": "43[]",
    "too many attachments": '4511-["message"]',
    "attachments of a text event": '421-["message"]',
    "binary event without a count": '45["message"]',
    "empty": "4",
}


@pytest.mark.parametrize("packet", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_packet(client: Socket, packet: str) -> None:
    """A malformed packet closes the connection at once, as a protocol error."""
    await client.send(packet)
    assert await client.closed() == 1002


@pytest.mark.parametrize(
    "packets",
    [
        [b"\1"],
        ['451-["message",{"_placeholder":true,"num":0}]', '42["message"]'],
        ['451-["message",{"_placeholder":true,"num":1}]', b"\1"],
        ['451-["message",{"_placeholder":true,"num":-1}]', b"\1"],
        ['451-["message",{"_placeholder":true,"num":"0"}]', b"\1"],
    ],
    ids=["unexpected", "interrupted", "number too high", "negative number", "number not a number"],
)
async def test_malformed_attachments(client: Socket, packets: list[str | bytes]) -> None:
    """Attachments that do not fit their packet close the connection at once."""
    await client.send(*packets)
    assert await client.closed() == 1002


async def test_attachments_larger_than_a_payload(client: Socket) -> None:
    """A packet and its attachments together are bounded by the payload limit."""
    await client.send('453-["message"]', bytes(400_000), bytes(400_000), bytes(400_000))
    assert await client.closed() == 1009
