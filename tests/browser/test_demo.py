"""What people see: from one person's click to the other's bell, in a real browser."""

from __future__ import annotations

import re

import aiohttp
from playwright.async_api import expect

from tests.browser.conftest import OpenDemo
from tests.servers import NotifierProcess


async def test_what_one_does_reaches_the_others_bell(open_demo: OpenDemo) -> None:
    """A like becomes a toast, an orange bell with a count, and a card."""
    demo = await open_demo()
    await demo.ada.does("Like")
    await expect(demo.grace.toasts).to_have_text(["Ada liked your post"])
    await expect(demo.grace.count).to_have_text("1")
    await expect(demo.grace.bell).to_have_class(re.compile("news"))
    await expect(demo.ada.count).to_be_empty()
    await demo.grace.bell.click()
    await expect(demo.grace.titles).to_have_text(["Ada liked your post"])


async def test_opening_the_bell_makes_seen_not_read(open_demo: OpenDemo) -> None:
    """Orange goes, the count stays, also after a reload."""
    demo = await open_demo()
    await demo.ada.does("Message")
    await demo.grace.bell.click()
    await expect(demo.grace.bell).not_to_have_class(re.compile("news"))
    await demo.page.reload()
    await demo.ready()
    await expect(demo.grace.count).to_have_text("1")
    await expect(demo.grace.bell).not_to_have_class(re.compile("news"))


async def test_another_browser_of_the_same_person_follows(open_demo: OpenDemo) -> None:
    """Reading and dismissing on one device is seen on the other; a toast closes there."""
    here = await open_demo("?user=grace")
    there = await open_demo("?user=grace")
    await here.publish("Message", to="Grace")
    await here.publish("Security alert", to="Grace")
    await expect(there.grace.toasts).to_have_text(["New sign-in from Lisbon", "Lunch at one?"])
    await here.grace.bell.click()
    await here.grace.card("Lunch").hover()
    await here.grace.card("Lunch").get_by_role("button", name="Mark as read").click()
    await expect(there.grace.count).to_have_text("1")
    await here.grace.card("Lisbon").hover()
    await here.grace.card("Lisbon").get_by_role("button", name="Dismiss").click()
    await expect(there.grace.count).to_be_empty()
    await expect(there.grace.toasts).to_have_count(0)
    await there.grace.bell.click()
    await expect(there.grace.titles).to_have_text(["Lunch at one?"])


async def test_what_was_missed_comes_in_order(open_demo: OpenDemo) -> None:
    """While the network is cut nothing arrives; afterwards everything does, once, in order."""
    demo = await open_demo()
    await demo.grace.cut()
    for deed in ("Like", "Comment", "Message"):
        await demo.ada.does(deed)
        await expect(demo.ada.pane.locator(".echo")).to_have_text("Grace was notified")
    await expect(demo.grace.count).to_be_empty()
    await demo.grace.reconnect()
    await demo.grace.online()
    await expect(demo.grace.count).to_have_text("3")
    await expect(demo.grace.toasts).to_have_count(3)
    await demo.grace.bell.click()
    newest_first = ["Ada sent you a message", "Ada commented on your post", "Ada liked your post"]
    await expect(demo.grace.titles).to_have_text(newest_first)


async def test_a_killed_server_costs_nothing(
    open_demo: OpenDemo, notifier: NotifierProcess
) -> None:
    """After a crash and a restart the page reconnects by itself and goes on where it was."""
    demo = await open_demo()
    await demo.ada.does("Like")
    await expect(demo.grace.count).to_have_text("1")
    await notifier.kill()
    await expect(demo.grace.bell).not_to_have_attribute("data-connection", "online")
    await notifier.start()
    await demo.ready()
    await demo.ada.does("Comment")
    await expect(demo.grace.count).to_have_text("2")


async def test_an_action_without_a_connection_is_taken_back(open_demo: OpenDemo) -> None:
    """It fails while its user looks on, and says so."""
    demo = await open_demo()
    await demo.ada.does("Message")
    await expect(demo.grace.count).to_have_text("1")
    await demo.grace.cut()
    await demo.grace.bell.click()
    await demo.grace.panel.get_by_role("button", name="Mark all as read").click()
    await expect(demo.grace.panel.get_by_text("Nothing was changed.")).to_be_visible()
    await expect(demo.grace.count).to_have_text("1")


async def test_critical_must_be_acknowledged(open_demo: OpenDemo) -> None:
    """The dialog holds the page, Escape does not close it, acknowledging reads it."""
    demo = await open_demo("?user=grace")
    await demo.publish("Information", to="Grace", priority="Critical")
    await expect(demo.grace.critical).to_be_visible()
    for _ in range(3):
        await demo.page.keyboard.press("Escape")
    await expect(demo.grace.critical).to_be_visible()
    await demo.grace.critical.get_by_role("button", name="Acknowledge").click()
    await expect(demo.grace.critical).to_be_hidden()
    await expect(demo.grace.count).to_be_empty()


async def test_roles_decide_who_sees_it(open_demo: OpenDemo) -> None:
    """A system alert is for admins: Ada gets it, Grace does not, and loses nothing else."""
    demo = await open_demo()
    await demo.publish("System alert")
    await demo.publish("Announcement")
    await expect(demo.ada.count).to_have_text("2")
    await expect(demo.grace.toasts).to_have_text(["Dark mode is here"])
    await expect(demo.grace.count).to_have_text("1")


async def test_a_burst_becomes_one_toast(open_demo: OpenDemo) -> None:
    """Twelve at once are one summary that opens the bell."""
    demo = await open_demo()
    await demo.publish("Burst of 12", to="Grace")
    await expect(demo.grace.toasts).to_have_text(["12 new notifications"])
    await demo.grace.toasts.click()
    await expect(demo.grace.cards).to_have_count(12)


