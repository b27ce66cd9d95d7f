"""The rules of Engine.IO revision 4, one by one, over both transports.

Each is asked of the echo server and of the Socket.IO server of the conformance suites, since both
are the same engine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.conformance import server
from tests.realtime.engine.wire import Wire, serving

HANDSHAKE = {"pingInterval": 300, "pingTimeout": 200, "maxPayload": 1_000_000}


@pytest.fixture(params=["engine", "socket"])
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    """Either of the two servers."""
    app = server.engine_app() if request.param == "engine" else server.socket_app()
    async with serving(app, f"/{request.param}.io/") as wire:
        yield wire


@pytest.fixture(params=[True, False], ids=["cancelling", "not cancelling"])
async def echo(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    """The echo server, in an aiohttp that cancels handlers of lost requests and one that does not.

    The engine asks for the first, and has to be correct in both.
    """
    async with serving(server.engine_app(), handler_cancellation=request.param) as wire:
        yield wire


# Handshake


async def test_polling_handshake(wire: Wire) -> None:
    """A long-polling handshake tells session, upgrades, heartbeat times and payload limit."""
    opening = await wire.open()
    assert isinstance(opening.pop("sid"), str)
    assert opening == {**HANDSHAKE, "upgrades": ["websocket"]}


async def test_websocket_handshake(wire: Wire) -> None:
    """A WebSocket handshake offers no upgrade."""
    async with wire.socket() as socket:
        packet = await socket.text()
    assert packet[0] == "0"
    opening = json.loads(packet[1:])
    assert isinstance(opening.pop("sid"), str)
    assert opening == {**HANDSHAKE, "upgrades": []}


@pytest.mark.parametrize(
    "query",
    ["transport=T", "EIO=abc&transport=T", "EIO=3&transport=T", "EIO=4", "EIO=4&transport=x"],
)
async def test_invalid_handshake(wire: Wire, query: str) -> None:
    """A missing or unknown protocol version or transport is answered with 400."""
    assert (await wire.get(f"{wire.url}?{query.replace('T', 'polling')}"))[0] == 400
    assert await wire.refused(f"{wire.url}?{query.replace('T', 'websocket')}") == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "PATCH"])
async def test_handshake_method(wire: Wire, method: str) -> None:
    """A session is opened with GET and nothing else."""
    async with wire.http.request(method, wire.address()) as response:
        assert response.status == 400


async def test_websocket_transport_needs_a_websocket(wire: Wire) -> None:
    """A plain GET cannot open the WebSocket transport."""
    assert (await wire.get(wire.address("websocket")))[0] == 400


# Messages


@pytest.mark.parametrize("payload", ["4hello", "4test1\x1e4test2\x1e4test3", "4hello\x1ebAQIDBA=="])
async def test_polling_messages(echo: Wire, payload: str) -> None:
    """Text and binary packets, one or several in a payload, arrive and come back in order."""
    sid = await echo.sid()
    assert await echo.post(sid, payload) == (200, "ok")
    assert await echo.poll(sid) == (200, payload)


async def test_websocket_messages(echo: Wire) -> None:
    """Text and binary packets arrive and come back as frames of their kind."""
    async with echo.session() as socket:
        await socket.send("4hello", b"\1\2\3\4")
        assert await socket.receive() == "4hello"
        assert await socket.receive() == b"\1\2\3\4"


@pytest.mark.parametrize("payload", ["abc", "", "4a\x1e", "b!", "0", "2", "5", "4\x1e7"])
async def test_invalid_polling_packet(wire: Wire, payload: str) -> None:
    """An invalid payload is answered with 400 and closes the session."""
    sid = await wire.sid()
    assert (await wire.post(sid, payload))[0] == 400
    assert (await wire.poll(sid))[0] == 400


async def test_invalid_utf8_in_a_post(wire: Wire) -> None:
    """A payload that is not UTF-8 is answered with 400 and closes the session."""
    sid = await wire.sid()
    assert (await wire.post(sid, b"4\xff"))[0] == 400
    assert (await wire.poll(sid))[0] == 400


@pytest.mark.parametrize("packet", ["abc", "", "0", "2", "5", "9"])
async def test_invalid_websocket_packet(wire: Wire, packet: str) -> None:
    """An invalid packet closes the WebSocket as a protocol error."""
    async with wire.session() as socket:
        await socket.send(packet)
        assert await socket.closed() == 1002


async def test_overlapping_polls(wire: Wire) -> None:
    """A second poll is refused and closes the session; the first is told so."""
    sid = await wire.sid()
    first = asyncio.create_task(wire.poll(sid))
    answers = [await wire.poll(sid), await first]
    assert (200, "1") in answers
    assert max(answers)[0] == 400
    assert (await wire.poll(sid))[0] == 400


async def test_cancelled_poll(wire: Wire) -> None:
    """A client that cuts a waiting poll loses its session."""
    sid = await wire.sid()
    poll = asyncio.create_task(wire.poll(sid))
    await asyncio.sleep(0.02)
    poll.cancel()
    assert (await wire.poll(sid))[0] == 400


async def test_unknown_session(wire: Wire) -> None:
    """Requests with an unknown session id are answered with 400."""
    assert (await wire.poll("nobody"))[0] == 400
    assert (await wire.post("nobody", "4a"))[0] == 400
    assert await wire.refused(wire.address("websocket", "nobody")) == 400


# Heartbeat


async def test_polling_heartbeat(wire: Wire) -> None:
    """A poll gets a ping at every interval, as long as each is answered."""
    sid = await wire.sid()
    for _ in range(3):
        assert await wire.poll(sid) == (200, "2")
        assert await wire.post(sid, "3") == (200, "ok")


async def test_websocket_heartbeat(wire: Wire) -> None:
    """A WebSocket gets a ping at every interval, as long as each is answered."""
    async with wire.session() as socket:
        for _ in range(3):
            assert await socket.receive() == "2"
            await socket.send("3")


async def test_polling_ping_timeout(wire: Wire) -> None:
    """A long-polling session that does not answer pings ends with interval plus timeout."""
    sid = await wire.sid()
    await asyncio.sleep(0.5)
    assert (await wire.poll(sid))[0] == 400


async def test_websocket_ping_timeout(wire: Wire) -> None:
    """A WebSocket that does not answer pings is cut."""
    async with wire.session() as socket:
        assert await socket.closed() is not None


# Close


async def test_client_closes_polling(wire: Wire) -> None:
    """A close packet ends the session; a poll that waits is answered with a noop."""
    sid = await wire.sid()
    poll = asyncio.create_task(wire.poll(sid))
    await asyncio.sleep(0.02)
    assert await wire.post(sid, "1") == (200, "ok")
    assert await poll == (200, "6")
    assert (await wire.poll(sid))[0] == 400


async def test_client_closes_websocket(wire: Wire) -> None:
    """A close packet closes the WebSocket."""
    async with wire.session() as socket:
        await socket.send("1")
        assert await socket.closed() == 1000


# Upgrade


async def test_upgrade(echo: Wire) -> None:
    """After a probe and an upgrade packet the session goes on over WebSocket."""
    sid = await echo.sid()
    async with echo.socket(sid) as socket:
        await socket.send("2probe")
        assert await socket.receive() == "3probe"
        assert await echo.poll(sid) == (200, "6")
        await socket.send("5", "4hello")
        assert await socket.receive() == "4hello"


async def test_upgrade_releases_the_waiting_poll(echo: Wire) -> None:
    """A poll that waits while the WebSocket is probed is answered with a noop."""
    sid = await echo.sid()
    poll = asyncio.create_task(echo.poll(sid))
    await asyncio.sleep(0.02)
    async with echo.socket(sid) as socket:
        await socket.send("2probe")
        assert await socket.receive() == "3probe"
        assert await poll == (200, "6")


async def test_upgrade_keeps_what_waits(echo: Wire) -> None:
    """What nobody polled before the upgrade is delivered after it, in order."""
    sid = await echo.sid()
    await echo.post(sid, "4one\x1e4two")
    async with echo.socket(sid) as socket:
        await socket.send("2probe", "5", "4three")
        received = [await socket.receive() for _ in range(4)]
    assert received == ["3probe", "4one", "4two", "4three"]


async def test_requests_after_the_upgrade(echo: Wire) -> None:
    """After the upgrade other requests of the session are refused, without harm to it."""
    sid = await echo.sid()
    async with echo.socket(sid) as socket:
        await socket.send("2probe", "5")
        assert await socket.receive() == "3probe"
        assert (await echo.poll(sid))[0] == 400
        assert (await echo.post(sid, "4a"))[0] == 400
        async with echo.socket(sid) as late:
            assert await late.closed() == 1008
        await socket.send("4hello")
        assert await socket.receive() == "4hello"


@pytest.mark.parametrize("packets", [["4a"], ["5"], ["2"], ["2probe", "2probe"], ["2probe", "4a"]])
async def test_invalid_upgrade(echo: Wire, packets: list[str]) -> None:
    """A wrong probe closes the WebSocket only; the session stays on long-polling."""
    sid = await echo.sid()
    async with echo.socket(sid) as socket:
        await socket.send(*packets)
        assert await socket.closed() == 1002
    await echo.post(sid, "4still here")
    assert await echo.poll(sid) == (200, "4still here")


async def test_two_upgrades_at_once(echo: Wire) -> None:
    """While one WebSocket is probed a second one is closed, and the first goes on."""
    sid = await echo.sid()
    async with echo.socket(sid) as socket:
        async with echo.socket(sid) as late:
            assert await late.closed() == 1008
        await socket.send("2probe", "5", "4a")
        assert [await socket.receive() for _ in range(2)] == ["3probe", "4a"]


async def test_an_upgrade_that_is_no_websocket(echo: Wire) -> None:
    """A plain request cannot be an upgrade."""
    sid = await echo.sid()
    assert (await echo.get(echo.address("websocket", sid)))[0] == 400


async def test_session_ends_during_the_upgrade(echo: Wire) -> None:
    """A WebSocket that is being probed is closed with its session."""
    sid = await echo.sid()
    async with echo.socket(sid) as socket:
        await socket.send("2probe")
        assert await socket.receive() == "3probe"
        assert await echo.post(sid, "1") == (200, "ok")
        assert await socket.closed() == 1000


async def test_a_large_body_in_many_reads(echo: Wire) -> None:
    """A POST body that arrives in pieces is read to its end."""
    text = "4" + "ä" * 400_000
    sid = await echo.sid()

    async def pieces() -> AsyncIterator[bytes]:
        data = text.encode()
        for start in range(0, len(data), 50_000):
            yield data[start : start + 50_000]
            await asyncio.sleep(0)

    async with echo.http.post(echo.address(sid=sid), data=pieces()) as response:
        assert (response.status, await response.text()) == (200, "ok")
    assert await echo.poll(sid) == (200, text)


async def test_many_packets_in_one_payload(echo: Wire) -> None:
    """A payload may hold any number of packets."""
    payload = "\x1e".join(f"4{number}" for number in range(1000))
    sid = await echo.sid()
    assert await echo.post(sid, payload) == (200, "ok")
    assert await echo.poll(sid) == (200, payload)


async def test_no_compression(echo: Wire) -> None:
    """permessage-deflate is not negotiated, whatever the client offers."""
    async with echo.http.ws_connect(echo.address("websocket"), compress=15) as ws:
        assert ws.compress == 0
        assert (await ws.receive()).type is aiohttp.WSMsgType.TEXT
