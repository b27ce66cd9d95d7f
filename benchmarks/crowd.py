"""Thousands of clients in one process, as light as they can be: sockets and one epoll."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable, Sequence

# A server that says nothing for so long (seconds) has failed.
PATIENCE = 60
# So many connect at the same time.
AT_ONCE = 64
# SO_LINGER with no time: a client that leaves keeps no port.
RESET = struct.pack("ii", 1, 0)
READ = 65_536

REFUSALS = (b"HTTP/1.1 4", b"HTTP/1.1 5")

# An event's frame ends with its time: 15 digits of microseconds, then this.
STAMP_DIGITS = 15
AFTER_STAMP = len('"}]')

Speech = Sequence[bytes]
"""What a client says to get in; after each piece it waits for an answer that ends with `}`."""


class Crowd:
    """The clients of one server. Use as a context: they leave with the block."""

    def __init__(self, port: int, event_size: int) -> None:
        self._port = port
        self._event_size = event_size
        self._epoll = select.epoll()
        self._clients: dict[int, socket.socket] = {}

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *error: object) -> None:
        self.leave(len(self._clients))
        self._epoll.close()

    def __len__(self) -> int:
        return len(self._clients)

    def enter(self, speeches: Iterable[Speech]) -> float:
        """Let one client in for each speech; returns how many seconds it took."""
        started = time.monotonic()
        waiting = deque(speeches)
        talking: dict[int, deque[bytes]] = {}
        while waiting or talking:
            while waiting and len(talking) < AT_ONCE:
                client = self._connect()
                pieces = deque(waiting.popleft())
                client.send(pieces.popleft())
                talking[client.fileno()] = pieces
            self._listen(talking)
        return time.monotonic() - started

    def leave(self, count: int) -> None:
        """Cut the connections of those who came last."""
        for _ in range(count):
            _, client = self._clients.popitem()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()

    def receive(self, events: int) -> list[float]:
        """Wait for so many events; returns for each how many seconds it was on its way."""
        delays: list[float] = []
        while len(delays) < events:
            for number in self._ready():
                data = self._clients[number].recv(READ)
                now = time.monotonic_ns() // 1000
                delays.extend((now - stamp) / 1e6 for stamp in self._stamps(data))
        assert len(delays) == events, f"{len(delays)} events instead of {events}"
        return delays

    def _connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self._port))
        client.setblocking(False)
        self._clients[client.fileno()] = client
        self._epoll.register(client, select.EPOLLIN)
        return client

    def _listen(self, talking: dict[int, deque[bytes]]) -> None:
        for number in self._ready():
            client, pieces = self._clients[number], talking[number]
            data = client.recv(READ)
            assert data, "not let in"
            assert not data.startswith(REFUSALS), f"not let in: {data!r}"
            if not data.endswith(b"}"):
                continue
            if pieces:
                client.send(pieces.popleft())
            else:
                del talking[number]

    def _ready(self) -> Iterable[int]:
        ready = self._epoll.poll(PATIENCE)
        assert ready, "the server says nothing any more"
        return (number for number, _ in ready)

    def _stamps(self, data: bytes) -> Iterable[int]:
        size = self._event_size
        assert data, "cut by the server"
        assert not len(data) % size, f"unexpected: {data[:200]!r}"
        for end in range(size - AFTER_STAMP, len(data), size):
            yield int(data[end - STAMP_DIGITS : end])
