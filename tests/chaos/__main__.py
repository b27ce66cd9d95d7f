"""``python -m tests.chaos``: break a cluster in every way we know and see what holds."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from pathlib import Path

import click
import uvloop

from tests.chaos.cluster import clean
from tests.chaos.oracle import judge
from tests.chaos.report import figures, stories
from tests.chaos.run import Options, run


@click.command(context_settings={"show_default": True})
@click.option("--seed", type=int, multiple=True, help="May be repeated.  [default: any]")
@click.option("--messages", default=100_000, help="Notifications to be accepted.")
@click.option("--users", default=1_000)
@click.option("--faults", default=24, help="Episodes of faults.")
@click.option("--nodes", default=3)
@click.option("--rate", default=400.0, help="Notifications a second.")
@click.option("--seconds", default=1_800.0, help="The longest that one run may take.")
@click.option("--only", multiple=True, help="A word in the names of the faults to choose from.")
def main(
    seed: tuple[int, ...],
    messages: int,
    users: int,
    faults: int,
    nodes: int,
    rate: float,
    seconds: float,
    only: tuple[str, ...],
) -> None:
    """Publish through faults; exit status 1 if anything promised was not kept."""
    broken = [
        one
        for one in seed or (random.randrange(1_000_000),)
        if not held(Options(one, messages, users, faults, nodes, rate, seconds, only))
    ]
    if broken:
        click.echo(f"Broken with seed {', '.join(map(str, broken))}.")
        sys.exit(1)


def held(options: Options) -> bool:
    """Run once and tell about it; False if a rule was broken."""
    click.echo(f"Seed {options.seed}: {options.messages} notifications, {options.users} users")
    folder = Path(tempfile.mkdtemp(prefix="notifier-chaos-"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(run(options, folder, click.echo))
    violations = judge(result.evidence)
    for line in figures(result, violations):
        click.echo(line)
    for line in stories(result, violations):
        click.echo(line)
    failed = bool(violations) or result.stuck is not None
    clean(folder, keep_logs=failed)
    if failed:
        click.echo(f"What the servers wrote is in {folder}")
    return not failed


if __name__ == "__main__":
    main()
