"""Users who read and publishers who ask, as cheaply as can be: sockets, one epoll, ready requests.

What a service costs is measured beside this, and must not be held up by it. Both services get the
same bytes.
"""

from __future__ import annotations

import random
import re
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import orjson

from benchmarks.message import BODY, STAMP, stamp
from benchmarks.services import RULES
from notifier.core.models import PUBLISH
from notifier.http.tokens import sign

PATIENCE = 60
"""Seconds without a byte after which the service has failed."""

AT_ONCE = 64
"""Users who connect at the same time."""

BATCH = 500
"""Notifications in a batch, the most that Notifier takes."""

TIMER = 1_000
"""Microseconds: a wait for events ends that much late at most."""

READ = 1_048_576

_PING, _PONG = b"\x81\x012", b"\x81\x81\x00\x00\x00\x003"

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

_AWAY = b'"store_unavailable"'
"""Refused, and welcome in a while."""

_UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\n"
    b"Connection: Upgrade\r\n"
    b"Upgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@dataclass(frozen=True)
class Flow:
    """Notifications that were published and delivered. ``delays`` are in seconds, one for each."""

    count: int
    seconds: float
    delays: Sequence[float]


@dataclass(eq=False)
class _Publisher:
    """A connection that is kept alive. ``asked``: notifications in the request under way."""

    socket: socket.socket
    asked: int = 0
    answer: bytes = b""


