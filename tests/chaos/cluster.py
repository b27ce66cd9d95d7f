"""Notifier as it runs in production, on one machine, with a proxy in every connection."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import jwt
from pymongo import AsyncMongoClient

from tests.chaos.plan import User
from tests.chaos.proxy import Proxy
from tests.servers import NotifierProcess, ReplicaSet, Valkey

SECRET = "known to everybody who reads this line"

DATABASE = "chaos"

PING_SECONDS = 4
PING_TIMEOUT_SECONDS = 6
"""Heartbeats: quick, so that silent connections are noticed within a fault; patient enough for
nodes that share their processors with all their clients."""

UNLIMITED = (
    "CONNECTIONS_PER_USER",
    "CONNECTIONS_PER_ADDRESS",
    "CONNECTS_PER_ADDRESS",
    "FAILURES_PER_ADDRESS",
    "PACKETS_PER_SECOND",
    "PUBLISHES_PER_SECOND",
    "REQUESTS_PER_MINUTE",
)
"""Limits that are off: all clients share one address, and all publishers one identity."""


COMMON_SETTINGS = {
    "NOTIFIER_ENV": "test",
    "NOTIFIER_JWT_SECRET": SECRET,
    "NOTIFIER_ENGINE__PING_INTERVAL": str(PING_SECONDS),
    "NOTIFIER_ENGINE__PING_TIMEOUT": str(PING_TIMEOUT_SECONDS),
    **{f"NOTIFIER_LIMITS__{name}": "0" for name in UNLIMITED},
}
"""Of every node. Without a store or Redis it is one node on SQLite."""


class Cluster:
    """Nodes, a replica set of three, Redis. ``start`` and ``stop`` frame its life.

    Clients reach node n at ``urls[n]``, through ``doors[n]``; node n reaches Redis through
    ``redis_links[n]``, and everybody a member of the replica set through ``mongo_links``. With
    ``direct`` only the doors are used.
    """

    def __init__(self, folder: Path, nodes: int, *, direct: bool = False) -> None:
        self._direct = direct
        self.mongo = ReplicaSet(folder / "mongo")
        self.mongo_links = [Proxy(_port_of(member)) for member in self.mongo.members]
        self.redis = Valkey(folder / "redis")
        self.redis_links = [Proxy(_port_of(self.redis)) for _ in range(nodes)]
        self.nodes = [NotifierProcess(folder / f"node-{n}") for n in range(nodes)]
        self.doors = [Proxy(_port_of(node)) for node in self.nodes]
        self.mute = NotifierProcess(folder / "mute")
        """A node whose bus reaches nobody: what it stores, the others must find by themselves."""

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{door.port}" for door in self.doors]

    @property
    def _proxies(self) -> list[Proxy]:
        return [*self.mongo_links, *self.redis_links, *self.doors]

    async def start(self) -> None:
        for proxy in self._proxies:
            await proxy.start()
        if not self._direct:
            self.mongo.ports = [link.port for link in self.mongo_links]
        await asyncio.gather(self.mongo.start(), self.redis.start())
        for node, link in zip(self.nodes, self.redis_links, strict=True):
            port = self.redis.port if self._direct else link.port
            node.env = {**self._settings(), "REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        self.mute.env = self._settings()
        await self._migrate()
        await asyncio.gather(*(node.start() for node in [*self.nodes, self.mute]))

    async def stop(self) -> None:
        """Kill everything that runs, whatever happened before."""
        servers = [*self.nodes, self.mute, self.redis, *self.mongo.members]
        ends = (server.kill() for server in servers if server.is_running)
        await asyncio.gather(*ends, return_exceptions=True)
        for proxy in self._proxies:
            await proxy.close()

    async def logs(self) -> dict[str, list[tuple[int, int]]]:
        """The store's logs, read directly: for each audience (seq, number of the message)."""
        logs: dict[str, list[tuple[int, int]]] = {}
        uri = self.mongo.uri.replace("/?", f"/{DATABASE}?")
        client: AsyncMongoClient[dict[str, bytes]] = AsyncMongoClient(uri)
        async with client:
            entries = client.get_default_database()["entries"].find(
                {}, {"audience": 1, "seq": 1, "content": 1}
            )
            async for entry in entries.sort({"audience": 1, "seq": 1}):
                standing = (int(entry["seq"]), number_of(entry["content"]))
                logs.setdefault(str(entry["audience"]), []).append(standing)
        return logs

    async def _migrate(self) -> None:
        migration = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "notifier", "migrate"),
            env=self.nodes[0].environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await migration.communicate()
        assert migration.returncode == 0, output.decode()

    def _settings(self) -> dict[str, str]:
        return {**COMMON_SETTINGS, "MONGODB_URI": self.mongo.uri.replace("/?", f"/{DATABASE}?")}


def number_of(content: bytes) -> int:
    """The number of the message in an entry as it is stored."""
    return int(content.split(b'"number":')[1].split(b"}")[0])


def clean(folder: Path, *, keep_logs: bool) -> None:
    """Remove the files of a cluster, or all but what its servers wrote to their logs."""
    if not keep_logs:
        shutil.rmtree(folder)
        return
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif path.is_file() and path.name != "server.log":
            path.unlink()


class _Server(Protocol):
    port: int


def _port_of(server: _Server) -> Callable[[], int]:
    return lambda: server.port


def user_token(user: User) -> str:
    return _token(user.name, roles=[user.role])


def publisher_token(name: str) -> str:
    return _token(name, scope="notifications:publish")


def _token(name: str, **claims: str | Sequence[str]) -> str:
    now = int(time.time())
    claims = {"sub": name, "iat": now, "exp": now + 86_400, **claims}  # type: ignore[dict-item]
    return jwt.encode(claims, SECRET, algorithm="HS256")
