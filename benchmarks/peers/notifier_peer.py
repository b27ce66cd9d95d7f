"""Notifier's connection layer, set up as a node sets it up; only the domain is missing."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from aiohttp import web

from benchmarks.peers.control import EVERYONE, NAMESPACE, ORIGIN, SECRET, SILENCE, obey, run
from notifier.http.middleware import OURS, add_middleware
from notifier.http.tokens import TokenRules, TokenVerifier
from notifier.realtime.engine import EngineOptions, Frame
from notifier.realtime.rooms import Rooms
from notifier.realtime.server import SocketServer


async def main() -> None:
    verifier = TokenVerifier(TokenRules(secrets=(SECRET,)))
    rooms = Rooms()
    options = EngineOptions(ping_interval=SILENCE, ping_timeout=SILENCE, origins=[ORIGIN])
    server = SocketServer(rooms, options, namespaces=[NAMESPACE])

    async def connect(sid: str, environ: Any, auth: Any) -> None:
        principal = await verifier.verify(auth["token"])
        for room in (f"user:{principal.id}", EVERYONE):
            await rooms.enter_room(sid, NAMESPACE, room)

    async def emit(room: str, event: dict[str, Any]) -> None:
        data = orjson.dumps(["notification", event]).decode()
        rooms.send(NAMESPACE, room, Frame.message(f"2{NAMESPACE},{data}"))

    server.on("connect", connect, namespace=NAMESPACE)
    app = web.Application()
    app[OURS] = set()
    add_middleware(app)
    server.attach(app, "socket.io")
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    await obey(emit, runner.addresses[0][1])


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    run(main)
