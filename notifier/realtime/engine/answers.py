"""HTTP answers of the protocol. Errors have the codes and words of Node's server."""

from __future__ import annotations

import math
from typing import NamedTuple

import orjson
from aiohttp import web

from .errors import PayloadTooLarge, Refused

NO_STORE = {"Cache-Control": "no-store"}


class Error(NamedTuple):
    """One kind of error."""

    code: int
    message: str
    status: int = 400


UNKNOWN_TRANSPORT = Error(0, "Transport unknown")
UNKNOWN_SESSION = Error(1, "Session ID unknown")
BAD_METHOD = Error(2, "Bad handshake method")
BAD_REQUEST = Error(3, "Bad request")
FORBIDDEN = Error(4, "Forbidden", 403)
UNSUPPORTED_VERSION = Error(5, "Unsupported protocol version")


def payload(text: str) -> web.Response:
    """Packets, as the answer of a poll or a handshake."""
    return web.Response(text=text, content_type="text/plain", headers=NO_STORE)


def ok() -> web.Response:
    """The answer of a POST."""
    return payload("ok")


def error(kind: Error) -> web.Response:
    """An error of the protocol."""
    return _problem({"code": kind.code, "message": kind.message}, kind.status)


def too_large(problem: PayloadTooLarge) -> web.Response:
    """The body of a POST is too large; the rest of it is not read."""
    response = _problem({"code": "too_large", "message": problem.reason}, 413)
    response.force_close()
    return response


def refused(refusal: Refused) -> web.Response:
    """No new connection now; says when to come back, in seconds."""
    seconds = math.ceil(refusal.retry_after)
    body = {"code": "overloaded", "message": refusal.reason, "retry_after": seconds}
    response = _problem(body, 503)
    response.headers["Retry-After"] = str(seconds)
    return response


def _problem(body: dict[str, object], status: int) -> web.Response:
    return web.Response(
        body=orjson.dumps(body), status=status, content_type="application/json", headers=NO_STORE
    )
