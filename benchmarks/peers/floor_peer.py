"""The floor: sockets without any protocol, and one bare `send` for each of them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import orjson

from benchmarks.peers.control import EVERYONE, NAMESPACE, obey, run


def frame(event: dict[str, Any]) -> bytes:
    """The bytes that the other peers send: a WebSocket frame of 126 to 65,535 bytes."""
    text = f"42{NAMESPACE},".encode() + orjson.dumps(["notification", event])
    return b"\x81\x7e" + len(text).to_bytes(2) + text


def _number(room: str) -> int:
    return int(room.partition(":")[2])


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    clients: list[socket.socket] = []

    async def accept() -> None:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(listener)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            clients.append(client)
            client.send(b"}")  # in: all that the crowd waits for

    async def emit(room: str, event: dict[str, Any]) -> None:
        data = frame(event)
        for client in list(clients) if room == EVERYONE else [clients[_number(room)]]:
            try:
                client.send(data)
            except ConnectionError:
                clients.remove(client)
                client.close()

    accepting = asyncio.create_task(accept())
    await obey(emit, listener.getsockname()[1])
    accepting.cancel()


if __name__ == "__main__":
    run(main)
