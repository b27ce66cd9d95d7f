"""What the peers written in Python share: the event, the commands, the rules of connecting."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import uvloop

SECRET, ORIGIN = os.environ["SECRET"], os.environ["ORIGIN"]
NAMESPACE = "/notifications"
EVERYONE = "everyone"
# Heartbeats would come into measurements of seconds by chance: nobody has any.
SILENCE = 600.0

Emit = Callable[[str, dict[str, Any]], Awaitable[None]]

_EVENT = orjson.loads(Path(__file__).with_name("event.json").read_bytes())


def stamped_event() -> dict[str, Any]:
    """The event with the time: microseconds of the clock that all processes share."""
    return {**_EVENT, "at": f"{time.monotonic_ns() // 1000:015}"}


async def obey(emit: Emit, port: int) -> None:
    """Say where the peer listens, then follow commands until there are no more."""
    print(port, flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    async for line in lines:
        command, _, argument = line.decode().strip().partition(" ")
        await _follow(emit, command, int(argument or 0))


async def _follow(emit: Emit, command: str, number: int) -> None:
    match command:
        case "broadcast":
            await emit(EVERYONE, stamped_event())
        case "user":
            await emit(f"user:{number}", stamped_event())
        case "users":
            for user in range(number):
                await emit(f"user:{user}", stamped_event())
        case "collect":
            gc.collect()
            print("done", flush=True)


def run(main: Callable[[], Any]) -> None:
    """Run a peer on the event loop that Notifier uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
