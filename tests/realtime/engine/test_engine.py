"""The life of connections: handlers, order, ends, shutdown; and the API besides."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from engineio import packet as stock

from notifier.realtime.engine import Engine, Frame, ProtocolError, UnknownSession
from tests.realtime.engine.conftest import Site, StartSite
from tests.realtime.engine.wire import until

# Handlers


async def test_messages_are_handled_in_order(site: Site) -> None:
    """The next message waits until the handler of the last one is done."""
    pauses = iter([0.03, 0.0, 0.02, 0.0, 0.01, 0.0])
    site.before_message = lambda: asyncio.sleep(next(pauses))
    async with site.wire.session() as socket:
        await socket.send(*(f"4{number}" for number in range(6)))
        assert [await socket.text() for _ in range(6)] == [f"4{number}" for number in range(6)]
    assert site.messages == [str(number) for number in range(6)]


async def test_what_came_before_the_end_is_handled(site: Site) -> None:
    """Messages that arrived are handled although the client has gone; then its end is told."""
    gate = asyncio.Event()
    site.before_message = gate.wait
    async with site.rude() as client:
        await client.upgrade("/engine.io/?EIO=4&transport=websocket")
        # Unread data would turn the client's close into a reset, which discards what it sent.
        await client.read_until(b"}")
        for packet in ("4one", "4two", "4three"):
            await client.packet(packet)
    await until(lambda: site.engine.metrics.closes)
    assert (site.messages, site.disconnected) == ([], [])
    gate.set()
    await until(lambda: site.disconnected)
    assert site.messages == ["one", "two", "three"]


async def test_a_refused_client(site: Site) -> None:
    """A connect handler that returns False refuses the client, and its end is not told."""

    async def connect(sid: str, environ: Any) -> bool:
        return environ["REMOTE_ADDR"] != "127.0.0.1"

    site.engine.on("connect", connect)
    assert (await site.wire.get(site.wire.address()))[0] == 403
    assert await site.wire.refused(site.wire.address("websocket")) == 403
    await until(lambda: not site.engine.connections)
    assert site.disconnected == []


async def test_what_a_connect_handler_sends(site: Site) -> None:
    """What is sent before the handshake is answered comes after it, on both transports."""

    async def connect(sid: str, environ: Any) -> None:
        await site.engine.send(sid, "welcome")

    site.engine.on("connect", connect)
    assert await site.wire.poll(await site.wire.sid()) == (200, "4welcome")
    async with site.wire.session() as socket:
        assert await socket.text() == "4welcome"


@pytest.mark.parametrize("event", ["connect", "message", "disconnect"])
async def test_a_failing_handler(site: Site, event: str, caplog: pytest.LogCaptureFixture) -> None:
    """A handler that raises is logged; it never leaves a connection behind."""

    async def fail(*arguments: Any) -> None:
        raise RuntimeError("broken")

    site.engine.on(event, fail)
    with caplog.at_level(logging.ERROR):
        status, text = await site.wire.get(site.wire.address())
        if event == "connect":
            assert status == 403
        else:
            sid = text.split('"')[3]
            assert await site.wire.post(sid, "4a\x1e1") == (200, "ok")
        await until(lambda: not site.engine.connections)
    assert f"the {event} handler failed" in caplog.text


async def test_a_handler_that_finds_a_broken_protocol(site: Site) -> None:
    """A handler that raises ProtocolError closes the connection with its code."""

    async def message(sid: str, data: str) -> None:
        raise ProtocolError("not ours", 1003)

    site.engine.on("message", message)
    async with site.wire.session() as socket:
        await socket.send("4a")
        assert await socket.closed() == 1003
    sid = await site.wire.sid()
    await site.wire.post(sid, "4a")
    assert (await site.wire.poll(sid))[0] == 400


async def test_an_engine_without_handlers(site: Site) -> None:
    """An engine needs no handlers."""
    site.engine._handlers.clear()
    async with site.wire.session() as socket:
        await socket.send("4a", "1")
        assert await socket.closed() == 1000
    await until(lambda: not site.engine.connections)


def test_an_unknown_event() -> None:
    """There are three events."""
    with pytest.raises(ValueError, match="no such event"):
        Engine().on("whatever")


# Ends


async def test_a_silent_peer(start: StartSite) -> None:
    """A peer that vanished without a word is gone after interval and timeout, and its end told."""
    site = await start(ping_interval=0.1, ping_timeout=0.1)
    await site.wire.sid()
    async with site.rude() as client:
        await client.upgrade("/engine.io/?EIO=4&transport=websocket")
        await until(lambda: len(site.disconnected) == 2)
    assert site.reasons == ["ping timeout", "ping timeout"]


async def test_an_abandoned_poll(site: Site) -> None:
    """A client that drops its poll has gone; nothing is swallowed by the dead poll."""
    sid = await site.wire.sid()
    async with site.rude() as client:
        await client.request("GET", f"/engine.io/?EIO=4&transport=polling&sid={sid}")
        await asyncio.sleep(0.02)
    await until(lambda: site.reasons == ["transport close"])


async def test_the_server_closes(site: Site) -> None:
    """The server closes with 1001, after which Socket.IO clients reconnect; polls get a close."""
    sid = await site.wire.sid()
    poll = asyncio.create_task(site.wire.poll(sid))
    async with site.wire.session() as socket:
        await asyncio.sleep(0.02)
        await site.engine.disconnect()
        assert await socket.closed() == 1001
    assert await poll == (200, "1")
    await until(lambda: site.reasons == ["server disconnect"] * 2)


async def test_a_client_that_does_not_answer_a_close(start: StartSite) -> None:
    """A closing WebSocket is cut when the client does not close its side."""
    site = await start(close_timeout=0.1)
    async with site.rude() as client:
        await client.upgrade("/engine.io/?EIO=4&transport=websocket")
        await until(lambda: site.engine.connections)
        await site.engine.disconnect()
        await until(lambda: not site.engine.core.lingering)
        assert (await client.read_all()).endswith(b"server disconnect")


async def test_a_half_open_client(start: StartSite) -> None:
    """A client that has closed its sending half is gone, even if it reads nothing."""
    site = await start(close_timeout=0.1)
    async with site.rude() as client:
        await client.upgrade("/engine.io/?EIO=4&transport=websocket")
        await until(lambda: site.engine.connections)
        (connection,) = site.engine.connections.values()
        for _ in range(200):
            connection.send(Frame.message("x" * 60_000))
        client.half_close()
        await until(lambda: site.disconnected)
    await until(lambda: not site.engine.core.lingering)


async def test_close_after(site: Site) -> None:
    """An application can give a connection a deadline and take it back."""
    async with site.wire.session() as kept, site.wire.session() as closed:
        first, second = site.engine.connections.values()
        first.close_after(0.05, "too late")
        first.keep()
        second.close_after(0.1, "too late")
        assert await closed.closed() == 1008
        await kept.send("4still here")
        assert await kept.text() == "4still here"
    assert site.reasons[0] == "too late"


# Shutdown


async def test_shutdown(site: Site) -> None:
    """Everybody is told goodbye and closed with 1001, polls are answered, newcomers refused."""
    site.engine.goodbye = lambda connection, reason: Frame.message(reason)
    sid, probed = await site.wire.sid(), await site.wire.sid()
    poll = asyncio.create_task(site.wire.poll(sid))
    async with site.wire.session() as socket, site.wire.socket(probed) as probe:
        await asyncio.sleep(0.02)
        shutdown = asyncio.create_task(site.engine.shutdown())
        assert await socket.receive() == "4server shutdown"
        assert await socket.closed() == 1001
        assert await probe.closed() == 1000
        await shutdown
    assert await poll == (200, "4server shutdown\x1e1")
    assert (await site.wire.get(site.wire.address()))[0] == 503
    assert site.reasons == ["server shutdown"] * 3
    assert not site.engine.connections
    assert not site.engine.core.lingering


async def test_shutdown_does_not_wait_for_ever(start: StartSite) -> None:
    """A handler that never ends and a client that never closes are cut when the time is over."""
    site = await start(shutdown_seconds=0.2, close_timeout=60)
    forever = asyncio.Event()
    site.before_message = forever.wait
    async with site.rude() as client:
        await client.upgrade("/engine.io/?EIO=4&transport=websocket")
        await client.packet("4a")
        await until(lambda: site.engine.metrics.packets_in)
        await asyncio.wait_for(site.engine.shutdown(), 5)
    assert not site.engine.core.lingering
    assert site.messages == []


async def test_a_broken_goodbye(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A goodbye that cannot be made does not stop the closing."""

    def fail(connection: object, reason: str) -> Frame:
        raise RuntimeError("broken")

    site.engine.goodbye = fail
    async with site.wire.session() as socket:
        with caplog.at_level(logging.ERROR):
            await site.engine.disconnect()
        assert await socket.closed() == 1001
    assert "no goodbye could be made" in caplog.text


