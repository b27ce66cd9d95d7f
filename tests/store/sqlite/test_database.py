"""The SQLite file: sharing, healing, and what survives."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from notifier.core.models import Entry
from notifier.core.ports import Store
from notifier.errors import ConfigurationError, Conflict, StoreUnavailable
from notifier.store import open_store
from notifier.store.sqlite import database, schema
from notifier.store.sqlite.database import Database, available
from tests.servers import REPOSITORY
from tests.store.samples import Clock, publication


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / "notifier.db"


def address(path: Path) -> str:
    return f"sqlite:///{path}"


# Opening


async def test_the_file_is_its_owners_alone(path: Path, clock: Clock) -> None:
    """A missing folder is made; the file and its companions can be read by nobody else."""
    store = await open_store(address(path))
    await store.append(publication(clock, "everyone"))
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    await store.close()


async def test_commits_survive_a_power_cut(path: Path) -> None:
    """Write-ahead log, and every commit is forced to the disk (2: FULL)."""
    store = Database(path)
    for run in (store.read, store.write):
        settings = await run(
            lambda connection: [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous")
            ]
        )
        assert settings == ["wal", 2]
    await store.close()


async def test_many_processes_may_open_a_new_file_at_once(path: Path) -> None:
    """Whoever is first creates the tables, the others find them."""
    stores = await asyncio.gather(*(open_store(address(path)) for _ in range(8)))
    for store in stores:
        await store.ping()
        await store.close()


async def test_a_new_file_is_waited_for_while_another_process_sets_it_up(path: Path) -> None:
    """SQLite itself says at once that it is locked, whatever its timeout."""
    path.parent.mkdir(parents=True)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, other.execute, ["COMMIT"])
    release.start()
    store = await open_store(address(path))
    await store.ping()
    await store.close()
    release.join()
    other.close()


async def test_a_file_of_a_later_release_is_refused(path: Path) -> None:
    """It may hold what this release does not understand."""
    await (await open_store(address(path))).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(ConfigurationError, match="later release"):
        await open_store(address(path))


@pytest.mark.parametrize("obstacle", ["a folder", "not a database", "a folder that is a file"])
async def test_what_is_no_database_is_reported(tmp_path: Path, obstacle: str) -> None:
    """Not as an error of SQLite or of the system."""
    path = tmp_path / "obstacle"
    if obstacle == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"certainly not a database\n" * 100)
    if obstacle == "a folder that is a file":
        path /= "notifier.db"
    with pytest.raises(StoreUnavailable):
        await open_store(address(path))


# Errors


@pytest.mark.parametrize(
    "error",
    [
        *(
            e
            for e in vars(sqlite3).values()
            if isinstance(e, type) and issubclass(e, sqlite3.Error)
        ),
        sqlite3.Warning,
        OSError,
        PermissionError,
        OverflowError,
    ],
)
def test_every_error_of_the_driver_is_turned_in_one_place(error: type[Exception]) -> None:
    """No class of sqlite3 and no error of the file system gets through."""
    with pytest.raises(StoreUnavailable) as raised, available():
        raise error("disk I/O error, /secret/path")
    assert "secret" not in raised.value.detail


async def test_a_number_that_is_too_large_fails_its_caller_alone(path: Path) -> None:
    """Others in the same transaction are served."""
    store = Database(path)
    await store.write(schema.migrate)

    def beat(at: int) -> Callable[[sqlite3.Connection], None]:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE pulse SET at = ?", (at,))

        return work

    answers = await asyncio.gather(
        *(store.write(beat(at)) for at in (7, 2**63)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [type(None), StoreUnavailable]
    assert await store.read(pulse) == 7
    await store.close()


async def test_a_failed_write_leaves_nothing_and_the_next_one_works(path: Path) -> None:
    """Everybody in the transaction is told; the connection is opened anew."""
    store = Database(path)
    await store.write(schema.migrate)

    def good(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE pulse SET at = 7")

    def bad(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE nowhere SET at = 8")

    answers = await asyncio.gather(
        *(store.write(work) for work in (good, bad, good)), return_exceptions=True
    )
    assert [isinstance(answer, StoreUnavailable) for answer in answers] == [True] * 3
    assert await store.read(pulse) == 0
    await store.write(good)
    assert await store.read(pulse) == 7
    await store.close()


async def test_work_that_is_refused_undoes_its_own_changes_only(path: Path) -> None:
    """Those it shares the transaction with are written."""
    store = Database(path)
    await store.write(schema.migrate)

    def refused(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO pulse VALUES (1)")
        raise Conflict("no")

    def written(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO pulse VALUES (2)")

    answers = await asyncio.gather(
        *(store.write(work) for work in (written, refused, written)), return_exceptions=True
    )
    assert [isinstance(answer, Conflict) for answer in answers] == [False, True, False]
    rows = await store.read(
        lambda connection: connection.execute("SELECT at FROM pulse").fetchall()
    )
    assert rows == [(0,), (2,), (2,)]
    await store.close()


def pulse(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT at FROM pulse").fetchone()[0])


async def test_a_file_locked_by_another_process_is_unavailable_for_that_time(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is stored of what was refused; reading goes on; writing goes on when it is free."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    store = await open_store(address(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await store.append(publication(clock, "everyone"))
    with pytest.raises(StoreUnavailable):
        await store.ping()
    assert await store.heads(["everyone"]) == {"everyone": 0}
    other.execute("ROLLBACK")
    other.close()
    await store.append(publication(clock, "everyone"))
    assert len(await everything(store, clock)) == 1
    await store.close()


# A full disk


class SmallDisk(NamedTuple):
    folder: Path
    make_room: Callable[[], None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of 1 MiB, partly taken; where none can be mounted, a limit on the size of files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode == 0:
        other = folder / "other"
        other.write_bytes(bytes(1 << 18))
        yield SmallDisk(folder, other.unlink)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    else:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, limits[1]))
        yield SmallDisk(folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_full_disk_refuses_and_heals(small_disk: SmallDisk, clock: Clock) -> None:
    """No false receipt, nothing half stored, reading works; writing works when there is room."""
    store = await open_store(address(small_disk.folder / "notifier.db"))
    logs = ("everyone", "user:1")
    accepted: list[Entry] = []
    with suppress(StoreUnavailable):
        while len(accepted) < 1_000:
            large = publication(clock, *logs, title="x" * 10_000)
            accepted += (await store.append(large)).entries
    assert 0 < len(accepted) < 1_000
    assert await everything(store, clock, *logs) == accepted
    with pytest.raises(StoreUnavailable):
        await store.append(publication(clock, *logs, title="x" * 1_000_000))
    assert await everything(store, clock, *logs) == accepted
    small_disk.make_room()
    accepted += (await store.append(publication(clock, *logs))).entries
    assert await everything(store, clock, *logs) == accepted
    await store.close()


async def everything(store: Store, clock: Clock, *audiences: str) -> list[Entry]:
    """All entries of these logs, in the order in which they were accepted one by one."""
    positions = dict.fromkeys(audiences or ("everyone",), 0)
    found = await store.after(positions, limit=10_000, now=clock())
    logs = [found.get(audience, []) for audience in positions]
    return [entry for entries in zip(*logs, strict=True) for entry in entries]


# A crash

WRITER = """
import asyncio, sys
from notifier.store import open_store
from tests.store.samples import Clock, publication

