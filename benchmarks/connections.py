"""What connections and deliveries cost, beside Node: ``make bench-connections``.

Notifier's connection layer, Node's socket.io and python-socketio as it comes run in turn, each on
a core of its own; the clients have another. All get the same clients, tokens, rooms and bytes:
events of 344 bytes. The floor is a loop of bare `send` calls of these bytes. Ratios are taken
within a pair of runs, one right after the other, because machines have moods; medians over pairs.

connect        CPU time of the server until a client is in its two rooms, its token verified
connect time   the same by the clock, 64 clients at a time
memory         what an idle connection adds, between 2,000 and 8,000 of them
delivery       CPU time of the server for one event to one client of one large room
p50, p99       from the emit until a client has the event
user event     CPU time of the server for an event to the room of one user
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import orjson

from benchmarks.crowd import STAMP_DIGITS, Crowd, Speech
from benchmarks.machine import cores
from benchmarks.peer import FLOOR, KINDS, NODE, NOTIFIER, PEERS, STOCK, Kind, Peer, install
from benchmarks.report import Figures, Report
from notifier.http.tokens import TokenRules, sign

SECRET = "a-long-enough-secret-for-measuring"
ORIGIN = "https://app.example"
ENVIRONMENT = {"SECRET": SECRET, "ORIGIN": ORIGIN, "NODE_ENV": "production"}

FEW, MANY = 2_000, 8_000
WARM = 500
SPARE_FILES = 200

HEADERS = """\
Host: 127.0.0.1
Connection: Upgrade
Pragma: no-cache
Cache-Control: no-cache
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0
Upgrade: websocket
Origin: {origin}
Sec-WebSocket-Version: 13
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-US,en;q=0.9
Sec-WebSocket-Key: {key}"""
"""What a browser sends, but that it offers to compress: python-socketio would, others do not."""

SILENT: Speech = (b"",)

Result = TypeVar("Result")


class Run:
    """The measurements of one peer. Times in seconds, memory in bytes."""

    def __init__(self, kind: Kind, peer: Peer, speeches: Sequence[Speech]) -> None:
        self._peer = peer
        self._deliveries = kind.deliveries
        self._speeches = speeches if kind.speaks else [SILENT] * len(speeches)

    def figures(self) -> Figures:
        """All of them."""
        with Crowd(self._peer.port, event_size()) as crowd:
            crowd.enter(self._speeches[:WARM])
            crowd.leave(WARM)
            few, few_seconds = self._cost(lambda: crowd.enter(self._speeches[:FEW]))
            found = {
                f"connect, {FEW:,}": few / FEW,
                f"connect time, {FEW:,}": few_seconds / FEW,
                **self._room_events(crowd),
                **self._user_events(crowd),
            }
            before = self._peer.memory()
            more, more_seconds = self._cost(lambda: crowd.enter(self._speeches[FEW:]))
            return found | {
                "memory": (self._peer.memory() - before) / (MANY - FEW),
                f"connect, {MANY:,}": (few + more) / MANY,
                f"connect time, {MANY:,}": (few_seconds + more_seconds) / MANY,
                **self._room_events(crowd),
            }

    def _room_events(self, crowd: Crowd) -> Figures:
        size = len(crowd)
        rounds = self._deliveries // size

        def broadcast() -> list[float]:
            self._peer.tell("broadcast")
            return crowd.receive(size)

        for _ in range(rounds // 4 or 1):
            broadcast()
        cpu, delays = self._cost(lambda: [d for _ in range(rounds) for d in broadcast()])
        return {f"delivery, {size:,}": cpu / (rounds * size), **_delays(f", {size:,}", delays)}

    def _user_events(self, crowd: Crowd) -> Figures:
        size = len(crowd)
        rounds = self._deliveries // size // 2

        def all_users() -> list[float]:
            self._peer.tell(f"users {size}")
            return crowd.receive(size)

        def one_user(number: int) -> float:
            self._peer.tell(f"user {number}")
            return crowd.receive(1)[0]

        all_users()
        cpu, _ = self._cost(lambda: [all_users() for _ in range(rounds)])
        delays = [one_user(number) for number in range(size)]
        return {"user event": cpu / (rounds * size), **_delays(", user event", delays)}

    def _cost(self, work: Callable[[], Result]) -> tuple[float, Result]:
        """Seconds of CPU that the server used meanwhile, and the result."""
        before = self._peer.cpu()
        result = work()
        return self._peer.cpu() - before, result


def speech(user: int) -> Speech:
    """What the client of a user says: the WebSocket handshake, then the token."""
    key = b64encode(user.to_bytes(16)).decode()
    request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\n"
    request += HEADERS.format(origin=ORIGIN, key=key) + "\n\n"
    token = sign(TokenRules(secrets=(SECRET,)), str(user), lifetime=3_600)
    packet = b"40/notifications," + orjson.dumps({"token": token})
    # Masked, as it has to be, with zeros.
    frame = b"\x81\xfe" + len(packet).to_bytes(2) + bytes(4) + packet
    return request.replace("\n", "\r\n").encode(), frame


def event_size() -> int:
    """Bytes of an event on the wire, the same from every peer."""
    event = {**orjson.loads((PEERS / "event.json").read_bytes()), "at": "0" * STAMP_DIGITS}
    return len(b"\x81\x7e0042/notifications," + orjson.dumps(["notification", event]))


def _delays(of: str, delays: Sequence[float]) -> Figures:
    return {
        f"p50{of}": statistics.median(delays),
        f"p99{of}": statistics.quantiles(delays, n=100)[98],
    }


# The machine


def _raise_file_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = WARM + MANY + SPARE_FILES
    if most != resource.RLIM_INFINITY and most < needed:
        raise SystemExit(f"{needed} open files are needed; the hard limit here is {most}.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))


def _in_turn(pair: int, names: Sequence[str]) -> Iterable[Kind]:
    """The peers of a pair; who comes first changes from pair to pair."""
    kinds = [kind for kind in (NOTIFIER, NODE, FLOOR) if kind.name in names]
    if pair % 2:
        kinds.reverse()
    # One run is enough to see where it stands: it takes longer than all others together.
    return kinds if pair or STOCK.name not in names else [*kinds, STOCK]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What connections and deliveries cost.")
    names = [kind.name for kind in KINDS]
    parser.add_argument("--pairs", type=int, default=3, help="how often each is run")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PEER")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    _raise_file_limit()
    server_core, client_core = cores()
    install()
    speeches = [speech(user) for user in range(MANY)]
    report = Report(NOTIFIER.name)
    print(f"{platform.python_implementation()} {platform.python_version()}", flush=True)
    for pair in range(arguments.pairs):
        for kind in _in_turn(pair, arguments.only):
            with Peer(kind, server_core, ENVIRONMENT) as peer:
                os.sched_setaffinity(0, {client_core})
                report.add(kind.name, Run(kind, peer, speeches).figures())
            print(f"{kind.name} done, load {os.getloadavg()[0]:.1f}", flush=True)
    print("\n".join(report.lines()))


if __name__ == "__main__":
    main()
