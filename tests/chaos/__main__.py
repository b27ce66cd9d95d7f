"""``python -m tests.chaos``: break a cluster in every way we know and see what holds."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop

from tests.chaos.cluster import clean
from tests.chaos.crash import crash
from tests.chaos.jobs import play as play_jobs
from tests.chaos.oracle import judge
from tests.chaos.queue import Options as Flood
from tests.chaos.queue import queue
from tests.chaos.report import figures, stories
from tests.chaos.run import Options, Result, Say, run
from tests.chaos.storm import storm
from tests.servers import Mongod, fresh_database

Outcome = TypeVar("Outcome")


@click.group(context_settings={"show_default": True})
def main() -> None:
    """Break Notifier in every way we know; exit status 1 if anything promised was not kept."""


@main.command("run")
@click.option("--seed", type=int, multiple=True, help="May be repeated.  [default: any]")
@click.option("--messages", default=100_000, help="Notifications to be accepted.")
@click.option("--users", default=1_000)
@click.option("--faults", default=24, help="Episodes of faults.")
@click.option("--nodes", default=3)
@click.option("--rate", default=125.0, help="Notifications a second, at most.")
@click.option("--seconds", default=1_800.0, help="The longest that one run may take.")
@click.option("--only", multiple=True, help="A word in the names of the faults to choose from.")
def run_command(seed: tuple[int, ...], **options: Any) -> None:
    """Publish to a cluster through a schedule of faults that follows from the seed."""
    end(
        [
            held(
                f"Seed {one}: {options['messages']} notifications, {options['users']} users",
                partial(run, Options(seed=one, **options)),
            )
            for one in seed or (random.randrange(1_000_000),)
        ]
    )


@main.command("crash")
@click.option("--rounds", default=200, help="How many times the node is killed.")
@click.option("--seed", default=1)
def crash_command(rounds: int, seed: int) -> None:
    """Kill a node on SQLite at random moments."""
    end([held(f"Seed {seed}: {rounds} crashes", partial(crash, rounds, seed))])


@main.command("storm")
@click.option("--clients", default=5_000)
@click.option("--seed", default=1)
def storm_command(clients: int, seed: int) -> None:
    """Let all clients come back to one node at once."""
    end([held(f"Seed {seed}: a storm of {clients} clients", partial(storm, clients, seed))])


@main.command("queue")
@click.option("--messages", default=1_000_000, help="Notifications in the flood.")
@click.option("--kills", default=100, help="How many times a node is killed meanwhile.")
@click.option("--seconds", default=7_200.0, help="The longest that it may take.")
@click.option("--seed", default=1)
def queue_command(**options: Any) -> None:
    """Drain a flood from the queue while nodes are killed."""
    flood = Flood(**options)
    title = f"Seed {flood.seed}: {flood.messages} notifications, {flood.kills} nodes killed"
    end([held(title, partial(queue, flood))])


@main.command("jobs")
@click.option("--kills", default=200, help="How many times a worker is killed, on each store.")
@click.option("--seed", default=1)
def jobs_command(kills: int, seed: int) -> None:
    """Kill workers over their jobs, on SQLite and on MongoDB."""
    click.echo(f"Seed {seed}: {kills} workers killed on each store")
    folder = Path(tempfile.mkdtemp(prefix="notifier-chaos-"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        broken = runner.run(_until_sigterm(_on_both_stores(folder, kills, seed)))
    for line in broken:
        click.echo(line)
    clean(folder, keep_logs=bool(broken))
    end([not broken])


async def _on_both_stores(folder: Path, kills: int, seed: int) -> list[str]:
    sqlite, mongo = folder / "sqlite", folder / "mongodb"
    for part in (sqlite, mongo):
        part.mkdir()
    broken = await play_jobs(f"sqlite:///{sqlite}/notifier.db", kills, seed, sqlite, click.echo)
    server = Mongod(mongo / "mongod")
    await server.start()
    try:
        url = fresh_database(server.uri)
        return broken + await play_jobs(url, kills, seed, mongo, click.echo)
    finally:
        await server.kill()


def held(title: str, play: Callable[[Path, Say], Coroutine[Any, Any, Result]]) -> bool:
    """Play once and tell about it; False if a rule was broken."""
    click.echo(title)
    folder = Path(tempfile.mkdtemp(prefix="notifier-chaos-"))
    with _uncollected(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(_until_sigterm(play(folder, click.echo)))
    violations = [*result.broken, *judge(result.evidence)]
    for line in (*figures(result, violations), *stories(result, violations)):
        click.echo(line)
    failed = bool(violations) or result.stuck is not None
    clean(folder, keep_logs=failed)
    if failed:
        click.echo(f"What the servers wrote is in {folder}")
    return not failed


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collections: while a million lines of diaries are looked through, the proxies
    of this process pass nothing on, neither to Redis nor to the store."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


async def _until_sigterm(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Clean up when told to end, as on Ctrl-C: servers must not outlive us."""
    task = asyncio.get_running_loop().create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def end(outcomes: Sequence[bool]) -> None:
    if not all(outcomes):
        click.echo(f"Broken: {outcomes.count(False)} of {len(outcomes)}.")
        sys.exit(1)


if __name__ == "__main__":
    main()
