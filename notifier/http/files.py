"""Pages and files beside the interface: the client, the demo, the description for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from notifier.errors import NotFound
from notifier.http.demo import DemoSessions
from notifier.http.folder import Folder
from notifier.http.middleware import page_policy
from notifier.http.services import Services

PAGES = Path(__file__).parent / "pages"
"""The files of ``/docs``, shipped inside the package."""

_ANYWHERE = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
"""The client is there for the pages of other origins; nothing in it is secret."""

_DEMO = {"Content-Security-Policy": page_policy(trusted_types="vue")}
"""Vue registers a policy of that name as soon as it is loaded."""


def add_files(app: web.Application, services: Services) -> None:
    """Add ``/``, ``/docs``, ``/client/`` and, where the demo is on, ``/demo/``."""
    pages = Folder(PAGES)
    client = demo = None
    if services.client_folder is not None:
        client, demo = Folder(services.client_folder), Folder(services.client_folder / "demo")
    app.router.add_get("/", _redirect("docs" if services.demo is None else "demo/"))
    app.router.add_get("/docs", _file_of(pages, "index.html"))
    app.router.add_get("/docs/{file:.+}", _file_of(pages))
    app.router.add_get("/client/{file:(?!demo/).+}", _file_of(client, headers=_ANYWHERE))
    if services.demo is not None:
        app.router.add_get("/demo", _redirect("demo/"))
        app.router.add_get("/demo/", _file_of(demo, "index.html", _DEMO))
        app.router.add_get("/demo/session", _session(services.demo))
        app.router.add_get("/demo/{file:.+}", _file_of(demo, headers=_DEMO))


def _file_of(
    folder: Folder | None, name: str | None = None, headers: Mapping[str, str] | None = None
) -> Handler:
    """A file of the folder: the named one, or the one that the path names."""

    async def file(request: web.Request) -> web.StreamResponse:
        if folder is None:
            raise NotFound("The client is not built: run npm ci and npm run build in static/.")
        response = await folder.answer(request, name or request.match_info["file"])
        response.headers.update(headers or {})
        return response

    return file


def _redirect(to: str) -> Handler:
    """``to`` is relative, so that it also holds below a proxy's path."""

    async def redirect(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": to})

    return redirect


def _session(sessions: DemoSessions) -> Handler:
    async def session(request: web.Request) -> web.StreamResponse:
        opened = sessions.open(request.query.get("user", ""))
        return web.Response(body=orjson.dumps(opened), content_type="application/json")

    return session
