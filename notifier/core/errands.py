"""Work that is done to its end, although who asked for it gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

Done = TypeVar("Done")


class Errands:
    """What is under way. Its owner closes it before what the work needs is closed."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()

    async def to_its_end(self, work: Awaitable[Done]) -> Done:
        """A caller who gives up (hangs up, say) does not keep what was stored from being told."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait until what was stored has been told."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # told to the caller, if that one is still there
