"""Two nodes over MongoDB and Redis: people see no difference."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenDemo
from tests.browser.proxy import Proxy
from tests.browser.publishing import publishing_at
from tests.browser.test_transports import all_told, listen, told_more
from tests.conftest import StartNotifier
from tests.servers import NotifierProcess, fresh_database

SECRET = "the nodes of one test share this secret"


@pytest.fixture
async def nodes(
    start_notifier: StartNotifier, mongodb_uri: str, redis_url: str
) -> tuple[NotifierProcess, NotifierProcess]:
    """Two nodes with one database of their own."""
    settings = {
        "MONGODB_URI": fresh_database(mongodb_uri),
        "REDIS_URL": redis_url,
        "NOTIFIER_REDIS__CHANNEL": f"browser-{uuid4().hex[:8]}",
        "NOTIFIER_JWT_SECRET": SECRET,
    }
    first = await start_notifier(**settings)
    return first, await start_notifier(**settings)


async def test_what_one_node_accepts_is_a_toast_at_the_other(
    open_demo: OpenDemo, nodes: tuple[NotifierProcess, NotifierProcess]
) -> None:
    """Published at one node, shown on a page that is connected to the other."""
    here, there = nodes
    demo = await open_demo("?user=grace", server=there.url)
    async with publishing_at(here.url) as publisher:
        await publisher.publish("From the other node")
    await expect(demo.grace.toasts).to_have_text(["From the other node"])
    await expect(demo.grace.count).to_have_text("1")


async def test_reading_at_one_node_is_read_at_the_other(
    open_demo: OpenDemo, nodes: tuple[NotifierProcess, NotifierProcess]
) -> None:
    """Marked as read in one browser, it is read in another, at another node."""
    here, there = [await open_demo("?user=grace", server=node.url) for node in nodes]
    async with publishing_at(nodes[0].url) as publisher:
        await publisher.publish("Read me once")
    await expect(there.grace.count).to_have_text("1")
    await here.grace.bell.click()
    await here.grace.card("Read me").hover()
    await here.grace.card("Read me").get_by_role("button", name="Mark as read").click()
    await expect(there.grace.count).to_be_empty()


async def test_five_missed_are_five_shown(
    open_demo: OpenDemo, nodes: tuple[NotifierProcess, NotifierProcess]
) -> None:
    """A browser that lost its network gets exactly what it missed, once, in order, and counts it
    right."""
    here, there = nodes
    async with publishing_at(here.url) as publisher, Proxy(there.port) as proxy:
        demo = await open_demo("?user=grace", server=proxy.url)
        await listen(demo.page)
        proxy.block("websocket", "sse", "http")
        await expect(demo.grace.bell).not_to_have_attribute("data-connection", "online")
        for number in range(5):
            await publisher.publish(f"Missed {number}")
        proxy.unblock()
        await demo.page.evaluate("window.dispatchEvent(new Event('online'))")
        await demo.grace.online()
        await all_told(demo.page, publisher)
        await expect(demo.grace.count).to_have_text("5")


async def test_a_reader_may_move_from_node_to_node(
    open_demo: OpenDemo, nodes: tuple[NotifierProcess, NotifierProcess]
) -> None:
    """When a node leaves, its pages go on at another, from the same cursor."""
    leaving, staying = nodes
    async with publishing_at(staying.url) as publisher, Proxy(leaving.port) as proxy:
        demo = await open_demo("?user=grace", server=proxy.url)
        await listen(demo.page)
        async with publisher.steadily():
            await told_more(demo.page)
            proxy.target = staying.port
            await leaving.stop()
            await told_more(demo.page)
        await all_told(demo.page, publisher)
