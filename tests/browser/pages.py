"""Pages in a browser that must not complain: of errors, or of what a policy had to stop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from playwright.async_api import Browser, ConsoleMessage, Page

from tests.servers import PATIENCE

OpenPage = Callable[[str], Awaitable[Page]]

_TELL_VIOLATIONS = """
  addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
    console.error(`Content-Security-Policy: ${effectiveDirective} stopped ${blockedURI}`));
"""


@contextlib.asynccontextmanager
async def open_pages(chromium: Browser) -> AsyncIterator[OpenPage]:
    """Opens addresses, each in a browser of its own; at the end none of the pages complained.

    What they say of calls that closing them cuts off is not heard.
    """
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    async with contextlib.AsyncExitStack() as contexts:

        async def open_page(url: str) -> Page:
            context = await chromium.new_context()
            contexts.push_async_callback(context.close)
            context.set_default_timeout(PATIENCE * 1000)
            await context.add_init_script(_TELL_VIOLATIONS)
            page = await context.new_page()
            page.on("console", hear)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(url)
            return page

        yield open_page
        heard = list(complaints)
    assert not heard, heard
