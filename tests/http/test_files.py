"""The client, the demo and the description for people."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser

from notifier.app import Node
from notifier.core.models import ADMIN, PUBLISH
from notifier.http.demo import DemoSessions
from tests.http.client import RULES, Api
from tests.http.conftest import OpenApi
from tests.http.test_metrics import with_services


@pytest.fixture
def client_folder(tmp_path: Path) -> Path:
    """What a build leaves: the client and the demo."""
    folder = tmp_path / "dist"
    (folder / "demo").mkdir(parents=True)
    (folder / "notifier.mjs").write_text("export {};")
    (folder / "chunks").mkdir()
    for name in ("chunk-7XK2PQRS.mjs", "chunk-7XK2PQRS.mjs.map"):
        (folder / "chunks" / name).write_text("{}")
    (folder / "demo" / "index.html").write_text("<!doctype html><title>Demo</title>")
    (folder / "demo" / "demo.js").write_text("// demo")
    (tmp_path / "secret").write_text("not to be served")
    return folder


@pytest.fixture
async def api(node: Node, open_api: OpenApi, client_folder: Path) -> Api:
    demo = DemoSessions(RULES)
    return await open_api(with_services(node, client_folder=client_folder, demo=demo))


async def test_the_client_is_served_and_revalidated(api: Api) -> None:
    """With an ETag, by which the second visit costs a 304."""
    first = await api("GET", "/client/notifier.mjs")
    assert (first.status, first.text) == (200, "export {};")
    assert first.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert first.headers["Cache-Control"] == "public, no-cache"
    seen = {"If-None-Match": first.headers["ETag"]}
    again = await api("GET", "/client/notifier.mjs", headers=seen)
    assert (again.status, again.text) == (304, "")
    assert again.headers["ETag"] == first.headers["ETag"]


async def test_a_name_with_a_hash_is_kept_for_ever(api: Api) -> None:
    """Other content has another name, so nobody ever asks again."""
    for name in ("chunk-7XK2PQRS.mjs", "chunk-7XK2PQRS.mjs.map"):
        answer = await api("GET", f"/client/chunks/{name}")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_the_client_is_for_pages_of_other_origins_too(api: Api) -> None:
    """A module of another origin needs leave; the demo and the description need none."""
    for path in ("/client/notifier.mjs", "/client/chunks/chunk-7XK2PQRS.mjs"):
        answer = await api("GET", path, headers={"Origin": "https://app.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    for path in ("/demo/demo.js", "/docs/page.js"):
        assert "Access-Control-Allow-Origin" not in (await api("GET", path)).headers


async def test_pages_run_nothing_but_the_servers_own_files(api: Api) -> None:
    """No inline code or style, no other host, no frame around them, no text that becomes markup."""
    for path in ("/docs", "/demo/"):
        policy = dict(
            rule.split(" ", 1)
            for rule in (await api("GET", path)).headers["Content-Security-Policy"].split("; ")
        )
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["require-trusted-types-for"] == "'script'"


@pytest.mark.parametrize(
    "path",
    [
        "/client/../secret",
        "/client/%2e%2e/secret",
        "/client/..%2fsecret",
        "/client/demo/%2e%2e/%2e%2e/secret",
        "/client//etc/passwd",
        "/client/%00",
        "/client/link",
        "/client/" + "x" * 300,
    ],
)
async def test_nothing_outside_of_the_folder_is_served(
    api: Api, client_folder: Path, path: str
) -> None:
    """However the way out is spelled or linked."""
    (client_folder / "link").symlink_to(client_folder.parent / "secret")
    answer = await api("GET", path)
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize(
    "path",
    ["/client/", "/client/demo", "/client/none.js", "/client/notifier.mjs.br", "/client/.sources"],
)
async def test_only_files_of_pages_are_there(api: Api, client_folder: Path, path: str) -> None:
    """Folders are not listed; compressed twins are for the server, other files for nobody."""
    (client_folder / "notifier.mjs.br").touch()
    (client_folder / ".sources").touch()
    answer = await api("GET", path)
    assert (answer.status, answer.code) == (404, "not_found")


async def test_the_demo_is_a_page_in_a_folder(api: Api) -> None:
    """Without the slash at its end, relative links would lead astray."""
    assert (await api("GET", "/demo")).headers["Location"] == "demo/"
    page = await api("GET", "/demo/")
    assert page.headers["Content-Type"].startswith("text/html")
    assert (await api("GET", "/demo/demo.js")).text == "// demo"


@pytest.mark.parametrize(("user", "roles"), [("ada", {"admin"}), ("grace", set())])
async def test_a_demo_session_is_a_user_who_may_publish(
    api: Api, node: Node, user: str, roles: set[str]
) -> None:
    """An ordinary token, believed by the ordinary check."""
    session = (await api("GET", f"/demo/session?user={user}")).json
    assert (session["user"], session["name"]) == (user, user.capitalize())
    caller = await node.authenticator.user(session["token"])
    assert (caller.id, caller.roles, caller.scopes) == (user, roles, {PUBLISH, ADMIN})
    body = {"to": "user:grace", "title": "Hi"}
    answer = await api("POST", "/v1/notifications", token=session["token"], json=body)
    assert answer.status == 201


@pytest.mark.parametrize("query", ["", "?user=root", "?user="])
async def test_there_are_no_other_demo_users(api: Api, query: str) -> None:
    """Nobody gets a token in a name of choice."""
    answer = await api("GET", f"/demo/session{query}")
    assert (answer.status, answer.code) == (404, "not_found")


async def test_without_the_demo_there_is_none_of_it(
    node: Node, open_api: OpenApi, client_folder: Path
) -> None:
    """In production the page and its tokens do not exist."""
    api = await open_api(with_services(node, client_folder=client_folder, demo=None))
    for path in ("/demo/", "/demo/session?user=ada", "/demo/demo.js", "/client/demo/demo.js"):
        assert (await api("GET", path)).status == 404
    assert (await api("GET", "/client/notifier.mjs")).status == 200


async def test_a_client_that_was_never_built_is_explained(node: Node, open_api: OpenApi) -> None:
    """A developer without Node.js still has everything else."""
    demo = DemoSessions(RULES)
    api = await open_api(with_services(node, client_folder=None, demo=demo))
    for path in ("/client/notifier.mjs", "/demo/"):
        answer = await api("GET", path)
        assert (answer.status, answer.code) == (404, "not_found")
        assert "npm run build" in answer.json["detail"]
    assert (await api("GET", "/demo/session?user=ada")).status == 200


async def test_the_root_leads_on(api: Api, node: Node, open_api: OpenApi) -> None:
    """To the demo where there is one, else to the description."""
    assert (await api("GET", "/")).headers["Location"] == "demo/"
    plain = await open_api(with_services(node, demo=None))
    answer = await plain("GET", "/")
    assert (answer.status, answer.headers["Location"]) == (302, "docs")


async def test_the_description_page_shows_every_call(api: Api, chromium: Browser) -> None:
    """In a real browser, under the Content-Security-Policy, without a word on the console."""
    context = await chromium.new_context(viewport={"width": 320, "height": 700})
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(str(api.client.make_url("/docs#error-conflict")))
    await page.wait_for_selector(".call")
    shown = await page.locator(".call h3").all_inner_texts()
    described = (await api("GET", "/openapi.json")).json["paths"]
    assert len(shown) == sum(len(operations) for operations in described.values())
    assert await page.locator("#error-conflict").is_visible()
    width = await page.evaluate("document.documentElement.scrollWidth")
    await context.close()
    assert width == 320
    assert complaints == []
