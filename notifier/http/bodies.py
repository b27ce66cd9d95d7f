"""Reading JSON from a request: bounded in size, time and depth, and without ambiguity."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from notifier.errors import MalformedRequest, TooLarge

MAX_BODY = 1_048_576
"""Bytes of a whole request, after decompression."""

BODY_SECONDS = 10.0
"""A body that is promised and does not come must not hold a handler."""


class NotJson(MalformedRequest):
    """The body is of another kind than JSON."""

    status = 415
    title = "The body must be JSON"


async def read_json(request: web.Request, *, seconds: float = BODY_SECONDS) -> object:
    """The JSON value that a request carries.

    Raises ``NotJson``, ``TooLarge`` or ``MalformedRequest``. What is accepted can be written again
    without loss: names are unique, numbers are finite and whole ones fit into 64 bits.
    """
    if request.content_type != "application/json":
        raise NotJson("Send JSON, with the header Content-Type: application/json.")
    body = await _read(request, seconds)
    try:
        value = _STRICT.decode(body.decode())
        orjson.dumps(value)
    except RecursionError:
        raise MalformedRequest("The JSON is nested too deeply.") from None
    except UnicodeDecodeError:
        raise MalformedRequest("The body is not UTF-8.") from None
    except orjson.JSONEncodeError as error:
        raise MalformedRequest(f"The JSON cannot be passed on: {error}.") from None
    except ValueError as error:
        raise MalformedRequest(f"The body is not JSON: {error}.") from None
    return value


async def _read(request: web.Request, seconds: float) -> bytes:
    if request.content_length is not None and request.content_length > MAX_BODY:
        raise _too_large()
    body = bytearray()
    try:
        if request.content.is_eof():  # a small body is all there already
            body += request.content.read_nowait()
        else:
            async with asyncio.timeout(seconds):
                while len(body) <= MAX_BODY and (chunk := await request.content.readany()):
                    body += chunk
    except TimeoutError:
        raise MalformedRequest(f"The body did not arrive within {seconds:g} s.") from None
    except (aiohttp.ClientPayloadError, web.RequestPayloadError, aiohttp.http.HttpProcessingError):
        raise MalformedRequest("The body could not be read.") from None
    if len(body) > MAX_BODY:
        raise _too_large()
    return bytes(body)


def _too_large() -> TooLarge:
    return TooLarge(f"A request must not be longer than {MAX_BODY} bytes.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a number that fits")
    return number


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite)