class Traffic:
    """The clients of some services. Use as a context: their connections end with the block.

    Whom a notification is for is drawn by lot, the same way each time; only that everybody gets a
    first one before anybody gets a second.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self._epoll = select.epoll()
        self._users: list[bytes] = []
        self._new: list[bytes] = []
        self._readers: dict[int, socket.socket] = {}
        self._publishers: dict[int, _Publisher] = {}
        self._idle: list[_Publisher] = []
        self._delays: list[float] = []
        self._lot = random.Random(1)
        self._buffer = bytearray(READ)
        bearer = sign(RULES, "bench", lifetime=3_600, scopes=[PUBLISH])
        self._head = (
            "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {bearer}\r\nContent-Length: %d\r\n\r\n"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._epoll.close()
        for one in (*self._readers.values(), *(p.socket for p in self._publishers.values())):
            one.close()

    # Who takes part

    def read(self, port: int, users: Sequence[str], *, addressed: bool = True) -> None:
        """Connect these users, whose names are equally long, until each has caught up.

        Only those who are ``addressed`` are published to.
        """
        for start in range(0, len(users), AT_ONCE):
            self._connect(port, users[start : start + AT_ONCE])
        if addressed:
            names = [user.encode() for user in users]
            self._new += names
            self._users += names

    def publish_at(self, port: int, publishers: int) -> None:
        """Have more publishers, who ask here."""
        for _ in range(publishers):
            one = socket.create_connection(("127.0.0.1", port))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._watch(one)
            self._publishers[one.fileno()] = publisher = _Publisher(one)
            self._idle.append(publisher)

    # What they do

    def warm(self, seconds: float) -> None:
        """Press for so long, and until everybody has had something."""
        self.press(seconds)
        while self._new:
            self.press(seconds)

    def press(self, seconds: float) -> Flow:
        """Every publisher asks again as soon as it is answered."""
        return self._press(seconds, self._ask)

    def press_batches(self, seconds: float) -> Flow:
        """The same with a batch in each request."""
        return self._press(seconds, self._ask_batch)

    def pace(self, rate: float, seconds: float) -> Flow:
        """So many notifications a second, whether answers come or not.

        For one that had to wait for a free connection the time counts from when it was due.
        """
        self._delays = []
        before, started = self.accepted, stamp()
        for number in range(int(rate * seconds)):
            due = started + int(number / rate * 1e6)
            while (now := stamp()) < due or not self._idle:
                self._turn((due - now) / 1e6 if now < due else PATIENCE)
            self._ask(self._idle.pop(), now if now - due < TIMER else due)
        return self._finish(before, started)

    def receive(self, count: int) -> Flow:
        """Wait for what others publish."""
        self._delays = []
        before, started = self.accepted, stamp()
        self.accepted += count
        return self._finish(before, started)

    def _press(self, seconds: float, ask: Callable[[_Publisher, int], None]) -> Flow:
        self._delays = []
        before, started = self.accepted, stamp()
        until = started + seconds * 1e6
        while (now := stamp()) < until:
            while self._idle:
                ask(self._idle.pop(), now)
            self._turn(PATIENCE)
        return self._finish(before, started)

    def _finish(self, before: int, started: int) -> Flow:
        """Wait until everything is answered and delivered."""
        while len(self._idle) < len(self._publishers) or self._left(before):
            self._turn(PATIENCE)
        seconds = (stamp() - started) / 1e6
        return Flow(self.accepted - before, seconds, self._delays)

    def _left(self, before: int) -> int:
        left = self.accepted - before - len(self._delays)
        assert left >= 0, "something was delivered twice"
        return left

    # Requests

    def _ask(self, publisher: _Publisher, at: int) -> None:
        body = BODY % (self._somebody(), at)
        self._post(publisher, "/v1/notifications", body, 1)

    def _ask_batch(self, publisher: _Publisher, at: int) -> None:
        bodies = b",".join(BODY % (self._somebody(), at) for _ in range(BATCH))
        body = b'{"notifications":[%b]}' % bodies
        self._post(publisher, "/v1/notifications/batch", body, BATCH)

    def _post(self, publisher: _Publisher, path: str, body: bytes, asked: int) -> None:
        publisher.asked = asked
        head = (self._head % (path, len(body))).encode()
        publisher.socket.sendall(head + body)

    def _somebody(self) -> bytes:
        if self._new:
            return self._new.pop()
        return self._users[int(self._lot.random() * len(self._users))]

    # What comes

    def _turn(self, timeout: float) -> None:
        ready = self._epoll.poll(timeout)
        assert ready or timeout < PATIENCE, "the service says nothing any more"
        for number, _ in ready:
            reader = self._readers.get(number)
            if reader is None:
                self._take_answer(self._publishers[number])
            else:
                self._take_events(reader)

    def _take_events(self, reader: socket.socket) -> None:
        size = reader.recv_into(self._buffer)
        assert size, "cut by the service"
        now = stamp()
        for sent in STAMP.findall(self._buffer, 0, size):
            self._delays.append((now - int(sent)) / 1e6)
        if self._buffer.find(_PING, 0, size) >= 0:
            reader.sendall(_PONG)

    def _take_answer(self, publisher: _Publisher) -> None:
        size = publisher.socket.recv_into(self._buffer)
        assert size, "cut by the service"
        publisher.answer += self._buffer[:size]
        head, end, body = publisher.answer.partition(b"\r\n\r\n")
        if not end or len(body) < int(_LENGTH.search(head)[1]):  # type: ignore[index]
            return
        _check(head, body, publisher.asked)
        self.accepted += publisher.asked
        publisher.answer = b""
        self._idle.append(publisher)

    # Connections

    def _connect(self, port: int, users: Sequence[str]) -> None:
        new = [_opened(port) for _ in users]
        for one, user in zip(new, users, strict=True):
            _ask(one, user)
        for one, user in zip(new, users, strict=True):
            while b'["synced"' not in _read_until(one, b'["synced"', _AWAY):
                one.close()  # the service is too busy for so many at once
                time.sleep(1)
                one = _opened(port)
                _ask(one, user)
            self._watch(one)
            self._readers[one.fileno()] = one

    def _watch(self, one: socket.socket) -> None:
        one.settimeout(PATIENCE)
        self._epoll.register(one, select.EPOLLIN)


def _opened(port: int) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    one.sendall(_UPGRADE)
    return one


def _ask(one: socket.socket, user: str) -> None:
    """Ask to be let in as this user."""
    _read_until(one, b'"pingInterval"')
    packet = b"40/notifications," + orjson.dumps({"token": sign(RULES, user, lifetime=3_600)})
    # Masked, as it has to be, with zeros.
    one.sendall(b"\x81\xfe" + len(packet).to_bytes(2) + bytes(4) + packet)


def _read_until(one: socket.socket, *texts: bytes) -> bytes:
    """What has come, once one of these is in it."""
    data = b""
    while not any(text in data for text in texts):
        more = one.recv(READ)
        assert more, f"cut by the service: {data[-300:]!r}"
        data += more
    return data


def _check(head: bytes, body: bytes, asked: int) -> None:
    """Everything in the request must have been accepted."""
    if asked == 1:
        accepted = head.startswith(b"HTTP/1.1 201 ")
    else:
        accepted = body.count(b'"status":201') == asked
    assert accepted, f"refused: {head!r} {body[:500]!r}"