async def test_clear_all_can_be_taken_back(open_demo: OpenDemo) -> None:
    """Undo brings everything back, here and on the server."""
    demo = await open_demo()
    await demo.ada.does("Like")
    await demo.ada.does("Message")
    await expect(demo.grace.count).to_have_text("2")
    await demo.grace.bell.click()
    await demo.grace.panel.get_by_role("button", name="Clear all").click()
    await expect(demo.grace.panel.get_by_text("all caught up")).to_be_visible()
    await demo.grace.panel.get_by_role("button", name="Undo").click()
    await expect(demo.grace.cards).to_have_count(2)
    await demo.page.reload()
    await demo.ready()
    await expect(demo.grace.count).to_have_text("2")


async def test_clear_all_is_carried_out_when_the_page_is_left(open_demo: OpenDemo) -> None:
    """Leaving is not undoing."""
    demo = await open_demo()
    await demo.ada.does("Like")
    await expect(demo.grace.count).to_have_text("1")
    await demo.grace.bell.click()
    await demo.grace.panel.get_by_role("button", name="Clear all").click()
    await demo.page.reload()
    await demo.ready()
    await expect(demo.grace.count).to_be_empty()


async def test_scrolling_loads_page_after_page(
    open_demo: OpenDemo, notifier: NotifierProcess
) -> None:
    """All of seventy notifications can be reached by scrolling, each once, in order."""
    await _publish(notifier, [f"Number {n}" for n in range(70)])
    demo = await open_demo("?user=grace")
    await demo.grace.bell.click()
    await expect(demo.grace.cards.first).to_be_visible()
    older = demo.grace.panel.locator(".older")
    while await older.is_visible():
        await demo.grace.scroller.evaluate("(element) => element.scrollTo(0, element.scrollHeight)")
    await demo.grace.scroller.evaluate("(element) => element.scrollTo(0, element.scrollHeight)")
    await expect(demo.grace.titles.last).to_have_text("Number 0")
    await expect(demo.grace.cards.last).to_have_attribute("aria-posinset", "70")
    titles = await demo.page.evaluate(
        "window.notifiers.grace.snapshot.items.map(({ title }) => title)"
    )
    assert titles == [f"Number {n}" for n in reversed(range(70))]


async def test_five_likes_are_one_card(open_demo: OpenDemo) -> None:
    """Who they are from is said in one sentence, on one card, counted once."""
    demo = await open_demo()
    await demo.ada.does("5 likes")
    await expect(demo.grace.count).to_have_text("1")
    await demo.grace.bell.click()
    await expect(demo.grace.titles).to_have_text([re.compile("and 4 others liked your post")])


async def test_what_is_scheduled_comes_later_or_never(open_demo: OpenDemo) -> None:
    """Until then it can be cancelled; what was not comes by itself."""
    demo = await open_demo()
    desk = demo.page.locator("#desk")
    await desk.get_by_role("radio", name="In a minute").check()
    await demo.publish("Order", to="Grace")
    await desk.get_by_role("button", name="Cancel").click()
    await expect(desk.locator(".note")).to_contain_text("cancelled")
    await desk.get_by_role("radio", name="In 10 s").check()
    await demo.publish("Message", to="Grace")
    await expect(desk.locator(".scheduled li")).to_have_count(1)
    await expect(demo.grace.count).to_be_empty()
    await expect(demo.grace.toasts).to_have_text(["Lunch at one?"])
    await expect(demo.grace.count).to_have_text("1")


async def test_why_is_answered(open_demo: OpenDemo) -> None:
    """The server says, rule by rule, why it was shown and why not as a toast."""
    demo = await open_demo()
    mute = demo.grace.pane.get_by_role("button", name="Mute for an hour")
    await mute.click()
    await expect(mute).to_have_attribute("aria-pressed", "true")
    await demo.publish("Message", to="Grace")
    await expect(demo.grace.count).to_have_text("1")
    await demo.page.get_by_role("button", name="Why Grace?").click()
    answer = demo.page.locator(".answer")
    await expect(answer).to_contain_text("Grace sees it")
    await expect(answer.locator("li.no", has_text="Toast")).to_be_visible()
    await expect(answer.locator("li.yes", has_text="Bell")).to_be_visible()


async def test_a_script_tag_is_enough(open_demo: OpenDemo) -> None:
    """The single-file build puts everything under the global ``Notifier``."""
    demo = await open_demo()
    await demo.page.route(
        "**/plain.html",
        lambda route: route.fulfill(
            content_type="text/html",
            body='<script src="/client/notifier.min.js"></script><notifier-bell></notifier-bell>',
        ),
    )
    await demo.page.goto(demo.page.url + "plain.html")
    await demo.page.evaluate(
        """async () => {
          const { token } = await (await fetch("/demo/session?user=grace")).json();
          document.querySelector("notifier-bell").notifier = Notifier.createNotifier({ token });
        }"""
    )
    await expect(demo.page.locator(".bell")).to_have_attribute("data-connection", "online")


async def _publish(notifier: NotifierProcess, titles: list[str]) -> None:
    async with aiohttp.ClientSession(notifier.url) as session:
        async with session.get("/demo/session", params={"user": "ada"}) as answer:
            token = (await answer.json())["token"]
        for title in titles:
            async with session.post(
                "/v1/notifications",
                json={"to": "user:grace", "title": title},
                headers={"Authorization": f"Bearer {token}"},
            ) as answer:
                assert answer.status == 201, await answer.text()
