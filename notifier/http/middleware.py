"""What happens around every call: identified, measured, logged, answered with safe headers."""

from __future__ import annotations

import logging
import re
import time
from functools import partial
from secrets import token_hex

from aiohttp import web
from aiohttp.typedefs import Handler

from notifier.http.metrics import METRICS
from notifier.http.origins import allow_origin, origins
from notifier.http.problems import REQUEST_ID, problems

OURS = web.AppKey("ours", set[str])
"""The paths of the routes that this package adds. Others, such as the Socket.IO server's, are not
ours to measure, log or answer for."""

_LOGGED_PATH = 200
_UNMATCHED = "unmatched"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

logger = logging.getLogger("notifier.access")


def page_policy(*, trusted_types: str = "'none'") -> str:
    """A Content-Security-Policy under which a page runs and shows only what this server serves.

    Pictures are the exception: senders have theirs elsewhere. Text becomes markup or code only by
    the named policies of Trusted Types. Stylesheets made by script, as those of the elements, and
    WebSockets to this server need no permission.
    """
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        f"require-trusted-types-for 'script'; trusted-types {trusted_types}"
    )


CONTENT_SECURITY_POLICY = page_policy()
"""Of every answer, so that none can become a page of other rights."""


def add_middleware(app: web.Application) -> None:
    app.middlewares.append(around)
    app.on_response_prepare.append(secure)
    app.on_response_prepare.append(allow_origin)


@web.middleware
async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
    """All that surrounds a call of ours, the outermost first."""
    resource = request.match_info.route.resource
    if resource is not None and resource.canonical not in request.app[OURS]:
        return await handler(request)
    allowed = partial(origins, handler=handler)
    return await observe(request, partial(problems, handler=allowed))


async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id; count it and log it once it is answered, without its query string."""
    given = request.headers.get("X-Request-ID", "")
    request[REQUEST_ID] = given if _SAFE_ID.fullmatch(given) else token_hex(16)
    started = time.perf_counter()
    response = await handler(request)
    seconds = time.perf_counter() - started
    method = request.method if request.method in _METHODS else "other"
    request.app[METRICS].observe(method, _route_of(request), response.status, seconds)
    logger.debug(
        "%s %s %d %.1f ms %s",
        method,
        request.rel_url.raw_path[:_LOGGED_PATH],
        response.status,
        seconds * 1000,
        request[REQUEST_ID],
    )
    return response


async def secure(request: web.Request, response: web.StreamResponse) -> None:
    """Headers that every answer carries."""
    headers = response.headers
    headers["Server"] = "notifier"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("Cache-Control", "no-store")
    if REQUEST_ID in request:
        headers["X-Request-ID"] = request[REQUEST_ID]


def _route_of(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return _UNMATCHED if resource is None else resource.canonical
