"""What reaches a handler of the server, and what a handler can do to it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import socketio
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.realtime.engine import EngineOptions
from notifier.realtime.events import RESERVED
from notifier.realtime.packet import Json
from notifier.realtime.server import SocketServer
from tests.realtime.engine.rude import Rude
from tests.realtime.engine.wire import Socket, Wire, serving, until

OPTIONS = EngineOptions(drain_seconds=0, packets_per_second=0, close_timeout=0.2)


class Site:
    """A server whose handlers note every call."""

    def __init__(self, server: SocketServer, wire: Wire) -> None:
        self.server = server
        self.wire = wire
        self.calls: list[tuple[Any, ...]] = []
        server.on("connect", self._note("connect"))
        server.on("disconnect", self._note("disconnect"))
        server.on("hello", self._note("hello"))

    def _note(self, name: str) -> Any:
        async def handler(sid: str, argument: Any = None, more: Any = None) -> str:
            self.calls.append((name, argument))
            return f"{name} done"

        return handler

    def names(self) -> list[str]:
        """The handlers that were called, in order."""
        return [name for name, *_ in self.calls]

    async def gone(self) -> None:
        """Wait until no connection is left."""
        await until(lambda: not self.server.eio.connections)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A server with the main namespace."""
    server = SocketServer(options=OPTIONS, connect_timeout=60)
    app = web.Application()
    server.attach(app, "socket.io")
    async with serving(app, "/socket.io/") as wire:
        yield Site(server, wire)


async def connect(socket: Socket, namespace: str = "") -> str:
    """Connect to a namespace; returns the client's sid."""
    await socket.send(f"40{namespace}")
    packet = await socket.text()
    assert packet.startswith(f"40{namespace}{{")
    return packet.split('"')[3]


# The allow-list


@pytest.mark.parametrize("event", [*sorted(RESERVED), "goodbye", "__class__", "*", "", "on_hello"])
async def test_events_without_a_handler(site: Site, event: str) -> None:
    """Reserved names and events nobody registered reach no handler and get no acknowledgement."""
    async with site.wire.session() as socket:
        await connect(socket)
        await socket.send(f'421["{event}","forged"]', '422["hello"]')
        assert await socket.text() == '432["hello done"]'
    assert site.names()[:2] == ["connect", "hello"]


@pytest.mark.parametrize("event", ["disconnect", "goodbye"])
async def test_unknown_event(site: Site, event: str) -> None:
    """The namespace can acknowledge events without a handler."""

    async def unknown(sid: str, event: str) -> dict[str, Any]:
        return {"ok": False, "event": event}

    site.server.on_unknown_event("/", unknown)
    async with site.wire.session() as socket:
        await connect(socket)
        await socket.send(f'421["{event}","x"]', f'42["{event}"]', '422["hello"]')
        assert await socket.text() == f'431[{{"ok":false,"event":"{event}"}}]'
        assert await socket.text() == '432["hello done"]'


async def test_wrong_number_of_arguments(site: Site) -> None:
    """An event with more or fewer arguments than its handler takes is not passed to it."""
    async with site.wire.session() as socket:
        await connect(socket)
        await socket.send('421["hello",1,2,3]', '422["hello",1]')
        assert await socket.text() == '432["hello done"]'
    assert site.calls[1] == ("hello", 1)


async def test_catch_all(site: Site) -> None:
    """A catch-all handler gets every event but the reserved ones."""

    def catch_all(event: str, sid: str, *arguments: Any) -> list[Any]:
        return [event, *arguments]

    site.server.on("*", catch_all)
    async with site.wire.session() as socket:
        await connect(socket)
        await socket.send('421["connect"]', '422["whatever",1]')
        assert await socket.text() == '432[["whatever",1]]'


class Explicit(socketio.AsyncNamespace):  # type: ignore[misc]
    """A namespace that names its events."""

    events = frozenset(("open",))

    async def on_open(self, sid: str) -> str:
        return "open"

    async def on_secret(self, sid: str) -> str:
        raise AssertionError("a client must not get here")


class Implicit(socketio.AsyncNamespace):  # type: ignore[misc]
    """A namespace whose methods are its events."""

    def on_open(self, sid: str) -> str:
        return "open"

    async def on_connect(self, sid: str, environ: Any, auth: Any) -> None:
        self.environ = environ

    def trigger(self, sid: str) -> None:
        raise AssertionError("a client must not get here")


@pytest.mark.parametrize("namespace", [Explicit("/ns"), Implicit("/ns")])
async def test_class_based_namespace(site: Site, namespace: Any) -> None:
    """A namespace class offers the events it names, or else its `on_` methods, and nothing more."""
    site.server.register_namespace(namespace)
    async with site.wire.session() as socket:
        await connect(socket, "/ns,")
        for event in ("secret", "connect", "trigger", "__init__"):
            await socket.send(f'42/ns,1["{event}"]')
        await socket.send('42/ns,2["open"]')
        assert await socket.text() == '43/ns,2["open"]'


