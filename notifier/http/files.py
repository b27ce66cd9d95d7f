"""Pages and files beside the interface: the client, the demo, the description for people."""

from __future__ import annotations

import asyncio
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
    client = services.client_folder
    app.router.add_get("/", _redirect("docs" if services.demo is None else "demo/"))
    app.router.add_get("/docs", _file_of(PAGES, "index.html"))
    app.router.add_get("/docs/{file:.+}", _file_of(PAGES))
    app.router.add_get("/client/{file:.+}", _file_of(client))
    if services.demo is not None:
        app.router.add_get("/demo", _redirect("demo/"))
        app.router.add_get("/demo/", _file_of(client, "demo/index.html"))
        app.router.add_get("/demo/session", _session(services.demo))
        app.router.add_get("/demo/{file:.+}", _file_of(client and client / "demo"))
    app.on_response_prepare.append(_revalidate)


def _file_of(folder: Path | None, name: str | None = None) -> Handler:
    """A file of the folder: the named one, or the one that the path names."""

    async def file(request: web.Request) -> web.StreamResponse:
        if folder is None:
            raise NotFound("The client is not built: run npm ci and npm run build in static/.")
        found = await asyncio.to_thread(_find, folder, name or request.match_info["file"])
        if found is None:
            raise NotFound("There is no such file.")
        return web.FileResponse(found)

    return file


def _find(folder: Path, name: str) -> Path | None:
    """The file of that name inside the folder. Nothing outside, however it is spelled or linked."""
    try:
        file = (folder / name).resolve()
        inside = file.is_relative_to(folder.resolve()) and file.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return None
    return file if inside else None


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


async def _revalidate(request: web.Request, response: web.StreamResponse) -> None:
    if isinstance(response, web.FileResponse):
        response.headers["Cache-Control"] = REVALIDATE
