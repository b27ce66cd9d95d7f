"""The built files where browsers meet them: under strict policies, from other origins, once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, expect

from tests.browser.pages import OpenPage, open_pages
from tests.browser.publishing import publishing_at
from tests.conftest import StartNotifier
from tests.servers import REPOSITORY, NotifierProcess

_RESOURCES = """() => Object.fromEntries(performance.getEntriesByType("resource").map((entry) =>
  [new URL(entry.name).pathname, {
    sent: entry.transferSize, packed: entry.encodedBodySize, whole: entry.decodedBodySize,
  }]))"""


@pytest.fixture
async def open_page(chromium: Browser) -> AsyncIterator[OpenPage]:
    async with open_pages(chromium) as open_:
        yield open_


async def use_everything(page: Page) -> None:
    """What a page shows: a toast, the open bell with a card."""
    bell = page.locator("notifier-bell .bell").last
    await expect(bell).to_have_attribute("data-connection", "online")
    await page.get_by_role("button", name="Message", exact=True).first.click()
    await expect(page.locator("notifier-toasts .toast").first).to_be_visible()
    await bell.click()
    await expect(page.locator("notifier-bell .card").first).to_be_visible()


@pytest.mark.parametrize("path", ["/demo/", "/demo/react.html", "/demo/vue.html"])
async def test_the_demos_work_under_the_strict_policy(
    open_page: OpenPage, notifier: NotifierProcess, path: str
) -> None:
    """No inline code, no inline style, no markup made of text: nothing had to be stopped."""
    page = await open_page(notifier.url + path)
    await use_everything(page)


async def test_a_violation_would_be_noticed(chromium: Browser, notifier: NotifierProcess) -> None:
    """Else the other tests would prove nothing."""
    offence = "setTimeout(() => document.body.insertAdjacentHTML('beforeend', '<i></i>'))"

    async def offend() -> None:
        async with open_pages(chromium) as open_page:
            page = await open_page(f"{notifier.url}/demo/react.html")
            await page.evaluate(offence)
            await expect(page.locator("main > .state")).to_have_text("online")

    with pytest.raises(AssertionError, match="require-trusted-types-for stopped"):
        await offend()


async def test_the_second_visit_asks_only_for_what_may_have_changed(
    open_page: OpenPage, notifier: NotifierProcess
) -> None:
    """The first one gets everything compressed; then hashed files are not asked for at all."""
    page = await open_page(f"{notifier.url}/demo/react.html")
    await use_everything(page)
    first = await page.evaluate(_RESOURCES)
    scripts = [name for name in first if name.endswith((".mjs", ".js", ".css"))]
    assert any("/chunks/" in name for name in scripts)
    for name in scripts:
        assert first[name]["whole"] < 300 or first[name]["packed"] < first[name]["whole"], name
    await page.goto("about:blank")
    await page.goto(f"{notifier.url}/demo/react.html")
    await expect(page.locator("main > .state")).to_have_text("online")
    second = await page.evaluate(_RESOURCES)
    for name in scripts:
        if "/chunks/" in name:
            assert second[name]["sent"] == 0, name
        else:
            assert 0 < second[name]["sent"] < 1000, name


class Application:
    """An application on an origin of its own, with a policy as strict as it can be."""

    def __init__(self) -> None:
        self.origin = ""
        self.policy = ""
        self.files: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.Response:
        content = self.files.get(request.path)
        if content is None:
            raise web.HTTPNotFound
        media = "text/javascript" if request.path.endswith(".js") else "text/html"
        headers = {"Content-Security-Policy": self.policy}
        return web.Response(text=content, content_type=media, headers=headers)


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    application = Application()
    app = web.Application()
    app.router.add_get("/{path:.*}", application.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        application.origin = str(server.make_url("")).rstrip("/")
        yield application


SCRIPT_TAG = """<!doctype html><title>Shop</title><link rel="icon" href="data:,">
<script src="https://notifier.example/client/notifier.min.js"></script>
<script type="module" src="/shop.js"></script>
<notifier-bell></notifier-bell><notifier-toasts></notifier-toasts>"""

MODULE_TAG = """<!doctype html><title>Shop</title><link rel="icon" href="data:,">
<script type="module" src="https://notifier.example/client/elements.mjs"></script>
<script type="module" src="/shop.js"></script>
<notifier-bell></notifier-bell><notifier-toasts></notifier-toasts>"""

SHOP = """
const notifier = createNotifier({ url: "https://notifier.example", token: "%s" });
for (const element of document.querySelectorAll("notifier-bell, notifier-toasts")) {
  element.notifier = notifier;
}
"""


@pytest.mark.parametrize(
    ("page_html", "imported"),
    [
        (SCRIPT_TAG, "const { createNotifier } = Notifier;"),
        (
            MODULE_TAG,
            'import { createNotifier } from "https://notifier.example/client/notifier.mjs";',
        ),
    ],
    ids=["one script", "modules"],
)
async def test_a_page_of_another_origin_needs_only_a_tag(
    open_page: OpenPage,
    start_notifier: StartNotifier,
    application: Application,
    page_html: str,
    imported: str,
) -> None:
    """With the policy that the documentation gives, and no build step."""
    notifier = await start_notifier(NOTIFIER_ALLOWED_ORIGINS=application.origin)
    script = imported + SHOP % await _token(notifier)
    application.files = {"/": _at(notifier, page_html), "/shop.js": _at(notifier, script)}
    application.policy = _at(notifier, _documented_policy())
    page = await open_page(application.origin)
    bell = page.locator("notifier-bell .bell")
    await expect(bell).to_have_attribute("data-connection", "online")
    async with publishing_at(notifier.url) as publisher:
        await publisher.publish("Your order is on its way")
    toast = page.locator("notifier-toasts .toast .title")
    await expect(toast).to_have_text("Your order is on its way")
    await bell.click()
    await expect(page.locator("notifier-bell .card")).to_have_count(1)


def _documented_policy() -> str:
    chapter = (REPOSITORY / "docs" / "client.md").read_text().partition("## Content-Security")[2]
    found = re.search(r"```text\n(.+)\n```", chapter)
    assert found is not None
    return found[1]


def _at(notifier: NotifierProcess, text: str) -> str:
    """What is documented for ``https://notifier.example``, for this server."""
    for scheme in ("http", "ws"):
        url = notifier.url.replace("http", scheme, 1)
        text = text.replace(f"{scheme}s://notifier.example", url)
    return text


async def _token(notifier: NotifierProcess) -> str:
    async with (
        aiohttp.ClientSession(notifier.url) as session,
        session.get("/demo/session", params={"user": "grace"}) as answer,
    ):
        return str((await answer.json())["token"])
