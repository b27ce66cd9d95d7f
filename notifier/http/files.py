"""Pages and files beside the interface: the client, the demo, the description for people."""

from __future__ import annotations

from pathlib import Path

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from notifier.errors import NotFound
from notifier.http.demo import DemoSessions
from notifier.http.services import Services

PAGES = Path(__file__).parent / "pages"
"""The files of ``/docs``, shipped inside the package."""

REVALIDATE = "no-cache"
"""Names carry no version, so a copy is asked for again; it costs a 304 with the ETag."""


def add_files(app: web.Application, services: Services) -> None:
    """Add ``/``, ``/docs``, ``/client/`` and, where the demo is on, ``/demo/``."""
    app.router.add_get("/", _redirect("docs" if services.demo is None else "demo/"))
    app.router.add_get("/docs", _page(PAGES / "index.html"))
    app.router.add_static("/docs", PAGES)
    _add_folder(app, "/client", services.client_folder)
    if services.demo is not None:
        _add_demo(app, services.demo, services.client_folder)
    app.on_response_prepare.append(_revalidate)


def _add_demo(app: web.Application, sessions: DemoSessions, client: Path | None) -> None:
    app.router.add_get("/demo/session", _session(sessions))
    if client is not None:
        app.router.add_get("/demo", _redirect("demo/"))
        app.router.add_get("/demo/", _page(client / "demo" / "index.html"))
    _add_folder(app, "/demo", client and client / "demo")


def _add_folder(app: web.Application, path: str, folder: Path | None) -> None:
    if folder is None:
        app.router.add_get(path + "/{file:.*}", _not_built)
    else:
        app.router.add_static(path, folder)


def _page(file: Path) -> Handler:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(file)

    return page


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


async def _not_built(request: web.Request) -> web.StreamResponse:
    raise NotFound("The client is not built: run npm ci and npm run build in static/.")


async def _revalidate(request: web.Request, response: web.StreamResponse) -> None:
    if isinstance(response, web.FileResponse):
        response.headers["Cache-Control"] = REVALIDATE
