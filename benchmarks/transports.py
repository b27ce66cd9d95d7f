"""What a delivery costs on each transport of one node: ``make bench-transports``, half a minute.

A real server on SQLite, and as many readers of one transport at a time; each is a user of its own.
Notifications to everyone are published over HTTP, the next when every reader has the last.

delivery   CPU time of the server for one notification to one reader, publishing included
           (a poll is answered, and the next request taken)
connect    CPU time of the server until a reader has caught up
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import select
import socket
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import orjson

from benchmarks.machine import cpu
from benchmarks.services import RULES, UNLIMITED
from notifier.core.models import PUBLISH
from notifier.http.tokens import sign
from tests.servers import NotifierProcess

PATIENCE = 60
"""Seconds without a byte after which the server has failed."""

AT_ONCE = 64
"""Readers that connect at the same time."""


class Reader(ABC):
    """One user on one socket, which is read whenever something has come."""

    transport: ClassVar[str]

    def __init__(self, port: int, user: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.caught_up = False
        self.received = 0
        self._token = sign(RULES, user, lifetime=3_600)
        self._text = b""
        self._begin()

    def read(self) -> None:
        """Take what has come."""
        data = self.socket.recv(65_536)
        assert data, f"{self.transport}: cut by the server: {self._text[-300:]!r}"
        self._text += data
        self._take()

    @abstractmethod
    def _begin(self) -> None:
        """Ask for what is to come."""

    @abstractmethod
    def _take(self) -> None:
        """Note what ``_text`` holds, and drop it."""

    def _request(self, path: str, *headers: str) -> None:
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
        self.socket.send(("\r\n".join(lines) + "\r\n\r\n").encode())


class SocketReader(Reader):
    """A Socket.IO client on a WebSocket."""

    transport = "WebSocket"

    def _begin(self) -> None:
        self._request(
            "/socket.io/?EIO=4&transport=websocket",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        )

    def _take(self) -> None:
        if b'"pingInterval"' in self._text:
            packet = b"40/notifications," + orjson.dumps({"token": self._token})
            # Masked, as it has to be, with zeros.
            self.socket.send(b"\x81\xfe" + len(packet).to_bytes(2) + bytes(4) + packet)
            self._text = b""
        self.caught_up = self.caught_up or b'["synced"' in self._text
        self.received += self._text.count(b'["notification"')
        self._text = self._text[-1:] if self.caught_up else self._text


class StreamReader(Reader):
    """An ``EventSource``."""

    transport = "SSE"

    def _begin(self) -> None:
        self._request("/v1/feed/stream", f"Authorization: Bearer {self._token}")

    def _take(self) -> None:
        *lines, self._text = self._text.split(b"\n")
        self.caught_up = self.caught_up or b"event: synced" in lines
        self.received += lines.count(b"event: notification")


class PollReader(Reader):
    """A client that asks again as soon as it has an answer."""

    transport = "poll"

    def _begin(self) -> None:
        self._ask("/v1/feed/poll")

    def _ask(self, path: str) -> None:
        self._request(path, f"Authorization: Bearer {self._token}")

    def _take(self) -> None:
        head, blank, body = self._text.partition(b"\r\n\r\n")
        if not blank:
            return
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        if len(body) < length:
            return
        self._text = b""
        answer = orjson.loads(body)
        self.received += len(answer["items"])
        self.caught_up = True
        since = answer["cursor"].replace(";", "%3B").replace("=", "%3D")
        self._ask(f"/v1/feed/poll?since={since}&wait=50")


class Crowd:
    """The readers of one transport."""

    def __init__(self, kind: type[Reader], port: int) -> None:
        self._kind = kind
        self._port = port
        self._epoll = select.epoll()
        self._readers: dict[int, Reader] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._epoll.close()
        for reader in self._readers.values():
            reader.socket.close()

    def enter(self, count: int) -> None:
        """Let so many readers in and catch up."""
        for start in range(0, count, AT_ONCE):
            for number in range(start, min(start + AT_ONCE, count)):
                reader = self._kind(self._port, f"{self._kind.transport}-{number}")
                self._readers[reader.socket.fileno()] = reader
                self._epoll.register(reader.socket, select.EPOLLIN)
            self._read_until(lambda reader: reader.caught_up)

    def receive(self, notifications: int) -> None:
        """Return when everybody has got so many notifications in all."""
        self._read_until(lambda reader: reader.received >= notifications)
        counts = {reader.received for reader in self._readers.values()}
        assert counts == {notifications}, f"{self._kind.transport}: {counts}"

    def _read_until(self, is_done: Callable[[Reader], bool]) -> None:
        waiting = {number for number, reader in self._readers.items() if not is_done(reader)}
        while waiting:
            ready = self._epoll.poll(PATIENCE)
            assert ready, f"{self._kind.transport}: the server says nothing any more"
            for number, _ in ready:
                self._readers[number].read()
                if is_done(self._readers[number]):
                    waiting.discard(number)


class Bench:
    """The measurements of one running server."""

    def __init__(self, server: NotifierProcess) -> None:
        self._server = server
        self._http = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        token = sign(RULES, "bench", lifetime=3_600, scopes=[PUBLISH])
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def measure(self, kind: type[Reader], readers: int, broadcasts: int) -> tuple[float, float]:
        """Seconds of CPU for a connect, and for a delivery."""
        with Crowd(kind, self._server.port) as crowd:
            before = cpu(self._server.pid)
            crowd.enter(readers)
            connected = cpu(self._server.pid)
            for number in range(1, broadcasts + 1):
                self._publish()
                crowd.receive(number)
            delivered = cpu(self._server.pid)
        return (connected - before) / readers, (delivered - connected) / (readers * broadcasts)

    def _publish(self) -> None:
        notification = {"to": "everyone", "title": "Hello", "body": "x" * 200}
        body = orjson.dumps(notification)
        self._http.request("POST", "/v1/notifications", body, self._headers)
        answer = self._http.getresponse()
        text = answer.read()
        assert answer.status == 201, text


async def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="notifier-bench-") as folder:
        server = NotifierProcess(Path(folder), env=UNLIMITED)
        await server.start()
        try:
            bench = Bench(server)
            print("| | connect | delivery |\n|---|---|---|")
            for kind in (SocketReader, StreamReader, PollReader):
                connect, delivery = bench.measure(kind, arguments.readers, arguments.broadcasts)
                print(f"| {kind.transport} | {connect * 1e6:.0f} us | {delivery * 1e6:.1f} us |")
        finally:
            await server.kill()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=500)
    parser.add_argument("--broadcasts", type=int, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
