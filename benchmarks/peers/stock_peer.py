"""python-socketio as it comes, on aiohttp."""

from __future__ import annotations

from typing import Any

import jwt
import socketio
from aiohttp import web

from benchmarks.peers.control import EVERYONE, NAMESPACE, ORIGIN, SECRET, SILENCE, obey, run


async def main() -> None:
    server = socketio.AsyncServer(
        async_mode="aiohttp",
        cors_allowed_origins=[ORIGIN],
        ping_interval=SILENCE,
        ping_timeout=SILENCE,
    )

    async def connect(sid: str, environ: Any, auth: Any) -> None:
        user = jwt.decode(auth["token"], SECRET, algorithms=["HS256"])["sub"]
        for room in (f"user:{user}", EVERYONE):
            await server.enter_room(sid, room, namespace=NAMESPACE)

    async def emit(room: str, event: dict[str, Any]) -> None:
        await server.emit("notification", event, room=room, namespace=NAMESPACE)

    server.on("connect", connect, namespace=NAMESPACE)
    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    await obey(emit, runner.addresses[0][1])


if __name__ == "__main__":
    run(main)
