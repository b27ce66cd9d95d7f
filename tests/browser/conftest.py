"""The demo page in a real browser, on a real server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, expect

from tests.browser.demo import Demo
from tests.conftest import StartNotifier
from tests.servers import PATIENCE, NotifierProcess

OpenDemo = Callable[..., Awaitable[Demo]]

_REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def _client() -> None:
    """The client is built from the sources as they are."""
    expect.set_options(timeout=PATIENCE * 1000)
    subprocess.run([sys.executable, _REPOSITORY / "packaging" / "client.py"], check=True)


@pytest.fixture
async def notifier(start_notifier: StartNotifier) -> NotifierProcess:
    """A server of the test's own: nobody has any notification yet."""
    return await start_notifier()


@pytest.fixture
async def open_demo(chromium: Browser, notifier: NotifierProcess) -> AsyncIterator[OpenDemo]:
    """Open the demo in a browser of its own: ``await open_demo("?user=ada", color_scheme="dark")``.
    ``server`` is the address of another server than ``notifier``; ``refusals`` are statuses that
    the test has answers given with, of which the browser itself complains.

    At the end of the test none of the pages may have complained: no script error, nothing that the
    Content-Security-Policy had to stop. What they say when they are closed is not heard.
    """
    complaints: list[str] = []

    async def open_page(
        query: str = "", *, server: str = "", refusals: tuple[int, ...] = (), **options: Any
    ) -> Demo:
        expected = (*_LOST, *(f"responded with a status of {status}" for status in refusals))

        def hear(message: ConsoleMessage) -> None:
            is_expected = any(words in message.text for words in expected)
            if message.type in ("error", "warning") and not is_expected:
                complaints.append(message.text)

        context = await chromium.new_context(**options)
        context.set_default_timeout(PATIENCE * 1000)
        page = await context.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        demo = Demo(page)
        await demo.open(f"{server or notifier.url}/demo/{query}")
        return demo

    contexts_before = set(chromium.contexts)
    yield open_page
    heard = list(complaints)
    for context in set(chromium.contexts) - contexts_before:
        await context.close()
    assert heard == []


_LOST = (
    "WebSocket connection to",
    "net::ERR_CONNECTION",
    "net::ERR_EMPTY_RESPONSE",
    "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
)
"""The browser itself reports what it cannot reach, and streams that were cut."""
