"""The npm package in applications of other people: installed, compiled strictly, bundled, used.

The applications are those of ``docs/client.md``, word for word but for the server's address. What
``README.md`` shows lies beside them and is compiled with them.
"""

from __future__ import annotations

import asyncio
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, expect

from tests.browser.pages import open_pages
from tests.browser.publishing import publishing_at
from tests.conftest import StartNotifier
from tests.servers import REPOSITORY, node

APPS = Path(__file__).parent / "apps"
STATIC = REPOSITORY / "static"

CHECKS = {"react": "typescript/bin/tsc", "vue": "vue-tsc/bin/vue-tsc.js"}
"""Who checks the types of an application."""

DOCUMENTED = {"react": {"tsx": "App.tsx"}, "vue": {"ts": "main.ts", "vue": "App.vue"}}
"""The blocks of the chapter, by language, and which files of the application they are."""


def run(cwd: Path, *command: str | Path) -> str:
    """Run with Node to the end and return what was said; a failure is the test's.

    In development frameworks complain of misuse, and React's StrictMode does everything twice.
    """
    env = {**os.environ, "NODE_ENV": "development"}
    done = subprocess.run(
        [node(), *command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def npm() -> Path:
    return Path(node()).parents[1] / "lib/node_modules/npm/bin/npm-cli.js"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What would be published."""
    subprocess.run([sys.executable, REPOSITORY / "packaging" / "client.py"], check=True)
    folder = tmp_path_factory.mktemp("package")
    run(STATIC, npm(), "pack", "--silent", "--ignore-scripts", "--pack-destination", folder)
    [archive] = folder.glob("*.tgz")
    return archive


def documented(framework: str) -> dict[str, str]:
    """The files of the application as ``docs/client.md`` and ``README.md`` have them."""
    text = (REPOSITORY / "docs" / "client.md").read_text()
    chapter = text.partition(f"\n## {framework.capitalize()}\n")[2].partition("\n## ")[0]
    language = {"react": "tsx", "vue": "vue"}[framework]
    shown = code_blocks((REPOSITORY / "README.md").read_text())[language]
    blocks = code_blocks(chapter)
    files = {name: blocks[language] for language, name in DOCUMENTED[framework].items()}
    return {**files, f"Readme.{language}": shown}


def code_blocks(text: str) -> dict[str, str]:
    """The block of each language, the last if there are several."""
    return dict(re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL))


def build(app: Path, framework: str, package: Path, notifier: str) -> None:
    """Install, check and bundle the application, which is to use this server."""
    shutil.copytree(APPS / framework, app)
    (app / "src").mkdir(exist_ok=True)
    for name, source in documented(framework).items():
        (app / "src" / name).write_text(source.replace("https://notifier.example", notifier))
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
    run(app, npm(), "install", *quiet, package)
    run(app, app / "node_modules" / CHECKS[framework], "-p", ".")
    said = run(app, app / "node_modules/vite/bin/vite.js", "build")
    assert "(!)" not in said, said


class Application:
    """Serves what was built, and the token of its user."""

    def __init__(self, dist: Path) -> None:
        self.dist = dist
        self.token = ""
        self.server = TestServer(web.Application(), host="127.0.0.1")
        self.server.app.router.add_get("/token", self._token)
        self.server.app.router.add_get("/{file:.*}", self._file)

    @property
    def origin(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    async def _token(self, _: web.Request) -> web.Response:
        return web.Response(text=self.token)

    async def _file(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(self.dist / (request.match_info["file"] or "index.html"))


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    """An application on an origin of its own, to be built at ``tmp_path / "app"``."""
    application = Application(tmp_path / "app" / "dist")
    async with application.server:
        yield application


async def token_of(user: str, notifier: str) -> str:
    async with (
        aiohttp.ClientSession(notifier) as session,
        session.get("/demo/session", params={"user": user}) as answer,
    ):
        return str((await answer.json())["token"])


@pytest.mark.parametrize("framework", ["react", "vue"])
async def test_an_application_as_documented_works(
    framework: str,
    package: Path,
    application: Application,
    start_notifier: StartNotifier,
    chromium: Browser,
    tmp_path: Path,
) -> None:
    """Installed from the archive, compiled with ``strict`` and library checks, bundled by Vite."""
    notifier = await start_notifier(NOTIFIER_ALLOWED_ORIGINS=application.origin)
    app = tmp_path / "app"
    await asyncio.to_thread(build, app, framework, package, notifier.url)
    installed = {path.name for path in (app / "node_modules").iterdir()}
    assert {"react", "vue"} & installed == {framework}
    application.token = await token_of("grace", notifier.url)
    async with open_pages(chromium) as open_page:
        page = await open_page(application.origin)
        bell = page.locator("notifier-bell .bell")
        await expect(bell).to_have_attribute("data-connection", "online")
        async with publishing_at(notifier.url) as publisher:
            await publisher.publish("Your order is on its way")
        item = page.locator("#app ul > li").get_by_text("Your order is on its way")
        await item.first.click()
        await expect(page.get_by_text("0 unread")).to_be_visible()
        await expect(page.locator("notifier-toasts .toast")).to_have_count(0)


def test_the_package_brings_what_it_exports_and_no_more(package: Path) -> None:
    """Every entry and its types; nothing that only a server or a demo needs."""
    with tarfile.open(package) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    exports = json.loads((STATIC / "package.json").read_text())["exports"]
    for target in exports.values():
        for path in [target] if isinstance(target, str) else target.values():
            assert fnmatch.filter(names, path.removeprefix("./")), path
    other = [name for name in names if not re.match(r"dist/(?!demo/)|package.json|LICENSE", name)]
    assert other == []
    assert [name for name in names if name.endswith((".gz", ".br", ".sources"))] == []
