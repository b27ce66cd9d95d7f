"""What one client can cost, whatever it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import aiohttp
import pytest

from notifier.realtime.engine import Connection, Frame
from notifier.realtime.engine.connection import MOST_CHATTER
from tests.realtime.engine.conftest import Site, StartSite
from tests.realtime.engine.rude import Rude
from tests.realtime.engine.test_frames import client_frame
from tests.realtime.engine.wire import until

BIG = Frame.message("x" * 65_000)
PATH = "/engine.io/?EIO=4&transport=websocket"


def only(site: Site) -> Connection:
    """The one connection there is."""
    (connection,) = site.engine.connections.values()
    return connection


async def flood(connection: Connection, frames: int) -> None:
    """Send so many large frames, or as many as it takes to be closed."""
    for _ in range(frames):
        if connection.closed:
            return
        connection.send(BIG)
        await asyncio.sleep(0)


async def answer_pings_without_reading(client: Rude) -> None:
    """Send pongs for ever, blindly."""
    while True:
        await client.packet("3")
        await asyncio.sleep(0.05)


# Slow readers


async def test_a_reader_that_only_answers_pings(start: StartSite) -> None:
    """A WebSocket that never reads but answers pings is closed when its outbox is full."""
    site = await start(outbox_bytes=500_000, ping_interval=0.2, ping_timeout=0.2, close_timeout=0.1)
    async with site.rude() as client:
        await client.upgrade(PATH)
        await until(lambda: site.engine.connections)
        pings = asyncio.create_task(answer_pings_without_reading(client))
        await flood(only(site), 2000)
        await until(lambda: site.reasons == ["slow reader"])
        await until(lambda: not site.engine.core.lingering)
        pings.cancel()
    assert site.engine.metrics.outbox_bytes == 0
    assert site.engine.metrics.slow_closes == 1
    assert not site.engine.connections


async def test_what_waits_too_long(start: StartSite) -> None:
    """A WebSocket whose outbox is small but old is closed."""
    site = await start(outbox_bytes=10**9, outbox_seconds=0.2, close_timeout=0.1)
    async with site.rude() as client:
        await client.upgrade(PATH)
        await until(lambda: site.engine.connections)
        connection = only(site)
        while not site.engine.metrics.outbox_bytes:
            await flood(connection, 10)
        await until(lambda: site.reasons == ["slow reader"])
        await until(lambda: not site.engine.core.lingering)
    assert site.engine.metrics.outbox_bytes == 0


async def test_a_slow_reader_hears_goodbye(start: StartSite) -> None:
    """A slow reader that reads on after all gets the goodbye and close code 1013."""
    site = await start(outbox_bytes=200_000, close_timeout=0.5)
    site.engine.goodbye = lambda connection, reason: Frame.message(f"goodbye: {reason}")
    async with site.rude() as client:
        await client.upgrade(PATH)
        await until(lambda: site.engine.connections)
        await flood(only(site), 2000)
        data = await client.read_all()
    assert data.endswith(b"4goodbye: slow reader\x88\x0d\x03\xf5slow reader")


async def test_what_must_not_be_seen_any_more(start: StartSite) -> None:
    """What waits for a WebSocket is dropped when it is closed so; the goodbye is not."""
    site = await start(outbox_bytes=10**9)
    site.engine.goodbye = lambda connection, reason: Frame.message(f"goodbye: {reason}")
    async with site.rude() as client:
        await client.upgrade(PATH)
        await until(lambda: site.engine.connections)
        connection = only(site)
        while not site.engine.metrics.outbox_bytes:
            connection.send(BIG)
        connection.send(Frame.message("secret"))
        connection.close(reason="revoked", drop=True)
        data = await client.read_all()
    assert data.endswith(b"4goodbye: revoked\x88\x09\x03\xe9revoked")
    assert b"secret" not in data
    assert site.engine.metrics.outbox_bytes == 0


async def test_what_a_poll_must_not_see_any_more(site: Site) -> None:
    """What was to be the answer of a poll is dropped as well."""
    site.engine.goodbye = lambda connection, reason: Frame.message(f"goodbye: {reason}")
    sid = await site.wire.sid()
    poll = asyncio.ensure_future(site.wire.poll(sid))
    connection = only(site)
    await until(lambda: connection.polling is not None and connection.polling._poll)
    connection.send(Frame.message("secret"))
    connection.close(reason="revoked", drop=True)
    assert await poll == (200, "4goodbye: revoked\x1e1")


@pytest.mark.parametrize("outbox_bytes", [65_010, 5])
async def test_a_goodbye_that_overfills_the_outbox(start: StartSite, outbox_bytes: int) -> None:
    """A connection closes once, for the reason it was closed for, and is counted down once."""
    site = await start(outbox_bytes=outbox_bytes)
    site.engine.goodbye = lambda connection, reason: Frame.message("goodbye")
    await site.wire.sid()
    connection = only(site)
    if outbox_bytes > 65_000:
        connection.send(BIG)
    connection.close(reason="enough")
    await until(lambda: site.reasons == ["enough"])
    assert site.engine.metrics.closes == {"enough": 1}
    assert site.engine.core.admission.total == 0
    assert site.engine.metrics.polling_connections == 0
    assert site.engine.metrics.outbox_bytes == 0


async def test_a_reader_that_catches_up(start: StartSite) -> None:
    """A reader that was behind gets everything, in order, once it reads."""
    site = await start(outbox_bytes=10**9)
    async with site.wire.session() as socket:
        connection = only(site)
        for number in range(300):
            connection.send(Frame.message(f"{number}:" + "x" * 50_000))
        received = [(await socket.text()).partition(":")[0] for _ in range(300)]
    assert received == [f"4{number}" for number in range(300)]
    assert site.engine.metrics.outbox_bytes == 0


async def test_drained(start: StartSite) -> None:
    """`drained` waits for a reader that is behind, and for nobody else."""
    site = await start(outbox_bytes=10**9)
    async with site.rude() as client:
        await client.upgrade(PATH)
        await until(lambda: site.engine.connections)
        connection = only(site)
        await connection.drained()
        while not site.engine.metrics.outbox_bytes:
            await flood(connection, 10)
        drained = asyncio.create_task(connection.drained())
        await asyncio.sleep(0)
        assert not drained.done()
        reading = asyncio.create_task(client.read_all())
        await drained
        assert site.engine.metrics.outbox_bytes == 0
        connection.abort()
        await reading


async def test_drained_when_closed(start: StartSite) -> None:
    """`drained` ends with the connection."""
    site = await start(outbox_bytes=10**9)
    sid = await site.wire.sid()
    connection = only(site)
    connection.send(BIG)
    drained = asyncio.create_task(connection.drained())
    await asyncio.sleep(0)
    await site.wire.post(sid, "1")
    await drained


@pytest.mark.parametrize(
    "options", [{"outbox_bytes": 100_000}, {"outbox_bytes": 10**9, "outbox_seconds": 0.2}]
)
async def test_a_client_that_does_not_poll(start: StartSite, options: dict[str, float]) -> None:
    """A long-polling session that is not polled is closed by size and by age of its outbox."""
    site = await start(**options)
    sid = await site.wire.sid()
    await flood(only(site), 5)
    await until(lambda: site.reasons == ["slow reader"])
    assert (await site.wire.poll(sid))[0] == 400
    assert site.engine.metrics.outbox_bytes == 0


# Request bodies


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_headers_that_are_too_large_to_keep(site: Site, transport: str) -> None:
    """They are kept as long as the connection: there is none, and nothing is counted."""
    headers = {f"X-{number}": "x" * 6000 for number in range(3)}
    address = site.wire.address(transport)
    if transport == "polling":
        assert (await site.wire.get(address, headers=headers))[0] == 400
    else:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="400"):
            await site.wire.http.ws_connect(address, headers=headers)
    assert not site.connected
    assert site.engine.core.admission.total == 0
    assert (await site.wire.get(site.wire.address(), headers={"X-0": "x" * 6000}))[0] == 200


async def test_a_body_that_is_too_large(start: StartSite) -> None:
    """A POST beyond the payload limit is answered with 413 and closes the session."""
    site = await start(max_payload=1000)
    sid = await site.wire.sid()
    assert (await site.wire.post(sid, "4" + "x" * 1000))[0] == 413
    assert (await site.wire.poll(sid))[0] == 400
    assert site.messages == []


async def test_a_chunked_body_that_is_too_large(start: StartSite) -> None:
    """A body without a declared size is bounded as well."""
    site = await start(max_payload=1000)
    sid = await site.wire.sid()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"4" * 100

    async with site.wire.http.post(site.wire.address(sid=sid), data=pieces()) as response:
        assert response.status == 413
    assert (await site.wire.poll(sid))[0] == 400


async def test_a_body_of_exactly_the_limit(start: StartSite) -> None:
    """The payload limit itself is allowed, on both transports."""
    site = await start(max_payload=1000)
    sid = await site.wire.sid()
    assert await site.wire.post(sid, "4" + "x" * 999) == (200, "ok")
    async with site.wire.session() as socket:
        await socket.send("4" + "y" * 999)
        assert await socket.text() == "4" + "y" * 999


async def test_a_message_that_is_too_large(start: StartSite) -> None:
    """A WebSocket message beyond the payload limit closes the connection with 1009."""
    site = await start(max_payload=1000)
    async with site.wire.session() as socket:
        await socket.send("4" + "x" * 1000)
        assert await socket.closed() == 1009


async def test_a_body_that_comes_too_slowly(start: StartSite) -> None:
    """A POST whose body does not arrive in time is answered and closes the session."""
    site = await start(body_timeout=0.1)
    sid = await site.wire.sid()
    async with site.rude() as client:
        path = f"/engine.io/?EIO=4&transport=polling&sid={sid}"
        await client.request("POST", path, "Content-Length: 100", body=b"4hello")
        assert b" 400 " in await client.read_until(b"\r\n")
    await until(lambda: site.reasons == ["parse error"])


async def test_a_body_that_is_cut(start: StartSite) -> None:
    """A POST that breaks off closes the session; nothing of it is handled."""
    site = await start()
    sid = await site.wire.sid()
    async with site.rude() as client:
        path = f"/engine.io/?EIO=4&transport=polling&sid={sid}"
        await client.request("POST", path, "Content-Length: 100", body=b"4hello")
        await asyncio.sleep(0.02)
    await until(lambda: site.disconnected)
    assert site.messages == []


async def test_overlapping_posts(site: Site) -> None:
    """A POST while another one is being received closes the session."""
    sid = await site.wire.sid()
    async with site.rude() as client:
        path = f"/engine.io/?EIO=4&transport=polling&sid={sid}"
        await client.request("POST", path, "Content-Length: 100", body=b"4hello")
        await asyncio.sleep(0.05)
        assert (await site.wire.post(sid, "4a"))[0] == 400
    await until(lambda: site.reasons == ["parse error"])


# Numbers


async def test_a_refused_connection(start: StartSite) -> None:
    """Beyond a cap a handshake is answered with 503, the code and when to come back."""
    site = await start(connections=1, retry_after=7)
    async with site.wire.session():
        async with site.wire.http.get(site.wire.address()) as response:
            assert response.status == 503
            assert response.headers["Retry-After"] == "7"
            answer = await response.json()
        assert (answer["code"], answer["retry_after"]) == ("overloaded", 7)
        assert await site.wire.refused(site.wire.address("websocket")) == 503
    assert site.engine.metrics.refused == 2
    await until(lambda: site.disconnected)
    await site.wire.sid()


async def test_claims_end_with_the_connection(site: Site) -> None:
    """What a connection is counted under is free again when it has ended."""
    first, second = await site.wire.sid(), await site.wire.sid()
    assert site.engine.claim(first, "ada", 1)
    assert not site.engine.claim(second, "ada", 1)
    await site.wire.post(first, "1")
    assert site.engine.claim(second, "ada", 1)
    with pytest.raises(KeyError):
        site.engine.claim("nobody", "ada", 1)


# Rates


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_messages_above_the_rate(start: StartSite, transport: str) -> None:
    """Messages above the rate are handled later: none is lost, none overtakes another."""
    site = await start(packets_per_second=100)
    sent = [f"4{number}" for number in range(120)]
    if transport == "polling":
        sid = await site.wire.sid()
        post = asyncio.create_task(site.wire.post(sid, "\x1e".join(sent)))
    else:
        post = asyncio.create_task(_send_and_count(site, sent))
    await until(lambda: len(site.messages) >= 99)
    assert len(site.messages) < 120
    await post
    await until(lambda: len(site.messages) == len(sent))
    assert site.messages == [packet[1:] for packet in sent]


async def _send_and_count(site: Site, packets: Iterable[str]) -> None:
    async with site.wire.session() as socket:
        await socket.send(*packets)
        for packet in packets:
            assert await socket.text() == packet


@pytest.mark.parametrize(
    "frame", [client_frame(9), client_frame(10), client_frame(1, b"3"), client_frame(1, b"6")]
)
async def test_chatter(start: StartSite, frame: bytes) -> None:
    """A client that sends nothing but control packets, without end, is closed."""
    site = await start(close_timeout=0.1)
    async with site.rude() as client:
        await client.upgrade(PATH)
        await client.send(frame * (MOST_CHATTER + 1))
        assert b"too many control packets" in await client.read_all()
    await until(lambda: site.reasons == ["parse error"])


async def test_a_busy_connection_makes_its_client_wait(site: Site) -> None:
    """While a message is handled, only a little is read ahead; then everything is handled."""
    gate, handled = asyncio.Event(), []

    async def message(sid: str, data: str) -> None:
        await gate.wait()
        handled.append(len(data))

    site.engine.on("message", message)
    async with site.rude() as client:
        await client.upgrade(PATH)
        data = client_frame(1, b"4" + b"x" * 60_000)
        sending = asyncio.create_task(client.send(data * 300))
        done, _ = await asyncio.wait([sending], timeout=0.5)
        assert not done
        gate.set()
        await sending
        await until(lambda: handled == [60_000] * 300)


async def test_a_busy_connection_is_not_silent(start: StartSite) -> None:
    """A client whose pong we have not read yet, because a handler is busy, is not given up."""
    site = await start(ping_interval=0.1, ping_timeout=0.1)
    gate = asyncio.Event()
    site.before_message = gate.wait
    async with site.wire.socket() as socket:
        assert (await socket.text())[0] == "0"
        await socket.send("4one", "4two")
        for _ in range(2):
            message = await socket.ws.receive()
            assert message == aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, "2", "")
            await socket.send("3")
            break
        connection = only(site)
        due = connection._heartbeat.due
        await until(lambda: connection._heartbeat.due > due + 0.25)
        assert site.disconnected == []
        gate.set()
        assert await socket.text() == "4one"
        assert await socket.text() == "4two"
