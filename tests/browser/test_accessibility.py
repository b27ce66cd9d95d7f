"""For everyone: axe finds nothing, the keyboard is enough, small screens are enough."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenDemo

_AXE = Path(__file__).parents[2] / "static/node_modules/axe-core/axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def problems(page: Page) -> list[str]:
    """What axe finds on the page as it is now: rule and place."""
    # Colours are judged as they will be, not half way through an animation.
    await page.evaluate(
        """() => {
          const roots = [document, ...[...document.querySelectorAll("*")].map((e) => e.shadowRoot)];
          const running = roots.flatMap((root) => root?.getAnimations?.() ?? []);
          for (const animation of running) if (Number.isFinite(
            animation.effect.getComputedTiming().endTime)) animation.finish();
        }"""
    )
    await page.evaluate(_AXE.read_text())
    found = await page.evaluate(
        "(rules) => axe.run({ runOnly: rules }).then((result) => result.violations)", _RULES
    )
    return [f"{rule['id']}: {node['target']}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(open_demo: OpenDemo, scheme: str) -> None:
    """Idle, with toasts of every priority, with the panel, with the dialog; light and dark."""
    demo = await open_demo(color_scheme=scheme)
    assert await problems(demo.page) == []
    for sample in ("Like", "Friend request", "Security alert"):
        await demo.publish(sample, to="Grace")
    await expect(demo.grace.toasts).to_have_count(3)
    assert await problems(demo.page) == []
    await demo.grace.bell.click()
    liked = demo.grace.card("liked")
    await liked.hover()
    await liked.get_by_role("button", name="Mark as read").click()
    await expect(liked.get_by_role("button", name="Mark as unread")).to_be_attached()
    assert await problems(demo.page) == []
    await demo.grace.panel.get_by_role("button", name="Clear all").click()
    await expect(demo.grace.panel.get_by_role("button", name="Undo")).to_be_visible()
    assert await problems(demo.page) == []
    await demo.page.keyboard.press("Escape")
    await demo.publish("Announcement", to="Grace", priority="Critical")
    await expect(demo.grace.critical).to_be_visible()
    assert await problems(demo.page) == []


async def test_the_keyboard_is_enough(open_demo: OpenDemo) -> None:
    """Open, walk, read, dismiss and close without a pointer; the focus is never lost."""
    demo = await open_demo("?user=grace")
    for sample in ("Message", "Order", "Announcement"):
        await demo.publish(sample, to="Grace")
    await expect(demo.grace.count).to_have_text("3")
    keyboard = demo.page.keyboard
    await demo.grace.bell.focus()
    await keyboard.press("Enter")
    await expect(demo.grace.panel).to_be_focused()
    await keyboard.press("ArrowDown")
    await expect(demo.grace.titles.first).to_be_focused()
    await keyboard.press("ArrowDown")
    await keyboard.press("Enter")
    await expect(demo.grace.count).to_have_text("2")
    await expect(demo.grace.card("Your order").locator(".title")).to_be_focused()
    await keyboard.press("Delete")
    await expect(demo.grace.cards).to_have_count(2)
    await expect(demo.grace.card("Lunch").locator(".title")).to_be_focused()
    await keyboard.press("Escape")
    await expect(demo.grace.panel).to_be_hidden()
    await expect(demo.grace.bell).to_be_focused()


async def test_alt_t_moves_to_the_toasts(open_demo: OpenDemo) -> None:
    """A toast never takes the focus; the hotkey gives it, Escape closes the toast."""
    demo = await open_demo("?user=grace")
    await demo.publish("Security alert", to="Grace")
    await expect(demo.grace.toasts).to_have_count(1)
    await expect(demo.grace.toasts).not_to_be_focused()
    await demo.page.keyboard.press("Alt+t")
    await expect(demo.grace.toasts).to_be_focused()
    await demo.page.keyboard.press("Escape")
    await expect(demo.grace.toasts).to_have_count(0)
    await expect(demo.grace.count).to_have_text("1")


@pytest.mark.parametrize("width", [320, 390])
async def test_a_phone_is_enough(open_demo: OpenDemo, width: int) -> None:
    """Nothing is cut off or has to be scrolled sideways, and cards have their buttons in reach."""
    size = {"width": width, "height": 640}
    demo = await open_demo("?user=grace", viewport=size, has_touch=True, is_mobile=True)
    await demo.publish("Security alert", to="Grace")
    await expect(demo.grace.toasts).to_have_count(1)
    await demo.grace.bell.tap()
    await expect(demo.grace.card("Lisbon").get_by_role("button", name="Dismiss")).to_be_visible()
    box = await demo.grace.panel.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert await demo.page.evaluate("document.documentElement.scrollWidth") <= width


async def test_a_bell_far_down_has_a_panel_all_the_same(open_demo: OpenDemo) -> None:
    """The whole demo fits a small phone, and the lower bell's panel has room for cards."""
    size = {"width": 320, "height": 640}
    demo = await open_demo(viewport=size, has_touch=True, is_mobile=True)
    assert await demo.page.evaluate("document.documentElement.scrollWidth") <= 320
    for deed in ("Like", "Comment", "Message"):
        await demo.ada.does(deed)
    await expect(demo.grace.count).to_have_text("3")
    await demo.page.evaluate("window.scrollTo(0, 0)")
    await demo.grace.bell.tap()
    await expect(demo.grace.titles.nth(2)).to_be_in_viewport(ratio=1)


async def test_reduced_motion_is_respected(open_demo: OpenDemo) -> None:
    """Who asked for less motion waits for no animation."""
    demo = await open_demo("?user=grace", reduced_motion="reduce")
    await demo.publish("Security alert", to="Grace")
    toast = demo.grace.pane.locator(".toast")
    await expect(toast).to_have_count(1)
    duration = await toast.evaluate("(element) => getComputedStyle(element).animationDuration")
    assert duration in ("1ms", "0.001s")
