"""An engine of the test's own settings, on a real port, that notes what its handlers see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from notifier.realtime.engine import Engine, EngineOptions
from tests.realtime.engine.rude import Rude
from tests.realtime.engine.wire import Wire, serving


class Site:
    """An engine that echoes, the wire to it, and what happened."""

    def __init__(self, engine: Engine, wire: Wire, runner: web.AppRunner) -> None:
        self.engine = engine
        self.wire = wire
        self.runner = runner
        self.connected: list[str] = []
        self.messages: list[str | bytes] = []
        self.disconnected: list[tuple[str, str]] = []
        self.before_message: Callable[[], Awaitable[Any]] | None = None
        engine.on("connect", self._connect)
        engine.on("message", self._message)
        engine.on("disconnect", self._disconnect)

    def rude(self) -> Rude:
        """A bare socket to the engine."""
        return Rude(self.wire.port)

    @property
    def reasons(self) -> list[str]:
        """Why connections ended, in order."""
        return [reason for _, reason in self.disconnected]

    async def _connect(self, sid: str, environ: Any) -> None:
        self.connected.append(sid)

    async def _message(self, sid: str, data: str | bytes) -> None:
        if self.before_message is not None:
            await self.before_message()
        self.messages.append(data)
        await self.engine.send(sid, data)

    async def _disconnect(self, sid: str, reason: str) -> None:
        await asyncio.sleep(0)
        self.disconnected.append((sid, reason))


StartSite = Callable[..., Awaitable[Site]]


@pytest.fixture
async def start() -> AsyncIterator[StartSite]:
    """Starts an engine with the given options."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Site:
            engine = Engine(EngineOptions(drain_seconds=0, **options))
            app = web.Application()
            engine.attach(app)
            wire = await stack.enter_async_context(serving(app))
            return Site(engine, wire, wire.runner)

        yield start


@pytest.fixture
async def site(start: StartSite) -> Site:
    """An engine with the default options."""
    return await start()
