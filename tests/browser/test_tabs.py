"""The tabs of one user in one browser: one connection, one toast, one state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from playwright.async_api import Browser, BrowserContext, Error, Page, WebSocket, expect

from tests.browser.demo import Demo, expect_loaded
from tests.browser.publishing import publishing_at
from tests.servers import PATIENCE, NotifierProcess

SNAPSHOT = "(user) => window.notifiers[user].snapshot"

UNTIL = """({ user, field, value }) => new Promise((resolve) => {
  const notifier = window.notifiers[user];
  const check = () => notifier.snapshot[field] === value && resolve(Date.now());
  notifier.subscribe(check);
  check();
})"""

HIDEABLE = """() => {
  window.isHidden = false;
  Object.defineProperty(Document.prototype, "visibilityState", {
    get: () => (window.isHidden ? "hidden" : "visible"),
  });
}"""
"""Browsers under test count every page as visible and in use; with this a test decides."""


class Tab(Demo):
    """The demo in one tab, in the name of one user."""

    def __init__(self, page: Page, user: str) -> None:
        super().__init__(page)
        self.user = user
        self.window = self.grace if user == "grace" else self.ada
        self.sockets: list[WebSocket] = []
        page.on("websocket", lambda socket: self.sockets.append(socket))

    @property
    def connections(self) -> int:
        """How many WebSockets this tab holds open."""
        return sum(not socket.is_closed() for socket in self.sockets)

    async def leads(self) -> bool:
        leads: bool = (await self.page.evaluate(SNAPSHOT, self.user))["leads"]
        return leads

    async def until(self, field: str, value: object) -> float:
        """Wait for a value in the snapshot; when it was there, in milliseconds."""
        wish = {"user": self.user, "field": field, "value": value}
        at: float = await self.page.evaluate(UNTIL, wish)
        return at

    async def hear(self) -> None:
        """Keep the titles of all that the client tells."""
        await self.page.evaluate(
            """(user) => {
              window.told = [];
              window.notifiers[user].on("notification", ({ item }) => window.told.push(item.title));
            }""",
            self.user,
        )

    async def told(self, titles: Sequence[str]) -> None:
        """Wait until so many were told; they must be these, in this order, each once."""
        await self.page.wait_for_function("(n) => window.told.length >= n", arg=len(titles))
        assert await self.page.evaluate("window.told") == list(titles)

    async def hide(self, hidden: bool = True) -> None:
        """Put the tab in the background, or back on the screen."""
        await self.page.evaluate(
            "(hidden) => { window.isHidden = hidden; document.dispatchEvent("
            "new Event('visibilitychange', { bubbles: true })); }",
            hidden,
        )


OpenTabs = Callable[..., Awaitable[list[Tab]]]


@pytest.fixture
async def open_tabs(chromium: Browser, notifier: NotifierProcess) -> AsyncIterator[OpenTabs]:
    """Open tabs in a browser of their own: ``await open_tabs(3)``; in one that is open already with
    ``context=``. Each is ready before the next begins."""
    contexts: list[BrowserContext] = []

    async def open_some(
        count: int,
        *,
        user: str = "grace",
        context: BrowserContext | None = None,
        prepare: str = HIDEABLE,
    ) -> list[Tab]:
        if context is None:
            context = await chromium.new_context()
            context.set_default_timeout(PATIENCE * 1000)
            contexts.append(context)
        tabs = []
        for _ in range(count):
            tab = Tab(await context.new_page(), user)
            await tab.page.add_init_script(f"({prepare})()")
            await tab.open(f"{notifier.url}/demo/?user={user}")
            tabs.append(tab)
        return tabs

    yield open_some
    for context in contexts:
        await context.close()


async def leader_of(tabs: Sequence[Tab]) -> Tab:
    """The one tab that leads."""
    leaders = [tab for tab in tabs if await tab.leads()]
    assert len(leaders) == 1
    return leaders[0]


async def next_leader(tabs: Sequence[Tab]) -> Tab:
    """Wait until one of these leads."""
    waiting = {asyncio.create_task(tab.until("leads", True)): tab for tab in tabs}
    done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    assert len(done) == 1
    return waiting[done.pop()]


async def toasts_of(tabs: Sequence[Tab]) -> int:
    """How many toasts these tabs show, all together."""
    return sum([await tab.window.toasts.count() for tab in tabs])


async def test_three_tabs_have_one_connection(open_tabs: OpenTabs) -> None:
    """The first one's; the others are online through it."""
    tabs = await open_tabs(3)
    assert await leader_of(tabs) is tabs[0]
    assert [tab.connections for tab in tabs] == [1, 0, 0]


