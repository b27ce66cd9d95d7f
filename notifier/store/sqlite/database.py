"""One SQLite file: a writer thread that commits in groups, reader threads with snapshots.

WAL lets readers and the writer work side by side; ``synchronous=FULL`` makes every commit survive a
power cut. Several processes may share the file: the write lock orders them.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from notifier.errors import StoreUnavailable
from notifier.store.grouping import Grouping

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]

READERS = 3
"""Reader threads. A read takes well under a millisecond; more threads only compete for the GIL."""

MAX_GROUP = 1_000
"""Weight of one transaction, about one for each row: some 20 ms, which those behind it wait."""

BUSY_SECONDS = 1.4
"""How long another process may hold the write lock before a call is given up."""

SWITCH_PAUSE_SECONDS = 0.01
"""Between two attempts to switch a file to WAL; another process needs a few milliseconds for it."""


@contextmanager
def available() -> Iterator[None]:
    """Turn every error of SQLite and of the file system into ``StoreUnavailable``.

    Also that a number is too large for SQLite.
    """
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, OSError, OverflowError) as error:
        raise StoreUnavailable("The store cannot be used at the moment.") from error


class Database:
    """Runs work on connections of its own threads. Work is a function of a connection."""

    def __init__(self, path: Path) -> None:
        self._connections = _Connections(path)
        self._writer = ThreadPoolExecutor(1, "sqlite-writer")
        self._readers = ThreadPoolExecutor(READERS, "sqlite-reader")
        self._writes: Grouping[tuple[Work[Any], int], Any] = Grouping(
            self._flush, weigh=lambda item: item[1], limit=MAX_GROUP, patience=BUSY_SECONDS
        )
        self._closed = False

    async def write(self, work: Work[Result], *, weight: int = 1) -> Result:
        """Run work in the next write transaction; return when it is durable.

        What the work raises is raised here, and nothing of that work is kept. Errors of SQLite are
        ``StoreUnavailable`` for everybody in the transaction.
        """
        with available():
            result: Result = await self._writes.submit((work, weight))
        return result

    async def read(self, work: Work[Result]) -> Result:
        """Run work on one snapshot of the file."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, work)

    async def close(self) -> None:
        """Write what waits, then close."""
        await self._writes.close()
        self._closed = True
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        self._connections.close()

    async def _flush(self, group: Sequence[tuple[Work[Any], int]]) -> list[Any]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self._commit, [work for work, _ in group])

    def _commit(self, group: Sequence[Work[Any]]) -> list[Any]:
        with self._connections.use() as connection:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [_run(connection, work) for work in group]
            connection.execute("COMMIT")
        return outcomes

    def _read(self, work: Work[Result]) -> Result:
        with self._connections.use() as connection:
            connection.execute("BEGIN")
            result = work(connection)
            connection.execute("COMMIT")
        return result


def _run(connection: sqlite3.Connection, work: Work[Any]) -> Any:
    """The work's result, or what it raised: then its changes are undone, the others' are not."""
    connection.execute("SAVEPOINT work")
    try:
        outcome = work(connection)
    except sqlite3.Error:
        raise  # SQLite may have ended the whole transaction
    except Exception as error:  # it belongs to the caller of this work
        connection.execute("ROLLBACK TO work")
        outcome = error
    connection.execute("RELEASE work")
    return outcome


class _Connections:
    """One connection for each thread, opened when first needed and dropped after any error.

    Dropping rolls back, and lets the store heal whatever happened to the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        self._lock = threading.Lock()
        self._open: set[sqlite3.Connection] = set()

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        with available():
            connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
            if connection is None:
                connection = self._own.connection = self._connect()
            try:
                yield connection
            except BaseException:
                self._drop(connection)
                raise

    def close(self) -> None:
        for connection in list(self._open):
            connection.close()
        self._open.clear()

    def _connect(self) -> sqlite3.Connection:
        with self._lock:
            self._create_file()
            connection = sqlite3.connect(
                self._path,
                timeout=BUSY_SECONDS,
                isolation_level=None,  # transactions begin and end where we say so
                check_same_thread=False,  # closed by the thread that closes the store
            )
            self._open.add(connection)
        try:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            self._drop(connection)
            raise
        return connection

    def _create_file(self) -> None:
        """The file is for its owner alone; SQLite gives its companions the same mode.

        An existing file must not be opened here: closing it again would release every lock that
        this process holds on it, and SQLite would not know.
        """
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _drop(self, connection: sqlite3.Connection) -> None:
        self._own.connection = None
        with self._lock:
            self._open.discard(connection)
        connection.close()


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL; a file that has it stays as it is.

    Whoever switches holds a read lock and wants the only one. Two of them would wait for each other
    for ever, so SQLite does not wait at all: both are told "locked", and one has to ask again.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            locked = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not locked or time.monotonic() > deadline:
                raise
        time.sleep(SWITCH_PAUSE_SECONDS)
