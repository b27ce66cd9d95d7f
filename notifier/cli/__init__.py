"""The command line: what people type. Every command says in one line what went wrong.

Servers, drivers and their libraries are imported by the commands that need them, when they run: the
others answer at once.
"""

from __future__ import annotations

import click

from notifier import __version__
from notifier.cli.access import keys, token
from notifier.cli.desk import queue
from notifier.cli.diagnosis import check, explain
from notifier.cli.program import Program
from notifier.cli.publishing import send
from notifier.cli.serving import migrate, serve, worker


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Notifier: notifications for web applications, stored and shown at once."""


for _command in (serve, worker, migrate, check, token, keys, send, queue, explain):
    main.add_command(_command)
