"""What the official test suites of both protocols run against.

`SUITE=engine` echoes every message on `/engine.io/`; `SUITE=socket` (the default) serves the
namespaces `/` and `/custom` on `/socket.io/`. Listens on 127.0.0.1, port `PORT` or 3000.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from aiohttp import web

from notifier.realtime.engine import Engine, EngineOptions
from notifier.realtime.server import SocketServer

OPTIONS = EngineOptions(ping_interval=0.3, ping_timeout=0.2, max_payload=1_000_000)
CONNECT_TIMEOUT = 1.0
NAMESPACES = ("/", "/custom")


def engine_app(options: EngineOptions = OPTIONS) -> web.Application:
    """An application that echoes every Engine.IO message."""
    engine = Engine(options)
    engine.on("message", engine.send)
    app = web.Application()
    engine.attach(app, "engine.io")
    return app


def socket_app(options: EngineOptions = OPTIONS) -> web.Application:
    """An application with the Socket.IO events that the suite uses."""
    return socket_app_and_server(options)[0]


def socket_app_and_server(options: EngineOptions) -> tuple[web.Application, SocketServer]:
    """That application, and its server."""
    server = SocketServer(options=options, connect_timeout=CONNECT_TIMEOUT)
    for namespace in NAMESPACES:
        serve(server, namespace)
    app = web.Application()
    server.attach(app, "socket.io")
    return app, server


def serve(server: SocketServer, namespace: str) -> None:
    """Register the suite's handlers in one namespace."""
    payloads: dict[str, Any] = {}

    async def connect(sid: str, environ: Any, auth: Any) -> None:
        payloads[sid] = auth or {}

    async def connected(sid: str) -> None:
        # The suite listens for one message at a time and misses the second of two that its
        # client reads at once.
        await asyncio.sleep(0.01)
        await server.emit("auth", payloads.pop(sid), to=sid, namespace=namespace)

    async def message(sid: str, *arguments: Any) -> None:
        await server.emit("message-back", arguments, to=sid, namespace=namespace)

    async def message_with_ack(sid: str, *arguments: Any) -> tuple[Any, ...]:
        return arguments

    server.on("connect", connect, namespace=namespace)
    server.on_connected(namespace, connected)
    server.on("message", message, namespace=namespace)
    server.on("message-with-ack", message_with_ack, namespace=namespace)


if __name__ == "__main__":
    app = engine_app() if os.environ.get("SUITE") == "engine" else socket_app()
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(os.environ.get("PORT", "3000")),
        handler_cancellation=True,
        print=None,
    )
