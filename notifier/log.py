"""The log: one line for each thing that happened, on standard error.

Modules log through ``logging``; here their records get one form, with what their caller knows
beside the sentence (``extra``). Connections and decisions are logged, never tokens or payloads.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

from notifier.settings import LogConfig

TALKATIVE = ("engineio", "socketio", "aiohttp.access", "pymongo")
"""Loggers of libraries that would write packets, commands or addresses with tickets."""

SILENT = ("aio_pika", "aiormq")
"""Loggers of libraries that write a trace for each try to reach a broker. What is wrong with it we
tell ourselves, once."""


def configure_log(config: LogConfig) -> None:
    """Send everything that is logged in this process to standard error, from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta]
            + (_json() if config.format == "json" else _text()),
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(config.level.upper())
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _json() -> list[Processor]:
    # Without local variables: they hold what must not be logged.
    exceptions = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return [exceptions, structlog.processors.JSONRenderer()]


def _text() -> list[Processor]:
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    ]