# The rest of the API


async def test_sending(site: Site) -> None:
    """Text, bytes, lists and dictionaries can be sent; to nobody, they are ignored."""
    async with site.wire.session() as socket:
        (sid,) = site.engine.connections
        for data in ("text", b"\1", ["a", 1], {"a": 1}):
            await site.engine.send(sid, data)
        received = [await socket.receive() for _ in range(4)]
        assert received == ["4text", b"\1", '4["a",1]', '4{"a":1}']
        await site.engine.send_packet(sid, stock.Packet(stock.MESSAGE, "packet"))
        assert await socket.receive() == "4packet"
        with pytest.raises(ValueError, match="only messages"):
            await site.engine.send_packet(sid, stock.Packet(stock.PING))
    await site.engine.send("nobody", "text")


async def test_sessions(site: Site) -> None:
    """An application keeps its data with the connection, until the disconnect handler has run."""
    seen: list[dict[str, Any]] = []

    async def disconnect(sid: str, reason: str) -> None:
        seen.append(await site.engine.get_session(sid))

    site.engine.on("disconnect", disconnect)
    sid = await site.wire.sid()
    await site.engine.save_session(sid, {"user": "ada"})
    async with site.engine.session(sid) as session:
        session["seen"] = True
    await site.wire.post(sid, "1")
    await until(lambda: seen)
    assert seen == [{"user": "ada", "seen": True}]
    await until(lambda: not site.engine.connections)
    with pytest.raises(UnknownSession, match="Session not found"):
        await site.engine.get_session(sid)
    with pytest.raises(KeyError):
        site.engine.transport(sid)


