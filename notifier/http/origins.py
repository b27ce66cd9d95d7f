"""Which pages may call the interface from a browser (CORS)."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from notifier.errors import Forbidden
from notifier.http.services import SERVICES

PREFLIGHT_SECONDS = 600
"""How long a browser may remember that it may call."""

_METHODS = "GET, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Request-ID"
)
_ANSWER_HEADERS = "ETag, Retry-After, X-Request-ID"


async def origins(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse pages of foreign origins before anything is done for them, and answer preflights."""
    origin = request.headers.get("Origin")
    if origin is None or not _is_covered(request):
        return await handler(request)
    if not may_call(request, origin):
        raise Forbidden("Pages of this origin may not call this server.")
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": _METHODS,
                "Access-Control-Allow-Headers": _REQUEST_HEADERS,
                "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
            },
        )
    return await handler(request)


async def allow_origin(request: web.Request, response: web.StreamResponse) -> None:
    """Tell the browser, on every answer under ``/v1``, whether the page may read it.

    Credentials are never allowed: callers prove themselves by token, not by cookie.
    """
    if not _is_covered(request):
        return
    response.headers["Vary"] = "Origin"
    origin = request.headers.get("Origin")
    if origin is not None and may_call(request, origin):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _ANSWER_HEADERS


def may_call(request: web.Request, origin: str) -> bool:
    """Whether a page of this origin may call: it is listed, or it is this server's own.

    Own is decided by the host alone; behind a proxy that ends TLS the scheme is not known here.
    """
    listed = request.app[SERVICES].origins
    if origin in listed or "*" in listed:
        return True
    own = _host_of(f"//{request.host}")
    return own is not None and _host_of(origin) == own


def _host_of(origin: str) -> tuple[str, int | None] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.hostname, None if port in (80, 443) else port


def _is_covered(request: web.Request) -> bool:
    return request.path.startswith("/v1/")
