"""``notifier check`` and ``notifier explain``: why something does not work."""

from __future__ import annotations

import sys

import click

from notifier.cli.parameters import Name
from notifier.cli.program import opened_store, quiet_config, run
from notifier.core.models import Ref, rfc3339
from notifier.errors import ConfigurationError


@click.command()
def check() -> None:
    """Say what is configured and reach every server; exit status 1 with every problem found."""
    try:
        config = quiet_config()
    except ConfigurationError as error:
        problems = list(error.problems)
    else:
        from notifier.cli import checkup

        for line in checkup.describe(config):
            click.echo(line)
        problems = run(checkup.find_problems(config))
    for problem in problems:
        click.echo(f"Problem: {problem}", err=True)
    if problems:
        sys.exit(1)
    click.echo("No problem found.")


@click.command()
@click.argument("entry", metavar="ENTRY_ID")
@click.argument("user", type=Name())
def explain(entry: str, user: str) -> None:
    """Say why USER did or did not get an entry such as 17@user:42: every rule, every channel."""
    from notifier.core.explain import Explainer
    from notifier.core.types import TypeCatalogue

    try:
        ref = Ref.parse(entry)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="ENTRY_ID") from None
    config = quiet_config()

    async def work() -> None:
        async with opened_store(config) as store:
            explainer = Explainer(store, TypeCatalogue.load(config.catalogue))
            explanation = await explainer.explain(ref, user)
        for rule in explanation.rules:
            at = "" if rule.at is None else f"  {rfc3339(rule.at)}"
            click.echo(f"{_yes_or_no(rule.passed)}  {rule.rule:9}  {rule.reason}{at}")
        for channel, (allowed, reason) in explanation.channels.items():
            click.echo(f"{_yes_or_no(allowed)}  {channel:9}  {reason}")
        click.echo(f"{entry} is {'shown to' if explanation.shown else 'hidden from'} {user}.")

    run(work())


def _yes_or_no(answer: bool) -> str:
    return "yes" if answer else "no "
