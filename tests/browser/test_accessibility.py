"""For everyone: the keyboard is enough, screen readers are told, small screens are enough.

What axe says of every state is in ``test_look``.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenDemo


async def spoken(page: Page) -> dict[str, list[str]]:
    """The live regions of the accessibility tree with what they say, by politeness."""
    devtools = await page.context.new_cdp_session(page)
    nodes = (await devtools.send("Accessibility.getFullAXTree"))["nodes"]
    by_id = {node["nodeId"]: node for node in nodes}

    def text(node: dict[str, Any]) -> str:
        own = node.get("name", {}).get("value", "") if node["role"]["value"] == "StaticText" else ""
        return own + "".join(text(by_id[child]) for child in node["childIds"] if child in by_id)

    regions: dict[str, list[str]] = {"polite": [], "assertive": []}
    for node in nodes:
        live = [p["value"]["value"] for p in node.get("properties", []) if p["name"] == "live"]
        if live and node["role"]["value"] in ("status", "alert"):
            regions[live[0]].append(text(node))
    return regions


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


async def test_the_keyboard_reaches_every_preference(open_demo: OpenDemo) -> None:
    """From the bell into the preferences, through the table with the arrows, changed with Space,
    back with Escape, each time to where one came from."""
    demo = await open_demo("?user=grace")
    keyboard = demo.page.keyboard
    await demo.grace.bell.focus()
    await keyboard.press("Enter")
    await expect(demo.grace.panel).to_be_focused()
    await keyboard.press("Shift+Tab")
    await expect(demo.grace.bell).to_be_focused()
    for name in ("Mark all as read", "Clear all", "Preferences"):
        await keyboard.press("Tab")
        await expect(demo.grace.panel.get_by_role("button", name=name)).to_be_focused()
    await keyboard.press("Enter")
    await expect(demo.grace.pane.get_by_role("button", name="Back")).to_be_focused()
    await expect(demo.grace.preferences.locator("table")).to_be_visible()
    for name in ("1 hour", "Until tomorrow", "1 week"):
        await keyboard.press("Tab")
        await expect(demo.grace.preferences.get_by_role("button", name=name)).to_be_focused()
    await keyboard.press("Tab")
    await expect(demo.grace.preferences.get_by_label("Information: Delivery")).to_be_focused()
    await keyboard.press("Tab")
    await expect(demo.grace.switch("Information", "Bell")).to_be_focused()
    await keyboard.press("ArrowDown")
    await keyboard.press("ArrowRight")
    await expect(demo.grace.switch("Messages", "Toast")).to_be_focused()
    await keyboard.press("Space")
    await expect(demo.grace.switch("Messages", "Toast")).not_to_be_checked()
    await expect(demo.grace.status).to_have_text("Saved")
    await expect(demo.grace.switch("Messages", "Toast")).to_be_focused()
    await keyboard.press("Escape")
    await expect(demo.grace.pane.locator(".tool").last).to_be_focused()
    await keyboard.press("Escape")
    await expect(demo.grace.bell).to_be_focused()


async def test_the_focus_survives_what_it_does(open_demo: OpenDemo) -> None:
    """A button that has nothing left to do, or goes away, does not take the focus with it."""
    demo = await open_demo("?user=grace")
    await demo.publish("Message", to="Grace")
    await expect(demo.grace.count).to_have_text("1")
    await demo.grace.bell.click()
    panel = demo.grace.panel
    await panel.get_by_role("button", name="Mark all as read").click()
    await expect(panel.get_by_role("button", name="Mark all as read")).to_be_disabled()
    await expect(panel.get_by_role("button", name="Mark all as read")).to_be_focused()
    await panel.get_by_role("button", name="Clear all").click()
    await panel.get_by_role("button", name="Undo").click()
    await expect(demo.grace.panel).to_be_focused()
    await demo.page.keyboard.press("Escape")
    await expect(demo.grace.panel).to_be_hidden()


async def test_screen_readers_are_told(open_demo: OpenDemo) -> None:
    """The live regions are in the accessibility tree before there is anything to say; a toast is
    said politely, an urgent one at once."""
    demo = await open_demo("?user=grace")
    before = await spoken(demo.page)
    assert "" in before["polite"]
    assert before["assertive"] == [""]
    await demo.publish("Message", to="Grace")
    await expect(demo.grace.toasts).to_have_count(1)
    told = "Lunch at one?. The place by the river has a table outside."
    assert told in (await spoken(demo.page))["polite"]
    await demo.publish("Security alert", to="Grace")
    await expect(demo.grace.toasts).to_have_count(2)
    [urgent] = (await spoken(demo.page))["assertive"]
    assert urgent.startswith("Important. New sign-in from Lisbon.")


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
    repeated = await toast.evaluate(
        "(element) => getComputedStyle(element).animationIterationCount"
    )
    assert repeated == "1"