async def test_an_event_before_connecting(site: Site) -> None:
    """Events and acknowledgements for a namespace that was not joined are ignored."""
    async with site.wire.session() as socket:
        await socket.send('421["hello"]', "431[]")
        await connect(socket)
        await socket.send('422["hello"]')
        assert await socket.text() == '432["hello done"]'


# Connecting


async def test_environ(site: Site) -> None:
    """The connect handler sees the client's real address and its headers."""
    namespace = Implicit("/ns")
    site.server.register_namespace(namespace)
    async with site.wire.session() as socket:
        await connect(socket, "/ns,")
    assert namespace.environ["REMOTE_ADDR"] == "127.0.0.1"
    assert namespace.environ["HTTP_HOST"].startswith("127.0.0.1")


REFUSALS = {
    "false": (lambda: False, '{"message":"Connection rejected by server"}'),
    "error with data": (
        lambda: _raise(socketio.exceptions.ConnectionRefusedError("no", {"code": "forbidden"})),
        '{"message":"no","data":{"code":"forbidden"}}',
    ),
    "plain error": (
        lambda: _raise(ConnectionRefusedError()),
        '{"message":"Connection refused by server"}',
    ),
    "bug": (
        lambda: _raise(RuntimeError("secret")),
        '{"message":"Internal error","data":{"code":"internal"}}',
    ),
}


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(("refuse", "error"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_refused(site: Site, refuse: Any, error: str) -> None:
    """A refused client gets a message object, is in no room, and is told nothing of a bug."""

    async def handler(sid: str, environ: Any, auth: Any) -> Any:
        await site.server.enter_room(sid, "room")
        return refuse()

    site.server.on("connect", handler)
    async with site.wire.session() as socket:
        await socket.send("40")
        assert await socket.text() == f"44{error}"
        assert list(site.server.manager.get_namespaces()) == []
    assert "disconnect" not in site.names()


async def test_three_attempts(site: Site) -> None:
    """The third refusal closes the connection; connecting twice counts as one."""
    async with site.wire.session() as socket:
        await connect(socket)
        await socket.send("40", "40/a", "40/b", "40/c")
        assert await socket.text() == '44{"message":"Already connected"}'
        for namespace in ("/a", "/b"):
            assert await socket.text() == f'44{namespace},{{"message":"Invalid namespace"}}'
        assert await socket.closed() == 1008
    await site.gone()
    assert site.server._failures == {}


async def test_no_namespace_left(site: Site) -> None:
    """A connection that has left its last namespace has to join one again in time."""
    site.server._connect_timeout = 0.1
    async with site.wire.session() as socket:
        await connect(socket)
        await asyncio.sleep(0.2)
        await socket.send("41")
        assert await socket.closed() == 1008


async def test_connected(site: Site) -> None:
    """What is done once a client is connected comes after its connect packet, before its events."""

    async def connected(sid: str) -> None:
        await asyncio.sleep(0.02)
        await site.server.emit("welcome", to=sid)

    site.server.on_connected("/", connected)
    async with site.wire.session() as socket:
        await socket.send("40", '421["hello"]')
        packets = [await socket.text() for _ in range(3)]
    assert packets[0].startswith("40{")
    assert packets[1:] == ['42["welcome"]', '431["hello done"]']


# Leaving


async def test_disconnected_by_the_client(site: Site) -> None:
    """Leaving a namespace and closing the connection are told once each."""
    async with site.wire.session() as socket:
        await connect(socket)
        await socket.send("41", "41", "40")
        assert (await socket.text()).startswith("40{")
    await site.gone()
    assert [call for call in site.calls if call[0] == "disconnect"] == [
        ("disconnect", "client disconnect"),
        ("disconnect", "transport close"),
    ]


async def test_disconnected_by_the_server(site: Site) -> None:
    """The server can take a client out of a namespace, and close its connection with 1001."""
    async with site.wire.session() as socket:
        sid = await connect(socket)
        await site.server.disconnect(sid)
        await site.server.disconnect(sid)
        await site.server.disconnect(sid, ignore_queue=True)
        assert await socket.text() == "41"
        sid = await connect(socket)
        await site.server.drained(sid, "/")
        site.server.close_transport(sid, "/", "expired")
        assert await socket.closed() == 1001
    await site.gone()
    assert [call for call in site.calls if call[0] == "disconnect"] == [
        ("disconnect", "server disconnect"),
        ("disconnect", "expired"),
    ]
    site.server.close_transport(sid, "/", "expired")
    await site.server.drained(sid, "/")


@pytest.mark.parametrize("event", ["hello", "disconnect", "connected", "ack"])
async def test_failing_handlers(site: Site, event: str, caplog: pytest.LogCaptureFixture) -> None:
    """A handler that raises is logged, leaves no ghost and does not end the connection."""

    async def fail(*arguments: Any) -> None:
        raise RuntimeError("broken")

    if event == "connected":
        site.server.on_connected("/", fail)
    else:
        site.server.on(event, fail)
    async with site.wire.session() as socket:
        sid = await connect(socket)
        await site.server.enter_room(sid, "room")
        await site.server.emit("ask", to=sid, callback=fail)
        assert await socket.text() == '421["ask"]'
        with caplog.at_level(logging.ERROR):
            await socket.send("431[]", '422["hello"]', "40")
            answers = [await socket.text()]
            if event != "hello":
                answers.append(await socket.text())
            assert answers[-1] == '44{"message":"Already connected"}'
    await site.gone()
    assert "RuntimeError: broken" in caplog.text
    assert list(site.server.manager.get_namespaces()) == []


async def test_an_answer_that_cannot_be_written(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """A result that is no JSON is the handler's error; the connection goes on."""

    async def handler(sid: str) -> Any:
        return object()

    site.server.on("odd", handler)
    async with site.wire.session() as socket:
        await connect(socket)
        with caplog.at_level(logging.ERROR):
            await socket.send('421["odd"]', '422["hello"]')
            assert await socket.text() == '432["hello done"]'
    assert "a handler of / failed" in caplog.text


async def test_a_client_that_goes_while_it_connects(site: Site) -> None:
    """A client that disappears during its connect handler is connected, then disconnected."""
    gate = asyncio.Event()

    async def handler(sid: str, environ: Any, auth: Any) -> None:
        await site.server.enter_room(sid, "room")
        await gate.wait()

    site.server.on("connect", handler)
    async with Rude(site.wire.port) as client:
        await client.upgrade("/socket.io/?EIO=4&transport=websocket")
        await client.packet("40")
        await until(lambda: list(site.server.manager.get_namespaces()))
    await until(lambda: site.server.eio.metrics.closes)
    gate.set()
    await site.gone()
    assert site.names() == ["disconnect"]
    assert list(site.server.manager.get_namespaces()) == []


async def test_nothing_of_a_message_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Neither tokens nor arguments are logged, at any level, even when something is wrong."""
    with caplog.at_level(logging.DEBUG):
        async with site.wire.session() as socket:
            await socket.send('40{"token":"secret"}')
            await socket.text()
            await socket.send('421["hello","secret"]', '42["nobody","secret"]', '43["secret"]')
            await socket.closed()
        await site.gone()
    assert "secret" not in caplog.text
    assert "closed: parse error" in caplog.text


# Fuzzing

# A slice of what a long run with a higher number covers.
EXAMPLES = int(os.environ.get("NOTIFIER_FUZZ_EXAMPLES", "60"))

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | st.sampled_from(["hello", "connect", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["_placeholder", "num", "token"]), inner, max_size=2)
    ),
    max_leaves=6,
)


SENSIBLE = st.sampled_from(
    [
        "40", "41", "40/other", '42["hello"]', '421["hello",{"a":1}]', '42["disconnect","forged"]',
        "431[]", '451-["hello",{"_placeholder":true,"num":0}]', b"attachment", '42["connect"]',
    ]
)  # fmt: skip
NEARLY = st.builds(
    lambda head, namespace, number, body: head + namespace + number + Json.dumps(body),
    st.sampled_from(["40", "41", "42", "43", "451-", "452-", "461-", "44", "3", "6"]),
    st.sampled_from(["", "", "/,", "/other,", "/"]),
    st.sampled_from(["", "1", "0"]),
    JSON,
)
GARBAGE = st.text(st.characters(codec="utf-8"), max_size=10) | st.binary(max_size=10)
PACKETS = SENSIBLE | SENSIBLE | SENSIBLE | NEARLY | GARBAGE


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_any_packets(site: Site, transport: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a client sends: no error of ours, no ghost, no handler that is not allowed."""
    unhandled: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: unhandled.append(context))
    scripts: list[list[str | bytes]] = []

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(PACKETS, min_size=1, max_size=8))
    def collect(script: list[str | bytes]) -> None:
        scripts.append(script)

    collect()
    with caplog.at_level(logging.WARNING):
        for script in scripts:
            await (_over_websocket if transport == "websocket" else _over_polling)(site, script)
        await site.gone()
    loop.set_exception_handler(None)
    assert unhandled == []
    assert caplog.records == []
    assert list(site.server.manager.get_namespaces()) == []
    assert site.server._incomplete == {}
    assert site.server.environ == {}
    calls = site.names()
    assert set(calls) == {"connect", "disconnect", "hello"}
    assert calls.count("connect") == calls.count("disconnect")
    assert ("disconnect", "forged") not in site.calls


async def _over_websocket(site: Site, script: list[str | bytes]) -> None:
    async with site.wire.session() as socket:
        await socket.send("40")
        try:
            await socket.send(*script)
        except ConnectionError:
            return


async def _over_polling(site: Site, script: list[str | bytes]) -> None:
    sid = await site.wire.sid()
    body = b"40"
    for packet in script:
        body += b"\x1e" + (packet.encode() if isinstance(packet, str) else b"b" + packet)
    await site.wire.post(sid, body)
    await site.wire.post(sid, "1")
