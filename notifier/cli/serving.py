"""``notifier serve``, ``worker`` and ``migrate``: the processes of a deployment."""

from __future__ import annotations

import os

import click

from notifier.cli.parameters import env_option
from notifier.cli.program import opened_store, quiet_config, run
from notifier.config import Config, environment, load_config
from notifier.log import configure_log


@click.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), help="0: any free port.  [env: PORT]")
@env_option
def serve(host: str | None, port: int | None, env: str | None) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    variables = environment(
        NOTIFIER_ENV=env, NOTIFIER_SERVER__HOST=host, PORT=None if port is None else str(port)
    )
    config = load_config(variables)
    configure_log(config.log)
    from notifier import app

    def announce(url: str) -> None:
        click.echo(f"Notifier is listening on {url}")
        if config.demo.enabled:
            click.echo(f"See what it does: {url}/demo/")

    try:
        run(app.serve(config, ready=announce))
    except OSError as error:
        raise click.ClickException(_cannot_listen(config, error)) from None


@click.command()
@env_option
def worker(env: str | None) -> None:
    """Run scheduled, collapsed and summed-up notifications until SIGTERM or Ctrl-C."""
    config = load_config(environment(NOTIFIER_ENV=env))
    configure_log(config.log)
    from notifier.worker import work

    run(work(config, ready=lambda: click.echo("Notifier is waiting for jobs")))


@click.command()
@env_option
def migrate(env: str | None) -> None:
    """Create or update schema and indexes; safe to repeat, also beside running servers."""
    config = quiet_config(env)

    async def work() -> None:
        async with opened_store(config) as store:
            await store.migrate()

    run(work())
    click.echo(f"The store is ready: {config.store.place}")


def _cannot_listen(config: Config, error: OSError) -> str:
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return f"cannot listen on {config.server.host}:{config.server.port}: {reason}"
