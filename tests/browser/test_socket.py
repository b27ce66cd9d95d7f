"""A notifier over a Socket.IO socket that the application has."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, Route

from tests.browser.conftest import OpenDemo
from tests.browser.publishing import publishing_at
from tests.servers import NotifierProcess

LIBRARY = (
    Path(__file__).parents[2] / "static/node_modules/socket.io-client/dist/socket.io.esm.min.js"
)

PRELUDE = """
  const { io, Manager } = await import("/client/socket.io.mjs");
  const { createNotifier } = await import("/client/notifier.mjs");
  const fetchToken = async () => (await (await fetch("/demo/session?user=grace")).json()).token;
  const until = (notifier, test) => new Promise((resolve) => {
    const check = () => test(notifier.snapshot) && resolve();
    notifier.subscribe(check);
    check();
  });
  const told = [];
  const follow = async (notifier) => {
    notifier.on("notification", ({ item }) => told.push(item.title));
    await until(notifier, ({ connection, loaded }) => connection === "online" && loaded);
    window.mine = { notifier, told };
  };
  const token = await fetchToken();
"""

GIVEN = {
    "socket": 'createNotifier({ socket: io("/notifications", { auth: { token } }), tabs: false })',
    "socket whose auth is a function": """createNotifier({
      socket: io("/notifications", { auth: (present) => present({ token }), autoConnect: false }),
    })""",
    "manager": "createNotifier({ socket: new Manager(location.origin), getToken: fetchToken })",
}


async def prepared(open_demo: OpenDemo) -> Page:
    """A page of the server that can load Socket.IO's own client; its demo user is another one."""
    demo = await open_demo("?user=ada")

    async def serve(route: Route) -> None:
        await route.fulfill(path=LIBRARY, content_type="text/javascript")

    await demo.page.route("**/client/socket.io.mjs", serve)
    return demo.page


@pytest.mark.parametrize("given", GIVEN)
async def test_a_socket_of_the_application_carries_the_notifier(
    open_demo: OpenDemo, notifier: NotifierProcess, given: str
) -> None:
    """Connected already or not, or made from a manager: notifications come, actions are carried
    out, and after a cut nothing is missing and nothing comes twice."""
    page = await prepared(open_demo)
    await page.evaluate(f"async () => {{ {PRELUDE} await follow({GIVEN[given]}); }}")
    async with publishing_at(notifier.url) as publisher:
        await publisher.publish("One")
        await page.wait_for_function("() => window.mine.told.length === 1")
        await page.evaluate("() => window.mine.notifier.markAllRead()")
        assert await page.evaluate("() => window.mine.notifier.snapshot.unread") == 0
        await page.evaluate("() => window.mine.notifier.disconnect()")
        await publisher.publish("Two")
        await publisher.publish("Three")
        await page.evaluate("() => window.mine.notifier.connect()")
        await page.wait_for_function("() => window.mine.told.length === 3")
    assert await page.evaluate("() => window.mine.told") == ["One", "Two", "Three"]
    assert await page.evaluate("() => window.mine.notifier.snapshot.unread") == 2


async def test_a_socket_that_the_library_reconnects_goes_on(
    open_demo: OpenDemo, notifier: NotifierProcess
) -> None:
    """The application's own reconnection and the notifier's do not get in each other's way."""
    page = await prepared(open_demo)
    await page.evaluate(
        f"""async () => {{
          {PRELUDE}
          window.socket = io("/notifications", {{ auth: {{ token }}, reconnectionDelay: 50 }});
          await follow(createNotifier({{ socket: window.socket, tabs: false }}));
        }}"""
    )
    async with publishing_at(notifier.url) as publisher:
        for number in range(3):
            await page.evaluate("() => window.socket.io.engine.close()")
            await publisher.publish(f"Number {number}")
            await page.wait_for_function(
                "(n) => window.mine.told.length === n"
                " && window.mine.notifier.snapshot.connection === 'online'",
                arg=number + 1,
            )
    assert await page.evaluate("() => window.mine.told") == publisher.titles


async def test_a_socket_of_another_namespace_is_refused(open_demo: OpenDemo) -> None:
    """At once, by name."""
    page = await prepared(open_demo)
    script = """
      try {
        createNotifier({ socket: io("/chat", { auth: { token }, autoConnect: false }) });
      } catch (error) {
        return `${error.name}: ${error.message}`;
      }
    """
    answer = await page.evaluate(f"async () => {{ {PRELUDE} {script} }}")
    assert answer == "TypeError: The socket is of the namespace /chat, not /notifications."
