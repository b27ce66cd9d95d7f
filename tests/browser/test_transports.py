"""One feed over every transport: stepping down, stepping up, nothing lost, nothing twice."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenDemo
from tests.browser.proxy import Proxy
from tests.browser.publishing import Publisher, publishing_at
from tests.servers import NotifierProcess


async def test_blocked_ways_are_stepped_around_and_taken_again(
    open_demo: OpenDemo, notifier: NotifierProcess
) -> None:
    """Without WebSockets SSE carries, without SSE polling, and in the end a WebSocket again; all
    the time notifications come, and each is told once, in order."""
    async with publishing_at(notifier.url) as publisher, Proxy(notifier.port) as proxy:
        proxy.block("websocket")
        demo = await open_demo("?user=grace", server=proxy.url)
        await listen(demo.page)
        async with publisher.steadily():
            await expect(demo.grace.link).to_have_text("SSE")
            await told_more(demo.page)
            proxy.block("sse")
            await expect(demo.grace.link).to_have_text("Polling")
            await told_more(demo.page)
            proxy.unblock()
            await expect(demo.grace.link).to_have_text("WebSocket")
            await told_more(demo.page)
        await all_told(demo.page, publisher)
        await expect(demo.grace.count).to_have_text(str(len(publisher.titles)))


async def test_the_transport_can_be_changed_at_any_time(
    open_demo: OpenDemo, notifier: NotifierProcess
) -> None:
    """The demo's switch goes from each transport to the next while notifications come."""
    demo = await open_demo("?user=grace")
    await listen(demo.page)
    async with publishing_at(notifier.url) as publisher:
        async with publisher.steadily():
            for name in ("SSE", "Polling", "WebSocket", "Polling", "SSE"):
                await demo.choose_transport(name)
                await expect(demo.grace.link).to_have_text(name)
                await told_more(demo.page)
            await demo.choose_transport("Automatic")
            await expect(demo.grace.link).to_have_text("WebSocket")
        await all_told(demo.page, publisher)


@pytest.mark.parametrize("transport", ["WebSocket", "SSE", "Polling"])
async def test_everything_can_be_done_over_each(open_demo: OpenDemo, transport: str) -> None:
    """Reading and dismissing here is followed there, over the same transport."""
    here, there = [await open_demo("?user=grace") for _ in range(2)]
    for demo in (here, there):
        await demo.choose_transport(transport)
        await expect(demo.grace.link).to_have_text(transport)
    await here.publish("Message", to="Grace")
    await here.publish("Security alert", to="Grace")
    await expect(there.grace.count).to_have_text("2")
    await here.grace.bell.click()
    await here.grace.card("Lunch").hover()
    await here.grace.card("Lunch").get_by_role("button", name="Mark as read").click()
    await expect(there.grace.count).to_have_text("1")
    await here.grace.card("Lisbon").hover()
    await here.grace.card("Lisbon").get_by_role("button", name="Dismiss").click()
    await expect(there.grace.count).to_be_empty()
    await there.grace.bell.click()
    await expect(there.grace.titles).to_have_text(["Lunch at one?"])


async def listen(page: Page) -> None:
    """Keep the titles of all that the client tells."""
    await page.evaluate(
        """() => {
          window.told = [];
          window.notifiers.grace.on("notification", ({ item }) => window.told.push(item.title));
        }"""
    )


async def told_more(page: Page) -> None:
    """Wait until three more notifications were told."""
    before = await page.evaluate("window.told.length")
    await page.wait_for_function("(before) => window.told.length >= before + 3", arg=before)


async def all_told(page: Page, publisher: Publisher) -> None:
    """Everything was told, once and in order, and stands in the inbox, newest first."""
    titles = publisher.titles
    await page.wait_for_function("(count) => window.told.length >= count", arg=len(titles))
    assert await page.evaluate("window.told") == titles
    items = await page.evaluate(
        """async () => {
          const { grace } = window.notifiers;
          while (grace.snapshot.more) await grace.loadMore();
          return grace.snapshot.items.map(({ title }) => title);
        }"""
    )
    assert items == titles[::-1]
