"""The hooks for React and the composables for Vue, in their demos, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.axe import problems
from tests.browser.pages import open_pages
from tests.servers import NotifierProcess


class Inbox:
    """The demo page of one framework: Grace's application."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = page.locator("header > .count")
        self.state = page.locator("main > .state")
        self.items = page.locator("main > ul > li")
        self.titles = self.items.locator("strong")
        self.bell = page.locator("notifier-bell .bell")
        self.toasts = page.locator("notifier-toasts .toast .title")

    async def press(self, name: str) -> None:
        await self.button(name).click()

    def button(self, name: str) -> Locator:
        return self.page.locator("main > section").get_by_role("button", name=name, exact=True)

    async def press_in(self, item: Locator, name: str) -> None:
        await item.get_by_role("button", name=name, exact=True).click()


Open = Callable[[], Awaitable[Inbox]]


@pytest.fixture(params=["react", "vue"])
async def inbox(
    request: pytest.FixtureRequest, chromium: Browser, notifier: NotifierProcess
) -> AsyncIterator[Open]:
    """Open the demo of one of the frameworks and wait until it is online."""
    async with open_pages(chromium) as open_page:

        async def open_inbox() -> Inbox:
            inbox = Inbox(await open_page(f"{notifier.url}/demo/{request.param}.html"))
            await expect(inbox.state).to_have_text("online")
            return inbox

        yield open_inbox


async def test_what_arrives_is_shown_everywhere_at_once(inbox: Open) -> None:
    """In the list, in the count, in the bell and as a toast."""
    grace = await inbox()
    await expect(grace.page.locator("main > .empty")).to_be_visible()
    await grace.press("Message")
    await expect(grace.titles).to_have_text(["Lunch at one?"])
    await expect(grace.count).to_have_text("1 unread")
    await expect(grace.bell).to_have_accessible_name("Notifications, 1 unread")
    await expect(grace.toasts).to_have_text(["Lunch at one?"])
    await grace.press("Like")
    await expect(grace.titles).to_have_text(["Ada liked your photo", "Lunch at one?"])
    await expect(grace.page.locator("main > .empty")).to_have_count(0)


async def test_every_action_reaches_the_other_device(inbox: Open) -> None:
    """Read, unread, dismissed: the page that acts and the one that looks on show the same."""
    here, there = await inbox(), await inbox()
    for deed, count in (("Message", 1), ("Like", 2)):
        await here.press(deed)
        await expect(there.items).to_have_count(count)
        await expect(here.items).to_have_count(count)
    await here.press_in(here.items.first, "Mark read")
    await expect(there.count).to_have_text("1 unread")
    await expect(here.count).to_have_text("1 unread")
    await there.press_in(there.items.first, "Mark unread")
    await expect(here.count).to_have_text("2 unread")
    await here.press("Mark all read")
    await expect(there.count).to_have_text("0 unread")
    await there.press_in(there.items.first, "Dismiss")
    await expect(here.titles).to_have_text(["Lunch at one?"])


async def test_clearing_can_be_taken_back(inbox: Open) -> None:
    """The list empties, and Undo brings it back."""
    grace = await inbox()
    undo = grace.button("Undo")
    await grace.press("Message")
    await expect(grace.items).to_have_count(1)
    await expect(undo).to_be_disabled()
    await grace.press("Clear all")
    await expect(grace.items).to_have_count(0)
    await undo.click()
    await expect(grace.titles).to_have_text(["Lunch at one?"])


async def test_what_was_missed_comes_in_order(inbox: Open) -> None:
    """The application goes offline and comes back by itself."""
    grace, ada = await inbox(), await inbox()
    await grace.press("Go offline")
    await expect(grace.state).to_have_text("offline")
    for deed, count in (("Message", 1), ("Like", 2), ("Urgent", 3)):
        await ada.press(deed)
        await expect(ada.items).to_have_count(count)
    await expect(grace.items).to_have_count(0)
    await grace.press("Go online")
    newest_first = ["Your payment was declined", "Ada liked your photo", "Lunch at one?"]
    await expect(grace.titles).to_have_text(newest_first)
    await expect(grace.count).to_have_text("3 unread")


async def test_the_critical_is_acknowledged_in_the_dialog(inbox: Open) -> None:
    """The elements beside the hooks show the same inbox."""
    grace = await inbox()
    await grace.press("Critical")
    dialog = grace.page.locator("notifier-toasts dialog")
    await expect(dialog).to_be_visible()
    await dialog.get_by_role("button", name="Acknowledge").click()
    await expect(grace.count).to_have_text("0 unread")
    await expect(grace.items).to_have_class("read")


async def test_axe_finds_nothing(inbox: Open) -> None:
    """Empty, and with toasts and items read and unread."""
    grace = await inbox()
    assert await problems(grace.page) == []
    await grace.press("Message")
    await grace.press("Urgent")
    await expect(grace.toasts).to_have_count(2)
    await grace.press_in(grace.items.last, "Mark read")
    await expect(grace.items.last).to_have_class("read")
    assert await problems(grace.page) == []
