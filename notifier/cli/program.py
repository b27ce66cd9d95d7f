"""What commands have in common: errors as lines, the settings, a store, an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from notifier.config import Config, environment, load_config
from notifier.errors import ConfigurationError, NotifierError
from notifier.log import configure_log

if TYPE_CHECKING:
    from notifier.core.ports import Store

Result = TypeVar("Result")


class Program(click.Group):
    """Turns errors into lines: exit status 2 for wrong settings, 1 for everything else."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            for problem in error.problems:
                click.echo(problem, err=True)
            ctx.exit(2)
        except NotifierError as error:
            raise click.ClickException(str(error)) from None


def quiet_config(env: str | None = None) -> Config:
    """The settings, for commands whose own output is what people want to see."""
    config = load_config(environment(NOTIFIER_ENV=env))
    configure_log(replace(config.log, level="warning"))
    return config


@asynccontextmanager
async def opened_store(config: Config) -> AsyncIterator[Store]:
    """The store of these settings, as long as the block lasts."""
    from notifier.store import open_store

    store = await open_store(config.store.url)
    try:
        yield store
    finally:
        await store.close()


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, on uvloop where there is one (not on Windows)."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)
