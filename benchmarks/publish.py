"""How fast a notification is accepted and delivered: ``make bench``, about a minute.

A real server in a process of its own is measured over its public interfaces, once on SQLite and
once on MongoDB with Redis. Publishers and readers share the machine with it, and on two cores with
each other: the figures compare changes to Notifier, they are no limits.

publishes/s    accepted (durable) by HTTP from 32 publishers at once, to 1,000 users
cpu/publish    CPU time of the server for each of these
p50, p99       from before the POST until the notification has reached its user's WebSocket, at a
               quiet 100 publishes a second
deliveries/s   notifications to everyone, written to 500 WebSockets
cpu/delivery   CPU time of the server for each of these
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson

from notifier.core.models import PUBLISH
from notifier.http.tokens import TokenRules, sign
from notifier.store import open_store
from tests.servers import Mongod, NotifierProcess, Valkey, until

SECRET = "a-long-enough-secret-for-measuring"
RULES = TokenRules(secrets=(SECRET,))
UNLIMITED = {
    "NOTIFIER_JWT_SECRET": SECRET,
    "NOTIFIER_LOG__LEVEL": "warning",
    "NOTIFIER_LIMITS__PUBLISHES_PER_SECOND": "0",
    "NOTIFIER_LIMITS__REQUESTS_PER_MINUTE": "0",
}

PUBLISHERS = 32
USERS = 1_000
LOAD_SECONDS = 5.0

QUIET_READERS = 50
QUIET_RATE = 100
QUIET_SECONDS = 5.0

CROWD = 500
BROADCASTS = 100

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figures:
    """What one configuration achieved. Times in seconds."""

    publishes: float
    publish_cpu: float
    p50: float
    p99: float
    deliveries: float
    delivery_cpu: float


class Reader:
    """A user with an open page: counts what arrives, and hands it on."""

    def __init__(self, on_entry: Callable[[bytes], None]) -> None:
        self.received = 0
        self._on_entry = on_entry
        self._task: asyncio.Task[None] | None = None

    async def open(self, session: aiohttp.ClientSession, user: str) -> None:
        """Connect as this user; returns when everything missed has come."""
        self._socket = await session.ws_connect("/socket.io/?EIO=4&transport=websocket")
        token = sign(RULES, user, lifetime=600)
        await self._socket.send_str("40/notifications," + orjson.dumps({"token": token}).decode())
        async for message in self._socket:
            if message.data.startswith('42/notifications,["synced"'):
                break
        self._task = asyncio.create_task(self._read())

    async def close(self) -> None:
        await self._socket.close()
        if self._task is not None:
            await self._task

    async def _read(self) -> None:
        start = '42/notifications,["notification",'
        async for message in self._socket:
            if message.data.startswith(start):
                self.received += 1
                self._on_entry(message.data[len(start) : -1])
            elif message.data == "2":
                await self._socket.send_str("3")


class Bench:
    """The measurements of one running server."""

    def __init__(self, server: NotifierProcess, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session
        token = sign(RULES, "bench", lifetime=600, scopes=[PUBLISH])
        self._headers = {"Authorization": f"Bearer {token}"}

    async def figures(self) -> Figures:
        await self._load(1.0)  # until caches and connections are warm
        publishes, publish_cpu = await self._load(LOAD_SECONDS)
        latencies = await self._latencies()
        deliveries, delivery_cpu = await self._broadcast()
        return Figures(
            publishes=publishes,
            publish_cpu=publish_cpu,
            p50=statistics.median(latencies),
            p99=statistics.quantiles(latencies, n=100)[98],
            deliveries=deliveries,
            delivery_cpu=delivery_cpu,
        )

    async def _load(self, seconds: float) -> tuple[float, float]:
        """Publishes a second, and server CPU for each."""
        started, cpu, count = time.monotonic(), self._cpu(), 0

        async def publish() -> None:
            nonlocal count
            while time.monotonic() - started < seconds:
                count += 1
                await self._publish(f"user:{count % USERS}")

        await asyncio.gather(*(publish() for _ in range(PUBLISHERS)))
        return count / (time.monotonic() - started), (self._cpu() - cpu) / count

    async def _latencies(self) -> list[float]:
        """Seconds from the POST to the reader, at a quiet rate."""
        latencies: list[float] = []

        def arrived(entry: bytes) -> None:
            latencies.append(time.monotonic() - orjson.loads(entry)["data"]["at"])

        total = int(QUIET_RATE * QUIET_SECONDS)
        async with self._readers(QUIET_READERS, "reader-{}", arrived), asyncio.TaskGroup() as group:
            started = time.monotonic()
            for number in range(total):
                await asyncio.sleep(started + number / QUIET_RATE - time.monotonic())
                user = f"user:reader-{number % QUIET_READERS}"
                group.create_task(self._publish(user, at=time.monotonic()))

            async def all_arrived() -> bool:
                return len(latencies) == total

            await until(all_arrived, what="all notifications to arrive")
        return latencies

    async def _broadcast(self) -> tuple[float, float]:
        """Deliveries a second to a crowd, and server CPU for each."""
        async with self._readers(CROWD, "crowd-{}", lambda entry: None) as crowd:

            async def all_arrived() -> bool:
                return all(reader.received == BROADCASTS for reader in crowd)

            started, cpu = time.monotonic(), self._cpu()
            for _ in range(BROADCASTS):
                await self._publish("everyone")
            await until(all_arrived, what="all broadcasts to arrive")
            count = CROWD * BROADCASTS
            return count / (time.monotonic() - started), (self._cpu() - cpu) / count

    @contextlib.asynccontextmanager
    async def _readers(
        self, count: int, name: str, on_entry: Callable[[bytes], None]
    ) -> AsyncIterator[list[Reader]]:
        readers = [Reader(on_entry) for _ in range(count)]
        try:
            for number, reader in enumerate(readers):
                await reader.open(self._session, name.format(number))
            yield readers
        finally:
            await asyncio.gather(*(reader.close() for reader in readers))

    async def _publish(self, to: str, **data: float) -> None:
        body = {"to": to, "title": "Ada sent you a message", "body": "Lunch at one?", "data": data}
        async with self._session.post(
            "/v1/notifications", data=orjson.dumps(body), headers=self._headers
        ) as answer:
            assert answer.status == 201, await answer.text()

    def _cpu(self) -> float:
        """Seconds of CPU that the server has used so far."""
        stat = Path(f"/proc/{self._server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS


async def measure(folder: Path, env: dict[str, str]) -> Figures:
    """All figures of a server with these settings."""
    if "MONGODB_URI" in env:
        store = await open_store(env["MONGODB_URI"])
        await store.migrate()
        await store.close()
    server = NotifierProcess(folder, UNLIMITED | env)
    await server.start()
    try:
        connector = aiohttp.TCPConnector(limit=0)
        headers = {"Content-Type": "application/json"}
        async with aiohttp.ClientSession(
            server.url, connector=connector, headers=headers
        ) as session:
            return await Bench(server, session).figures()
    finally:
        await server.kill()


async def main() -> None:
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores")
    print(
        f"{'':<16}{'publishes/s':>12}{'cpu/publish':>13}{'p50':>9}{'p99':>9}"
        f"{'deliveries/s':>14}{'cpu/delivery':>14}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        show("SQLite", await measure(folder / "sqlite", {}))
        mongod, valkey = Mongod(folder / "mongod"), Valkey(folder / "valkey")
        try:
            await mongod.start()
            await valkey.start()
            show(
                "MongoDB + Redis",
                await measure(
                    folder / "mongodb",
                    {"MONGODB_URI": mongod.uri, "REDIS_URL": valkey.url},
                ),
            )
        finally:
            for server in (mongod, valkey):
                if server.is_running:
                    await server.kill()


def show(name: str, found: Figures) -> None:
    print(
        f"{name:<16}{found.publishes:>12,.0f}{found.publish_cpu * 1e6:>10,.0f} us"
        f"{found.p50 * 1e3:>6.1f} ms{found.p99 * 1e3:>6.1f} ms"
        f"{found.deliveries:>14,.0f}{found.delivery_cpu * 1e6:>11,.1f} us",
        flush=True,
    )


if __name__ == "__main__":
    asyncio.run(main())
