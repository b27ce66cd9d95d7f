"""People decide what reaches them: at once, on all their devices, and it holds."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenDemo


async def test_a_switch_holds_here_and_there(open_demo: OpenDemo) -> None:
    """Switched off on one device, it is off on the other while its panel is open, after a reload,
    and no toast comes any more."""
    here, there = [await open_demo("?user=grace") for _ in range(2)]
    await here.grace.opens_preferences()
    await there.grace.opens_preferences()
    await there.grace.switch("Messages", "Push").focus()
    await here.grace.switch("Messages", "Toast").click()
    await expect(here.grace.status).to_have_text("Saved")
    await expect(there.grace.switch("Messages", "Toast")).not_to_be_checked()
    await expect(there.grace.switch("Messages", "Push")).to_be_focused()
    await here.publish("Message", to="Grace")
    await expect(there.grace.count).to_have_text("1")
    await expect(there.grace.toasts).to_have_count(0)
    await here.page.reload()
    await here.ready()
    await here.grace.opens_preferences()
    await expect(here.grace.switch("Messages", "Toast")).not_to_be_checked()


async def test_what_is_mandatory_says_so(open_demo: OpenDemo) -> None:
    """Security alerts cannot be switched off, and what a type never does is no switch."""
    demo = await open_demo("?user=grace")
    await demo.grace.opens_preferences()
    row = demo.grace.preferences.locator("tr", has_text="Security alerts")
    await expect(row.get_by_text("Always on")).to_be_visible()
    await expect(row.get_by_role("combobox")).to_have_count(0)
    for switch in await row.get_by_role("checkbox").all():
        await expect(switch).to_be_checked()
        await expect(switch).to_be_disabled()
    likes = demo.grace.preferences.locator("tr", has_text="Likes")
    await expect(likes.get_by_role("checkbox")).to_have_count(2)


async def test_a_change_that_cannot_be_saved_is_taken_back(open_demo: OpenDemo) -> None:
    """It says so, the switch goes back, and it can be tried again."""
    demo = await open_demo("?user=grace")
    await demo.grace.opens_preferences()
    await demo.page.evaluate("window.notifiers.grace.disconnect()")
    switch = demo.grace.switch("Likes", "Toast")
    await switch.click()
    await expect(demo.grace.status).to_contain_text("taken back")
    await expect(switch).to_be_checked()
    await demo.page.evaluate("window.notifiers.grace.connect()")
    await demo.grace.online()
    await demo.grace.status.get_by_role("button", name="Try again").click()
    await expect(demo.grace.status).to_have_text("Saved")
    await expect(switch).not_to_be_checked()


async def test_saved_hides_nothing_that_is_not_read(open_demo: OpenDemo) -> None:
    """What was said, or failed, while another change was on its way stands until the next
    change."""
    demo = await open_demo("?user=grace")
    await demo.grace.opens_preferences()
    await demo.page.evaluate(
        """() => {
          const { grace } = window.notifiers;
          window.answers = [];
          grace.setPreferences = () =>
            new Promise((saved, failed) => answers.push({ saved, failed }));
        }"""
    )
    answer = "(outcome) => answers.shift()[outcome]({ code: 'store_unavailable' })"
    for name in ("Toast", "Push"):
        await demo.grace.switch("Messages", name).click()
    await demo.page.evaluate(answer, "failed")
    await expect(demo.grace.status).to_contain_text("taken back")
    await demo.page.evaluate(answer, "saved")
    await expect(demo.grace.status).to_contain_text("taken back")
    await demo.grace.switch("Messages", "Toast").click()
    await expect(demo.grace.status).to_have_text("Saving…")
    await demo.page.evaluate(answer, "saved")
    await expect(demo.grace.status).to_have_text("Saved")


async def test_a_pause_keeps_the_bell(open_demo: OpenDemo) -> None:
    """While everything is paused only the bell counts, until it is resumed."""
    demo = await open_demo("?user=grace")
    await demo.grace.opens_preferences()
    await demo.grace.preferences.get_by_role("button", name="1 hour").click()
    resume = demo.grace.preferences.get_by_role("button", name="Resume")
    await expect(resume).to_be_focused()
    await expect(demo.grace.status).to_have_text("Saved")
    await demo.publish("Order", to="Grace")
    await expect(demo.grace.count).to_have_text("1")
    await expect(demo.grace.toasts).to_have_count(0)
    await demo.grace.opens_preferences()
    await resume.click()
    await expect(demo.grace.status).to_have_text("Saved")
    await demo.publish("Order", to="Grace")
    await expect(demo.grace.toasts).to_have_text(["Your order is on its way"])


async def test_quiet_hours_are_made_changed_and_removed(open_demo: OpenDemo) -> None:
    """A window in the zone of this device, its hours and days changed, one day always left."""
    demo = await open_demo("?user=grace", timezone_id="Europe/Lisbon")
    await demo.grace.opens_preferences()
    preferences = demo.grace.preferences
    await preferences.get_by_role("button", name="Add quiet hours").click()
    await expect(preferences.get_by_label("Time zone")).to_have_value("Europe/Lisbon")
    await expect(preferences.get_by_text("until the next morning")).to_be_visible()
    await preferences.get_by_label("From").fill("13:00")
    await preferences.get_by_label("To", exact=True).fill("14:30")
    await expect(preferences.get_by_text("until the next morning")).to_have_count(0)
    for day in ("Saturday", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday"):
        await preferences.get_by_role("checkbox", name=day).uncheck()
    await preferences.get_by_role("checkbox", name="Friday").click()
    await expect(preferences.get_by_role("checkbox", name="Friday")).to_be_checked()
    await expect(demo.grace.status).to_have_text("Choose at least one day")
    await demo.page.wait_for_function(
        """() => {
          const [window_, ...more] = window.notifiers.grace.snapshot.preferences.quiet_hours;
          return !more.length && JSON.stringify([window_.days, window_.from, window_.to]) ===
            '[["fri"],"13:00","14:30"]';
        }"""
    )
    await preferences.get_by_role("button", name="Remove quiet hours").click()
    await expect(preferences.get_by_role("button", name="Add quiet hours")).to_be_focused()
    await expect(preferences.locator(".window")).to_have_count(0)


async def test_digests_sound_and_minimum_are_chosen(open_demo: OpenDemo) -> None:
    """Each of them reaches the server; the time of a daily digest is asked for when there is
    one."""
    demo = await open_demo("?user=grace")
    await demo.grace.opens_preferences()
    preferences = demo.grace.preferences
    await expect(preferences.locator(".digest")).to_be_hidden()
    await preferences.get_by_label("Comments: Delivery").select_option("daily")
    await preferences.locator(".digest input").fill("18:15")
    await preferences.get_by_label("Only what matters: Toast").select_option("high")
    await preferences.get_by_role("switch", name="Sound").click()
    await expect(demo.grace.status).to_have_text("Saved")
    await demo.page.reload()
    await demo.ready()
    chosen = await demo.page.evaluate("window.notifiers.grace.snapshot.preferences")
    assert chosen["digests"] == {"comment": "daily"}
    assert (chosen["digest_at"], chosen["minimum"]) == ("18:15", {"toast": "high"})
    assert chosen["sound"] is False


@pytest.mark.parametrize("query", ["?user=grace", "?user=grace&lang=ar"])
async def test_the_smallest_screen_shows_the_whole_table(open_demo: OpenDemo, query: str) -> None:
    """At 320 pixels each switch is wide enough for a finger, and nothing has to be scrolled
    sideways."""
    size = {"width": 320, "height": 640}
    demo = await open_demo(query, viewport=size, has_touch=True, is_mobile=True)
    await demo.grace.opens_preferences()
    body = demo.grace.preferences.locator(".body")
    assert await body.evaluate("(element) => element.scrollWidth <= element.clientWidth")
    for switch in await demo.grace.preferences.locator("td input").all():
        box = await switch.bounding_box()
        assert box is not None
        assert box["width"] >= 24
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