async def test_one_toast_for_each_browser_and_one_state_for_all(
    open_tabs: OpenTabs, notifier: NotifierProcess
) -> None:
    """Two browsers with three tabs each: a notification is one toast in each browser and one more
    unread in every tab; read in one tab, it is read in all six."""
    browsers = [await open_tabs(3), await open_tabs(3)]
    every = [tab for tabs in browsers for tab in tabs]
    async with publishing_at(notifier.url) as publisher:
        await publisher.publish("Once, please")
    for tab in every:
        await expect(tab.window.count).to_have_text("1")
    for tabs in browsers:
        assert await toasts_of(tabs) == 1
    reader = browsers[0][2]
    await reader.window.bell.click()
    await reader.window.card("Once").hover()
    await reader.window.card("Once").get_by_role("button", name="Mark as read").click()
    for tab in every:
        await expect(tab.window.count).to_be_empty()
    for tabs in browsers:
        await expect_no_toasts(tabs)


async def test_reading_is_followed_by_all_within_300_milliseconds(
    open_tabs: OpenTabs, notifier: NotifierProcess
) -> None:
    """From the call in one tab to the count in each of six, in two browsers; the best of a few
    tries, as the machine may be busy with something else."""
    every = [*await open_tabs(3), *await open_tabs(3)]
    times = []
    async with publishing_at(notifier.url) as publisher:
        for reader in every[:4]:
            await publisher.publish("Read me")
            for tab in every:
                await tab.until("unread", 1)
            seen = [asyncio.create_task(tab.until("unread", 0)) for tab in every]
            begun = await reader.page.evaluate(
                """() => {
                  const begun = Date.now();
                  void window.notifiers.grace.markAllRead();
                  return begun;
                }"""
            )
            times.append(max(await asyncio.gather(*seen)) - begun)
    assert min(times) <= 300, times


async def expect_no_toasts(tabs: Sequence[Tab]) -> None:
    for tab in tabs:
        await expect(tab.window.toasts).to_have_count(0)


async def test_another_tab_leads_when_the_leader_is_closed(
    open_tabs: OpenTabs, notifier: NotifierProcess
) -> None:
    """Within a second, from where the browser stands: nothing is lost and nothing told twice."""
    tabs = await open_tabs(4)
    for tab in tabs:
        await tab.hear()
    times = []
    async with publishing_at(notifier.url) as publisher, publisher.steadily():
        while len(tabs) > 1:
            leader = await leader_of(tabs)
            tabs.remove(leader)
            begun = await tabs[0].page.evaluate("Date.now()")
            await leader.page.close()
            leader = await next_leader(tabs)
            times.append(await leader.until("leads", True) - begun)
            await leader.until("connection", "online")
            before = len(publisher.titles)
            await tabs[0].page.wait_for_function("(n) => window.told.length > n", arg=before)
    for tab in tabs:
        await tab.told(publisher.titles)
    assert min(times) <= 1000, times


