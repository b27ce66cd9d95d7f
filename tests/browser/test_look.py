"""Every state of what people see, in light and dark: looked at, and judged by axe.

On a phone and on a desk; with ``NOTIFIER_LOOKS=all`` (``make look``) in every size. The pictures
are kept in ``var/screenshots``, to be looked at and not to be compared.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import finish_animations, problems
from tests.browser.conftest import OpenDemo
from tests.browser.demo import Demo

_PICTURES = Path(__file__).parents[2] / "var" / "screenshots"

_PHONE = {"has_touch": True, "is_mobile": True}

LOOKS: dict[str, tuple[str, dict[str, Any]]] = {
    "320": ("", {"viewport": {"width": 320, "height": 640}, **_PHONE}),
    "390": ("", {"viewport": {"width": 390, "height": 844}, **_PHONE}),
    "768-still": ("", {"viewport": {"width": 768, "height": 1024}, "reduced_motion": "reduce"}),
    "1280": ("", {"viewport": {"width": 1280, "height": 800}}),
    "320-rtl": ("&lang=ar", {"viewport": {"width": 320, "height": 640}, "has_touch": True}),
    "1280-forced": ("", {"viewport": {"width": 1280, "height": 800}, "forced_colors": "active"}),
}

USUAL = ("390", "1280")

Look = Callable[[str], Awaitable[None]]


@pytest.mark.parametrize("name", LOOKS if os.environ.get("NOTIFIER_LOOKS") == "all" else USUAL)
async def test_every_state(open_demo: OpenDemo, name: str) -> None:
    """Bell, toasts, panel, preferences and dialog fit the window, and axe finds nothing."""
    query, options = LOOKS[name]
    demo = await open_demo(f"?user=grace{query}", **options)
    look = _looker(demo.page, name)
    await _empty(demo, look)
    await _toasts(demo, look)
    await _cards(demo, look)
    await _preferences(demo, look)
    await _offline(demo, look)
    await _dialog(demo, look)


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ({"status": 503, "json": {"code": "store_unavailable"}}, "failed", "be loaded"),
        ({"status": 401, "json": {"code": "unauthenticated"}}, "signed-out", "session has ended"),
    ],
)
async def test_what_went_wrong_is_said(
    open_demo: OpenDemo, answer: dict[str, Any], state: str, said: str
) -> None:
    """A feed that cannot be loaded, and a session that has ended, each have a picture and words."""
    demo = await open_demo("?user=grace", refusals=(answer["status"],))
    pattern = re.compile("/v1/feed/poll" if state == "signed-out" else r"/v1/feed\?")
    await demo.page.route(pattern, lambda route: route.fulfill(**answer))
    await demo.choose_transport("Polling")
    await demo.grace.bell.click()
    await demo.page.evaluate("window.notifiers.grace.reload().catch(() => undefined)")
    await expect(demo.grace.pane.locator(".state")).to_contain_text(said)
    await _looker(demo.page, "390")(state)


async def test_waiting_is_not_blank(open_demo: OpenDemo) -> None:
    """Until the first page is there, the panel shows what it will look like."""
    demo = await open_demo("?user=grace")
    await demo.page.route_web_socket(re.compile("socket.io"), lambda _: None)
    await demo.page.reload()
    await demo.grace.bell.click()
    await expect(demo.grace.pane.locator(".bone")).to_have_count(4)
    await expect(demo.grace.pane.locator(".connection")).to_have_text("Connecting…")
    await _looker(demo.page, "390")("loading")


async def _empty(demo: Demo, look: Look) -> None:
    await look("bell")
    await demo.grace.bell.click()
    await expect(demo.grace.pane.locator(".message")).to_be_visible()
    await look("empty")
    await demo.page.keyboard.press("Escape")


async def _toasts(demo: Demo, look: Look) -> None:
    for sample in ("Offer", "Friend request", "Security alert"):
        await demo.publish(sample, to="Grace")
    await expect(demo.grace.toasts).to_have_count(3)
    await demo.page.evaluate("window.scrollTo(0, 0)")
    await look("toasts")
    await demo.publish("Burst of 12", to="Grace")
    await expect(demo.grace.toasts).to_have_count(1)
    await look("summary")


async def _cards(demo: Demo, look: Look) -> None:
    for sample in ("Announcement", "Like", "System alert", "Security alert"):
        await demo.publish(sample, to="Grace")
    await demo.grace.bell.click()
    await expect(demo.grace.cards.first).to_be_visible()
    title = demo.grace.titles.first
    await title.focus()
    await look("cards")
    tools = demo.grace.pane.locator(".tool:not(.back)")
    await tools.nth(0).click()
    await expect(demo.grace.count).to_be_empty()
    await look("read")
    await tools.nth(1).click()
    await expect(demo.grace.pane.locator(".undo")).to_be_visible()
    await look("cleared")
    await demo.grace.pane.locator(".undo").click()
    await demo.page.keyboard.press("Escape")


async def _preferences(demo: Demo, look: Look) -> None:
    await demo.page.evaluate(
        """() => window.notifiers.grace.setPreferences({
          types: { like: { bell: false } },
          digests: { comment: "daily" },
          muted_until: new Date(Date.now() + 3_600_000).toISOString(),
          quiet_hours: [{ days: ["mon", "tue", "wed", "thu", "fri"], from: "22:00", to: "07:00" }],
        })"""
    )
    await demo.grace.opens_preferences()
    body = demo.grace.preferences.locator(".body")
    await look("preferences")
    await body.evaluate("(element) => element.scrollTo(0, element.scrollHeight / 2)")
    await look("preferences-middle")
    await body.evaluate("(element) => element.scrollTo(0, element.scrollHeight)")
    await look("preferences-end")
    await demo.page.evaluate(
        "window.notifiers.grace.setPreferences({ muted_until: null, quiet_hours: [] })"
    )
    await demo.page.keyboard.press("Escape")
    await demo.page.keyboard.press("Escape")


async def _offline(demo: Demo, look: Look) -> None:
    await demo.grace.cut()
    await demo.grace.bell.click()
    await expect(demo.grace.pane.locator(".compact .message")).to_be_visible()
    await look("offline")
    await demo.page.keyboard.press("Escape")
    await demo.grace.reconnect()
    await demo.grace.online()


async def _dialog(demo: Demo, look: Look) -> None:
    await demo.publish("Announcement", to="Grace", priority="Critical")
    await expect(demo.grace.critical).to_be_visible()
    await look("dialog")


def _looker(page: Page, name: str) -> Look:
    """Looks at the page in light and in dark: takes a picture, asks axe, and for room sideways."""

    async def look(state: str) -> None:
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await finish_animations(page)
            await page.screenshot(path=_PICTURES / f"{state}-{name}-{scheme}.png")
            assert await problems(page) == [], (state, scheme)
        width = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert await page.evaluate(width), state

    return look