async def main():
    store, clock = await open_store(sys.argv[1]), Clock()
    async def write(number):
        while True:
            receipt = await store.append(publication(clock, "everyone", f"user:{number}"))
            print(*(entry.ref for entry in receipt.entries), flush=True)
    await asyncio.gather(*map(write, range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("receipts", [1, 40, 400])
async def test_killing_a_writer_loses_nothing_it_was_told(
    path: Path, clock: Clock, receipts: int
) -> None:
    """Two processes write one file; both are killed at some point; every receipt is good."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    writers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WRITER, address(path)),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    told: list[bytes] = []
    for writer in writers:
        assert writer.stdout is not None
        told += [await writer.stdout.readline() for _ in range(receipts)]
    for writer in writers:
        writer.kill()
        rest, _ = await writer.communicate()
        told += rest.splitlines(keepends=True)
    promised = {ref for line in told if line.endswith(b"\n") for ref in line.decode().split()}
    assert len(promised) >= 4 * receipts
    store = await open_store(address(path))
    audiences = ["everyone", *(f"user:{i}" for i in range(8))]
    found = await store.after(dict.fromkeys(audiences, 0), limit=100_000, now=clock())
    assert promised <= {str(entry.ref) for entries in found.values() for entry in entries}
    for entries in found.values():
        numbers = [entry.seq for entry in entries]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    everyone = {entry.notification.id for entry in found["everyone"]}
    users = [e.notification.id for a in audiences[1:] for e in found.get(a, [])]
    assert sorted(users) == sorted(everyone), "a publication was stored in part"
    await store.append(publication(clock, "everyone"))
    await store.close()
