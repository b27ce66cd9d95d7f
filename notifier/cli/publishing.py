"""``notifier send``: publishing by hand, or from a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from notifier.cli.access import sign
from notifier.cli.parameters import Json
from notifier.cli.program import quiet_config, run
from notifier.core.models import ADMIN, Priority


@click.command()
@click.option("--to", multiple=True, help="user:ID, role:NAME, topic:NAME, everyone; repeatable.")
@click.option("--title")
@click.option("--body")
@click.option("--type")
@click.option("--priority", type=click.Choice([priority.value for priority in Priority]))
@click.option("--url", help="Where a click leads.")
@click.option("--data", type=Json(), help="JSON for the application.")
@click.option("--file", type=click.File("rb"), help="One notification as JSON per line.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    help="With --file: the most notifications a second.",
)
@click.option("--server", help="Address of the server; default: this machine at --port.")
@click.option("--port", envvar="PORT", default=8080, show_default=True, show_envvar=True)
@click.option("--key", envvar="NOTIFIER_KEY", show_envvar=True, help="Default: a token of our own.")
def send(
    file: Any, rate: float | None, server: str | None, port: int, key: str | None, **fields: Any
) -> None:
    """Publish one notification, or with --file one per line.

    After an interruption the same command goes on where it ended, as FILE.sent tells. For a day,
    each line of a file counts once, however often it is sent and whatever becomes of the other
    lines; equal ones count one by one. A line may have an "idempotency_key" of its own, by which
    it counts once in whatever file it stands. What comes through a pipe is sent each time.
    """
    given = {name: value for name, value in fields.items() if value not in (None, ())}
    if file is not None and given:
        raise click.UsageError("with --file, the lines of the file bring all fields")
    if file is None and rate is not None:
        raise click.UsageError("--rate is for --file")
    if file is None and not {"to", "title"} <= given.keys():
        raise click.UsageError("give --to and --title, or --file")
    if key and not key.isprintable():
        raise click.UsageError("--key holds a line break or the like, which no key does")
    from notifier.cli import sending

    address = server or f"http://127.0.0.1:{port}"
    bearer = (lambda: key) if key else _own_token()
    if file is None:
        click.echo(run(sending.send_one(address, bearer, given)))
    elif not run(sending.send_file(address, bearer, file, rate=rate)):
        sys.exit(1)


def _own_token() -> Callable[[], str]:
    """Fresh tokens of this machine: whoever has the server's secret may publish."""
    config = quiet_config()
    if not config.auth.secrets:
        raise click.ClickException("without a shared secret, sending needs --key")
    return lambda: sign(config, "cli", lifetime=60, scopes=[ADMIN])
