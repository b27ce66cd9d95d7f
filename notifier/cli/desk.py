"""``notifier queue``: what waits in Redis, and what could never be published."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

from notifier.cli.program import Result, quiet_config, run

if TYPE_CHECKING:
    from notifier.queue.desk import Desk


@click.group()
def queue() -> None:
    """What services have queued in Redis."""


@queue.command("status")
def queue_status() -> None:
    """Show how much waits in each priority, how much is dead, and who reads."""
    for line in _at_desk(lambda listing, desk: listing.status(desk)):
        click.echo(line)


@queue.command("dead")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
def queue_dead(limit: int) -> None:
    """List the newest dead letters: id, time, priority, who sent what, and why it is dead."""
    for line in _at_desk(lambda listing, desk: listing.dead(desk, limit)):
        click.echo(line)


_letters = click.argument("ids", metavar="[ID]...", nargs=-1)
_all_letters = click.option("--all", "everything", is_flag=True, help="All there are.")


@queue.command("retry")
@_letters
@_all_letters
def retry_dead(ids: tuple[str, ...], everything: bool) -> None:
    """Put dead letters back into the queue, at the end."""
    _check_choice(ids, everything)
    count = _at_desk(lambda listing, desk: listing.retry(desk, ids))
    click.echo(f"{count} put back into the queue.")


@queue.command("drop")
@_letters
@_all_letters
def drop_dead(ids: tuple[str, ...], everything: bool) -> None:
    """Forget dead letters for ever."""
    _check_choice(ids, everything)
    count = _at_desk(lambda listing, desk: listing.drop(desk, ids))
    click.echo(f"{count} dropped.")


def _check_choice(ids: tuple[str, ...], everything: bool) -> None:
    if everything == bool(ids):
        raise click.UsageError("give either ids, as notifier queue dead lists them, or --all")


def _at_desk(act: Callable[[Any, Desk], Coroutine[Any, Any, Result]]) -> Result:
    from notifier.cli import listing

    redis = quiet_config().redis
    if redis.url is None:
        raise click.ClickException("there is no queue without REDIS_URL")
    place = redis.url

    async def work() -> Result:
        async with listing.open_desk(
            place, prefix=redis.channel, verify_tls=redis.verify_tls
        ) as desk:
            return await act(listing, desk)

    return run(work())
