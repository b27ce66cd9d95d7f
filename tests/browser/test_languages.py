"""Six languages, one of them from right to left; only the one that is spoken is loaded."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenDemo
from tests.browser.demo import Demo

HEADINGS = {
    "en": ("Notifications", "Preferences"),
    "de": ("Benachrichtigungen", "Einstellungen"),
    "es": ("Notificaciones", "Preferencias"),
    "fr": ("Notifications", "Préférences"),
    "ja": ("通知", "設定"),
    "ar": ("الإشعارات", "التفضيلات"),
}


async def loaded(page: Page) -> list[str]:
    """The languages whose files the page has loaded."""
    names = await page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    return sorted({found[1] for name in names if (found := re.search(r"locales/(\w+)", name))})


@pytest.mark.parametrize("language", HEADINGS)
async def test_the_language_of_the_page_is_spoken(open_demo: OpenDemo, language: str) -> None:
    """Bell, panel and preferences speak it; English needs no file, the others one each."""
    demo = await open_demo(f"?user=grace&lang={language}")
    heading, settings = HEADINGS[language]
    await demo.grace.opens_preferences()
    await expect(demo.grace.pane.locator(".panel h2")).to_have_text(settings)
    await demo.page.keyboard.press("Escape")
    await expect(demo.grace.pane.locator(".panel h2")).to_have_text(heading)
    assert await loaded(demo.page) == ([] if language == "en" else [language])


async def test_an_element_may_speak_another_language(open_demo: OpenDemo) -> None:
    """Its own ``lang`` goes before the page's, both may change at any time, a region of a language
    and a language that is not known are no obstacle, and messages can be given."""
    demo = await open_demo("?user=grace")
    name = expect(demo.grace.bell)
    await name.to_have_accessible_name("Notifications")
    await _set(demo, "document.documentElement.lang = 'de-AT'")
    await name.to_have_accessible_name("Benachrichtigungen")
    await _set(demo, "bell.lang = 'ja'")
    await name.to_have_accessible_name("通知")
    await _set(demo, "bell.lang = 'tlh'")
    await name.to_have_accessible_name("Notifications")
    await _set(demo, "bell.messages = { ...bell.messages, bell: 'QIn' }")
    await name.to_have_accessible_name("QIn")
    await demo.publish("Message", to="Grace")
    await expect(demo.grace.count).to_have_text("1")


async def test_right_to_left_is_mirrored(open_demo: OpenDemo) -> None:
    """The bell stands at the left and its panel opens to the right; what is counted is counted in
    the forms of the language."""
    demo = await open_demo("?user=grace&lang=ar")
    await demo.publish("Burst of 12", to="Grace")
    await expect(demo.grace.toasts).to_have_text(["12 إشعارًا جديدًا"])
    await demo.grace.toasts.click()
    bell, panel = (
        await demo.grace.bell.bounding_box(),
        await demo.grace.pane.locator(".panel").bounding_box(),
    )
    assert bell is not None
    assert panel is not None
    assert panel["x"] + panel["width"] / 2 > bell["x"]
    picture = await demo.grace.cards.first.locator(".picture").bounding_box()
    assert picture is not None
    assert picture["x"] > panel["x"] + panel["width"] / 2


async def _set(demo: Demo, statement: str) -> None:
    await demo.page.evaluate(f"const bell = document.querySelector('notifier-bell'); {statement}")