async def test_another_tab_leads_when_the_leader_crashes(
    open_tabs: OpenTabs, notifier: NotifierProcess
) -> None:
    """The browser itself passes the lead on; what comes next reaches everybody left, once."""
    tabs = await open_tabs(3)
    for tab in tabs:
        await tab.hear()
    crashed, *rest = tabs
    with contextlib.suppress(Error):
        await crashed.page.goto("chrome://crash")
    leader = await next_leader(rest)
    await leader.until("connection", "online")
    async with publishing_at(notifier.url) as publisher:
        await publisher.publish("After the crash")
    for tab in rest:
        await tab.told(publisher.titles)
    await expect(rest[1].window.toasts).to_have_text(["After the crash"])
    assert await toasts_of(rest) == 1


async def test_another_tab_presents_when_the_one_on_stage_crashes(
    open_tabs: OpenTabs, notifier: NotifierProcess
) -> None:
    """It can say nothing any more; its toasts are shown by a tab that is left."""
    tabs = await open_tabs(3)
    leader, other, crashed = tabs
    assert await leader_of(tabs) is leader
    await crashed.page.bring_to_front()
    await crashed.until("presents", True)
    with contextlib.suppress(Error):
        await crashed.page.goto("chrome://crash")
    await other.until("presents", True)
    async with publishing_at(notifier.url) as publisher:
        await publisher.publish("After the crash")
    await expect(other.window.toasts).to_have_text(["After the crash"])
    assert await toasts_of([leader, other]) == 1


async def test_a_leader_that_hangs_is_replaced(open_tabs: OpenTabs) -> None:
    """A page that does not answer a newcomer within a second loses the lead to it."""
    tabs = await open_tabs(2)
    hung = asyncio.create_task(tabs[0].page.evaluate("() => { for (;;); }"))
    [newcomer] = await open_tabs(1, context=tabs[0].page.context)
    await newcomer.until("connection", "online")
    assert await leader_of([tabs[1], newcomer])
    hung.cancel()
    with contextlib.suppress(asyncio.CancelledError, Error):
        await hung


async def test_a_frozen_leader_gives_up(open_tabs: OpenTabs, notifier: NotifierProcess) -> None:
    """Told that it will be frozen, it leaves the lead to another tab at once; when it goes on it
    follows that tab, without a gap."""
    tabs = await open_tabs(2)
    frozen, other = tabs
    for tab in tabs:
        await tab.hear()
    # The browser freezes no page that is visible, and here all are: the test says it.
    await frozen.page.evaluate("document.dispatchEvent(new Event('freeze'))")
    await other.until("leads", True)
    await other.until("connection", "online")
    async with publishing_at(notifier.url) as publisher:
        await publisher.publish("While one is frozen")
        for tab in tabs:
            await tab.told(publisher.titles)
    await frozen.until("connection", "online")
    assert await leader_of(tabs) is other


async def test_a_page_that_is_left_and_comes_back_follows(open_tabs: OpenTabs) -> None:
    """Gone to another page the leader leads no more; back again it is online through the other."""
    left, other = await open_tabs(2)
    address = left.page.url
    await left.page.goto("about:blank")
    await other.until("connection", "online")
    await other.until("leads", True)
    await left.page.go_back()
    assert left.page.url == address
    await left.ready()
    assert await leader_of([left, other]) is other


async def test_toasts_are_where_the_user_is(open_tabs: OpenTabs, notifier: NotifierProcess) -> None:
    """A tab on the screen shows the toast, not the leader in the background; when the user changes
    tabs it moves along; closed there, it is closed everywhere."""
    tabs = await open_tabs(3)
    leader, second, third = tabs
    await leader.hide()
    await third.hide()
    await second.until("presents", True)
    async with publishing_at(notifier.url) as publisher:
        await publisher.publish("Follow me")
    await expect(second.window.toasts).to_have_text(["Follow me"])
    assert await toasts_of(tabs) == 1
    await second.hide()
    await third.hide(False)
    await expect(third.window.toasts).to_have_text(["Follow me"])
    await expect(second.window.toasts).to_have_count(0)
    toast = third.window.pane.locator(".toast")
    await toast.get_by_role("button", name="Close").click()
    await third.hide()
    await leader.hide(False)
    await leader.until("presents", True)
    await expect_no_toasts(tabs)
    await expect(leader.window.count).to_have_text("1")


