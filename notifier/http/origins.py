"""Which pages may call the interface from a browser (CORS)."""

from __future__ import annotations

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
    if "Origin" not in request.headers or not _is_covered(request):
        return await handler(request)
    if not request.app[SERVICES].allows(request):
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
    if origin is not None and request.app[SERVICES].allows(request):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _ANSWER_HEADERS


def _is_covered(request: web.Request) -> bool:
    return request.path.startswith("/v1/")
