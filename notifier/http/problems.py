"""Errors as problem documents (RFC 9457): the one place that turns an exception into an answer."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from notifier.errors import MalformedRequest, NotFound, RequestError, TooLarge

REQUEST_ID = web.RequestKey("request_id", str)

PROBLEM_TYPE = "/docs#error-"
"""What the code of a problem is appended to: the page that explains it."""

_CODES = {404: NotFound.code, 413: TooLarge.code}

logger = logging.getLogger(__name__)


async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer whatever is raised. What was not raised on purpose is explained in the log alone."""
    try:
        return await handler(request)
    except RequestError as error:
        return _refusal(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _refusal_of_router(request, error)
    except ConnectionError:
        raise  # nobody is there to be answered
    except Exception:
        logger.exception("request %s failed", request[REQUEST_ID])
        return _document(
            request,
            status=500,
            code=RequestError.code,
            title=RequestError.title,
            detail="Something went wrong here; the request id identifies it in the server's log.",
        )


def _refusal(request: web.Request, error: RequestError) -> web.Response:
    response = _document(
        request,
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        errors=getattr(error, "errors", None),
    )
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return response


def _refusal_of_router(request: web.Request, error: web.HTTPException) -> web.Response:
    """What aiohttp refuses: unknown paths, methods that a path does not have, and the like."""
    response = _document(
        request,
        status=error.status,
        code=_CODES.get(error.status, MalformedRequest.code),
        title=HTTPStatus(error.status).phrase,
        detail=HTTPStatus(error.status).description or HTTPStatus(error.status).phrase,
    )
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _document(
    request: web.Request,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: Mapping[str, Sequence[str]] | None = None,
) -> web.Response:
    problem = {
        "type": PROBLEM_TYPE + code,
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "instance": request.rel_url.raw_path,
        "request_id": request[REQUEST_ID],
    }
    if errors is not None:
        problem["errors"] = errors
    return web.Response(
        body=orjson.dumps(problem), status=status, content_type="application/problem+json"
    )
