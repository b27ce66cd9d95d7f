"""The stock clients of JavaScript and Python against our server."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import socketio

from notifier.realtime.engine import EngineOptions
from tests.conformance import server
from tests.realtime.engine.wire import Wire, serving, until
from tests.servers import node

SCRIPT = Path(__file__).with_name("client.mjs")
# The browser client's packages include the stock client.
PACKAGES = Path(__file__).parents[2] / "static"
PATIENCE = 60


@pytest.fixture(scope="session")
async def packages() -> Path:
    """A folder where socket.io-client is installed."""
    if not (PACKAGES / "node_modules" / "socket.io-client").is_dir():
        npm = await asyncio.create_subprocess_exec("npm", "ci", "--silent", cwd=PACKAGES)
        assert await npm.wait() == 0
    return PACKAGES


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """The server of the conformance suite, with its short heartbeat."""
    async with serving(server.socket_app(), "/socket.io/") as wire:
        yield wire


@asynccontextmanager
async def javascript(folder: Path, wire: Wire, scenario: str) -> AsyncIterator[Process]:
    """A Node process that plays a scenario."""
    url = f"http://127.0.0.1:{wire.port}"
    process = await asyncio.create_subprocess_exec(
        node(), str(SCRIPT), url, scenario, cwd=folder, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def result(process: Process) -> Any:
    """What the process prints at its end."""
    output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, errors.decode()
    return json.loads(output)


@pytest.mark.parametrize("scenario", ["websocket", "polling", "upgrade"])
async def test_javascript(packages: Path, wire: Wire, scenario: str) -> None:
    """socket.io-client talks over each transport and upgrades, with acks and attachments."""
    async with javascript(packages, wire, scenario) as process:
        assert await result(process) == {
            "auth": {"token": "t"},
            "ack": "é",
            "bytes": [1, 2],
            "text": "x",
            "transport": "polling" if scenario == "polling" else "websocket",
        }


async def test_javascript_is_refused(packages: Path, wire: Wire) -> None:
    """socket.io-client gets the message of a refusal as an error."""
    async with javascript(packages, wire, "refused") as process:
        assert await result(process) == {"message": "Invalid namespace"}


async def test_javascript_heartbeat(packages: Path, wire: Wire) -> None:
    """socket.io-client stays connected over heartbeats."""
    async with javascript(packages, wire, "idle") as process:
        assert await result(process) == {"connected": True}


async def test_javascript_burst(packages: Path, wire: Wire) -> None:
    """Everything socket.io-client sends at once over long-polling arrives, in order."""
    async with javascript(packages, wire, "burst") as process:
        assert await result(process) == {"complete": True}


async def test_javascript_reconnects(packages: Path) -> None:
    """After a close with 1001 socket.io-client comes back by itself."""
    options = EngineOptions(drain_seconds=0)
    app, sio = server.socket_app_and_server(options)
    async with (
        serving(app, "/socket.io/") as wire,
        javascript(packages, wire, "reconnect") as process,
    ):
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), PATIENCE) == b"ready\n"
        await sio.eio.disconnect()
        assert await result(process) == {"reason": "transport close", "auth": {"token": "t"}}


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
async def test_python(wire: Wire, transports: list[str]) -> None:
    """socketio.AsyncClient talks over each transport and upgrades."""
    client = socketio.AsyncClient(reconnection=False)
    received: list[Any] = []
    client.on("auth", received.append, namespace="/custom")
    client.on("message-back", lambda *arguments: received.append(arguments), namespace="/custom")
    await client.connect(
        f"http://127.0.0.1:{wire.port}",
        transports=transports,
        namespaces=["/custom"],
        auth={"token": "t"},
    )
    await until(lambda: received == [{"token": "t"}])
    answer = await client.call("message-with-ack", (b"\1", "x"), namespace="/custom")
    assert answer == (b"\1", "x")
    await client.emit("message", {"a": [b"\2"]}, namespace="/custom")
    await until(lambda: received[1:] == [({"a": [b"\2"]},)])
    assert client.transport() == transports[-1]
    await client.disconnect()
