"""A client on a bare socket, which can do what no library would."""

from __future__ import annotations

import asyncio
import socket
import struct

from tests.realtime.engine.test_frames import client_frame

SMALL_BUFFER = 4096
# SO_LINGER with no time: close() resets the connection.
RESET = struct.pack("ii", 1, 0)
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Rude:
    """One TCP connection to a server at 127.0.0.1, with a small receive buffer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)

    async def __aenter__(self) -> Rude:
        await self._loop.sock_connect(self._socket, ("127.0.0.1", self._port))
        return self

    async def __aexit__(self, *args: object) -> None:
        self._socket.close()

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        await self._loop.sock_sendall(self._socket, data)

    async def request(self, method: str, path: str, *headers: str, body: bytes = b"") -> None:
        """Send a request, whatever its headers claim."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]
        await self.send("\r\n".join(lines).encode() + body)

    async def read(self, size: int = 65536) -> bytes:
        """Some bytes; none at the end."""
        try:
            return await self._loop.sock_recv(self._socket, size)
        except ConnectionError:
            return b""

    async def read_until(self, end: bytes) -> bytes:
        """Bytes up to and with these; ConnectionError if the server closes before."""
        data = b""
        while not data.endswith(end):
            chunk = await self.read(1)
            if not chunk:
                raise ConnectionResetError(data)
            data += chunk
        return data

    async def read_all(self) -> bytes:
        """Everything until the server closes."""
        data = b""
        while chunk := await self.read():
            data += chunk
        return data

    async def upgrade(self, path: str) -> None:
        """Open a WebSocket; ConnectionError if it is refused."""
        await self.request(
            "GET", path, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {KEY}",
        )  # fmt: skip
        answer = await self.read_until(b"\r\n\r\n")
        if b" 101 " not in answer:
            raise ConnectionRefusedError(answer)

    async def packet(self, packet: str) -> None:
        """Send a packet in a text frame."""
        await self.send(client_frame(1, packet.encode()))

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._socket.close()

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)
