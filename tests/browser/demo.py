"""What a person sees and does on the demo page."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.async_api import Locator, Page, expect


class Window:
    """One person's window in the demo."""

    def __init__(self, page: Page, user: str) -> None:
        self.pane = page.locator(f".pane.{user}")
        self.bell = self.pane.locator(".bell")
        self.link = self.pane.locator(".link")
        self.count = self.pane.locator(".count")
        self.panel = self.pane.get_by_role("dialog", name="Notifications")
        self.cards = self.pane.locator(".card:not([data-leaving])")
        self.titles = self.cards.locator(".title")
        self.toasts = self.pane.locator(".toast:not([data-leaving]) .title")
        self.critical = self.pane.locator("dialog")
        self.scroller = self.pane.locator(".scroller")
        self.preferences = self.pane.locator("notifier-preferences")
        self.status = self.preferences.locator(".status")

    async def opens_preferences(self) -> None:
        """Open the bell, and from there the preferences."""
        await self.bell.click()
        await self.pane.locator(".tool").last.click()
        await expect(self.preferences.locator("table")).to_be_visible()

    def switch(self, type: str, channel: str) -> Locator:
        """One switch of the preferences' table."""
        return self.preferences.get_by_role("checkbox", name=f"{type}: {channel}", exact=True)

    async def does(self, deed: str) -> None:
        """Press a button under the other person's post."""
        await self.pane.locator(".deeds").get_by_role("button", name=deed, exact=True).click()

    async def cut(self) -> None:
        await self.pane.get_by_role("button", name="Cut network").click()

    async def reconnect(self) -> None:
        await self.pane.get_by_role("button", name="Reconnect").click()

    async def online(self) -> None:
        await expect(self.bell).to_have_attribute("data-connection", "online")

    def card(self, title: str) -> Locator:
        return self.cards.filter(has_text=title)


class Demo:
    """The demo page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.ada = Window(page, "ada")
        self.grace = Window(page, "grace")

    async def open(self, url: str) -> None:
        """Open the page and wait until everybody on it is online and has their inbox."""
        await self.page.goto(url)
        await self.ready()

    async def ready(self) -> None:
        bells = self.page.locator(".bell")
        await expect(bells.first).to_be_visible()
        for bell in await bells.all():
            await expect(bell).to_have_attribute("data-connection", "online")
        for user in await self.users():
            await expect_loaded(self.page, user)

    async def users(self) -> Sequence[str]:
        users: list[str] = await self.page.evaluate("() => Object.keys(window.notifiers)")
        return users

    async def publish(
        self, sample: str, *, to: str = "Everyone", priority: str = "Default"
    ) -> None:
        """Publish one of the application's samples."""
        desk = self.page.locator("#desk")
        await desk.get_by_role("radio", name=to, exact=True).check()
        await desk.get_by_role("radio", name=priority, exact=True).check()
        await desk.get_by_role("button", name=sample, exact=True).click()

    async def choose_transport(self, name: str) -> None:
        """Let everybody on the page use this transport, or ``Automatic``."""
        await self.page.get_by_role("radio", name=name, exact=True).check()


async def expect_loaded(page: Page, user: str) -> None:
    """Wait until the first page of this user's feed is there."""
    await page.evaluate(
        """(user) => new Promise((resolve) => {
          const notifier = window.notifiers[user];
          const check = () => notifier.snapshot.loaded && resolve();
          notifier.subscribe(check);
          check();
        })""",
        user,
    )