async def test_transport(site: Site) -> None:
    """A connection knows its transport, address and id."""
    sid = await site.wire.sid()
    assert site.engine.transport(sid) == "polling"
    async with site.wire.socket(sid) as socket:
        await socket.send("2probe", "5", "4a")
        assert [await socket.receive() for _ in range(2)] == ["3probe", "4a"]
        assert site.engine.transport(sid) == "websocket"
        assert site.engine.connections[sid].remote == "127.0.0.1"
        assert site.engine.connections[sid].sid == sid


async def test_metrics(site: Site) -> None:
    """Counters grow, gauges return."""
    metrics = site.engine.metrics
    sid = await site.wire.sid()
    assert (metrics.polling_connections, metrics.websocket_connections) == (1, 0)
    async with site.wire.socket(sid) as socket:
        await socket.send("2probe", "5", "4a")
        assert [await socket.receive() for _ in range(2)] == ["3probe", "4a"]
        assert (metrics.polling_connections, metrics.websocket_connections) == (0, 1)
    await until(lambda: site.disconnected)
    assert (metrics.polling_connections, metrics.websocket_connections) == (0, 0)
    assert (metrics.opened, metrics.upgraded, metrics.closes) == (1, 1, {"transport close": 1})
    assert (metrics.packets_in, metrics.packets_out, metrics.outbox_bytes) == (1, 1, 0)
    assert metrics.loop_lag >= 0


async def test_cross_origin_requests(start: StartSite) -> None:
    """A page of a listed origin may read answers; others are refused, before anything else."""
    site = await start(origins=["https://app.example"])
    good, bad = {"Origin": "https://app.example"}, {"Origin": "https://evil.example"}
    async with site.wire.http.get(site.wire.address(), headers=good) as response:
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
    async with site.wire.http.options(site.wire.url, headers=good) as response:
        assert response.status == 204
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert (await site.wire.get(site.wire.address(), headers=bad))[0] == 403
    assert len(site.connected) == 1


async def test_one_transport_only(start: StartSite) -> None:
    """A transport that is not among the options is unknown, and no upgrade to it is offered."""
    site = await start(transports=("polling",))
    assert (await site.wire.open())["upgrades"] == []
    assert await site.wire.refused(site.wire.address("websocket")) == 400
