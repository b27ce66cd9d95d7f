"""The client alone, as an application uses it: tokens and refusals."""

from __future__ import annotations

from playwright.async_api import Page

from tests.browser.conftest import OpenDemo

_REACHES = """
  const { createNotifier } = await import("/client/notifier.mjs");
  const fetchToken = async () => (await (await fetch("/demo/session?user=grace")).json()).token;
  const reaches = (notifier, state) => new Promise((resolve) => {
    const check = () => notifier.snapshot.connection === state && resolve(notifier);
    notifier.subscribe(check);
    check();
  });
"""


async def run(page: Page, script: str) -> object:
    """Run a script on the page; it may use ``createNotifier``, ``fetchToken``, ``reaches``."""
    return await page.evaluate(f"async () => {{ {_REACHES} {script} }}")


async def test_a_token_that_nobody_accepts_is_reported(open_demo: OpenDemo) -> None:
    """The state says so; the client does not go on trying."""
    demo = await open_demo("?user=ada")
    script = """
      await reaches(createNotifier({ token: "forged" }), "unauthenticated");
      return "reported";
    """
    assert await run(demo.page, script) == "reported"


async def test_a_refused_token_is_replaced_once(open_demo: OpenDemo) -> None:
    """``getToken`` is asked again, and the connection succeeds with the new token."""
    demo = await open_demo("?user=ada")
    script = """
      let asked = 0;
      const getToken = () => (asked++ === 0 ? "forged" : fetchToken());
      await reaches(createNotifier({ getToken }), "online");
      return asked;
    """
    assert await run(demo.page, script) == 2


async def test_an_application_that_has_no_token_yet_is_asked_again(open_demo: OpenDemo) -> None:
    """A failing ``getToken`` is like a failing network: it is tried again later."""
    demo = await open_demo("?user=ada")
    script = """
      let asked = 0;
      const getToken = () => {
        if (asked++ < 2) throw new Error("not signed in yet");
        return fetchToken();
      };
      await reaches(createNotifier({ getToken }), "online");
      return asked;
    """
    assert await run(demo.page, script) == 3