async def test_a_leader_that_stays_in_the_background_hands_over(open_tabs: OpenTabs) -> None:
    """After a minute, to a tab on the screen; one in the background as well is no better."""
    leader, second = await open_tabs(2)
    for tab in (leader, second):
        await tab.page.clock.install()
        await tab.hide()
    await leader.until("presents", True)
    await leader.page.clock.fast_forward(60_000)
    assert await leader_of([leader, second]) is leader
    await second.hide(False)
    await second.until("leads", True)
    await second.until("connection", "online")
    await leader.until("leads", False)
    await leader.until("connection", "online")


async def test_a_tab_that_is_disconnected_shows_nothing(
    open_tabs: OpenTabs, notifier: NotifierProcess
) -> None:
    """What it kept for the day that the user comes stays with the others."""
    first, second = await open_tabs(2)
    async with publishing_at(notifier.url) as publisher:
        await publisher.publish("Shown once")
    for tab in (first, second):
        await expect(tab.window.count).to_have_text("1")
    hidden = second if await first.window.toasts.count() else first
    await hidden.window.cut()
    await hidden.until("connection", "offline")
    assert await toasts_of([hidden]) == 0


async def test_with_all_tabs_in_the_background_the_leader_presents(open_tabs: OpenTabs) -> None:
    """Exactly one, also when nobody looks."""
    tabs = await open_tabs(3)
    for tab in tabs:
        await tab.hide()
    await tabs[0].until("presents", True)
    for tab in tabs[1:]:
        await tab.until("presents", False)


async def test_users_of_one_browser_do_not_mix(
    open_tabs: OpenTabs, notifier: NotifierProcess
) -> None:
    """Each user has a connection and toasts of their own."""
    [grace] = await open_tabs(1)
    [ada] = await open_tabs(1, user="ada", context=grace.page.context)
    assert [grace.connections, ada.connections] == [1, 1]
    async with publishing_at(notifier.url) as publisher:
        await publisher.publish("For Grace")
    await expect(grace.window.toasts).to_have_text(["For Grace"])
    await expect(ada.window.count).to_be_empty()


async def test_a_browser_without_locks_has_tabs_that_stand_alone(open_tabs: OpenTabs) -> None:
    """Each has a connection; nobody waits for a leader."""
    tabs = await open_tabs(
        2, prepare="() => Object.defineProperty(navigator, 'locks', { value: undefined })"
    )
    assert [tab.connections for tab in tabs] == [1, 1]
    assert [await tab.leads() for tab in tabs] == [True, True]


async def test_preferences_are_the_same_in_all_tabs_at_once(open_tabs: OpenTabs) -> None:
    """Changed in a tab that follows, they are shown in the leader and in another browser."""
    tabs = [*await open_tabs(2), *await open_tabs(1)]
    await tabs[1].page.evaluate("() => window.notifiers.grace.setPreferences({ sound: false })")
    for tab in tabs:
        await tab.page.wait_for_function(
            "() => window.notifiers.grace.snapshot.preferences.sound === false"
        )


async def test_a_new_tab_shows_what_there_is(
    open_tabs: OpenTabs, notifier: NotifierProcess
) -> None:
    """It asks through the leader and tells nothing of it as new."""
    [first] = await open_tabs(1)
    async with publishing_at(notifier.url) as publisher:
        await publisher.publish("Before")
        await expect(first.window.count).to_have_text("1")
        [second] = await open_tabs(1, context=first.page.context)
        await expect_loaded(second.page, "grace")
        await second.hear()
        await expect(second.window.count).to_have_text("1")
        await publisher.publish("After")
        await second.told(["After"])
    assert second.connections == 0
