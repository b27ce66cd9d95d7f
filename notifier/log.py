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


def _without_request(record: logging.LogRecord) -> bool:
    """Whether to log what aiohttp's server tells: of a request that cannot be read, for debugging
    and without its text. Strangers could fill the log with traces, and clients with their secrets.

    What is wrong with a request aiohttp says in exceptions of its own; others are errors of ours.
    """
    kind = record.exc_info[0] if record.exc_info else None
    if kind is None or not kind.__module__.startswith("aiohttp."):
        return True
    record.msg, record.args = f"{record.getMessage()} ({kind.__name__})", None
    record.exc_info = None
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


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
    logging.getLogger("aiohttp.server").addFilter(_without_request)
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
