"""MongoDB, Redis, and services on them that are measured: each process on its core."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pymongo import AsyncMongoClient
from redis import asyncio as aioredis

from benchmarks.machine import cpu, kernel, on_core
from benchmarks.report import Figures
from benchmarks.traffic import Flow
from tests.servers import Mongod, NotifierProcess, Valkey, fresh_database

Make = Callable[[Path, Mapping[str, str]], NotifierProcess]
"""Makes a service that has its files in a folder and uses these databases."""


class Site:
    """The databases, shared by the services that run one after the other. Use as a context.

    Services are on ``core``. The databases are where this process is.
    """

    def __init__(self, folder: Path, core: int) -> None:
        self._folder = folder
        self._core = core
        self._mongod, self._valkey = Mongod(folder / "mongod"), Valkey(folder / "valkey")
        self._users = count()
        self._numbers = count()
        self._database = ""

    async def __aenter__(self) -> Self:
        try:
            await self._mongod.start()
            await self._valkey.start()
        except BaseException:
            await self._end([self._mongod, self._valkey])
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end([self._mongod, self._valkey])

    @property
    def redis_url(self) -> str:
        return self._valkey.url

    def users(self, number: int) -> list[str]:
        """Users whom nobody has written to before."""
        return [f"{next(self._users):07}" for _ in range(number)]

    @contextlib.asynccontextmanager
    async def running(self, make: Make, nodes: int = 1) -> AsyncIterator[list[NotifierProcess]]:
        """Nodes of a service, on databases that are empty."""
        self._database = fresh_database(self._mongod.uri)
        async with aioredis.Redis.from_url(self._valkey.url) as redis:
            await redis.flushall()
        databases = {"MONGODB_URI": self._database, "REDIS_URL": self._valkey.url}
        services = [make(self._new_folder(), databases) for _ in range(nodes)]
        async with self._started(services):
            yield services

    @contextlib.asynccontextmanager
    async def running_alone(self, make: Make) -> AsyncIterator[NotifierProcess]:
        """A service that needs no databases."""
        service = make(self._new_folder(), {})
        async with self._started([service]):
            yield service

    async def stored(self) -> int:
        """Entries that the service has stored."""
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self._database)
        async with client:
            return await client.get_default_database()["entries"].count_documents({})

    def figures(self, services: Sequence[NotifierProcess], work: Callable[[], Flow]) -> Figures:
        """What the flow of notifications did and cost: CPU time by process, for each of them.

        ``core`` is how much of its core the service used. What this process itself uses is the
        ``generator``'s.
        """
        before = self._spent(services)
        flow = work()
        spent = [after - at for after, at in zip(self._spent(services), before, strict=True)]
        service, system, generator, mongod, valkey = (seconds / flow.count for seconds in spent)
        return {
            "rate": flow.count / flow.seconds,
            "CPU": service,
            "kernel": system,
            **delays(flow),
            "generator": generator,
            "MongoDB": mongod,
            "Redis": valkey,
            "core": spent[0] / flow.seconds,
        }

    def _spent(self, services: Sequence[NotifierProcess]) -> Sequence[float]:
        return (
            sum(cpu(service.pid) for service in services),
            sum(kernel(service.pid) for service in services),
            time.process_time(),
            cpu(self._mongod.pid),
            cpu(self._valkey.pid),
        )

    @contextlib.asynccontextmanager
    async def _started(self, services: Sequence[NotifierProcess]) -> AsyncIterator[None]:
        try:
            with on_core(self._core):
                await asyncio.gather(*(service.start() for service in services))
            yield
        finally:
            await self._end(services)

    async def _end(self, servers: Sequence[Mongod | Valkey | NotifierProcess]) -> None:
        for server in servers:
            if server.is_running:
                await server.kill()

    def _new_folder(self) -> Path:
        return self._folder / f"service-{next(self._numbers)}"


def delays(flow: Flow, of: str = "") -> Figures:
    """From the request until the reader has it, in seconds."""
    return {
        f"p50{of}": statistics.median(flow.delays),
        f"p99{of}": statistics.quantiles(flow.delays, n=100)[98],
    }
