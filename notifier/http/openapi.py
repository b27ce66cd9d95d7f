"""The description of the interface (OpenAPI 3.1), made from the table of routes and the schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from notifier.core import schemas
from notifier.http.calls import Access, Call
from notifier.http.shapes import ANSWERS, PARAMETERS, REFINED, Shape, ref
from notifier.http.tickets import PARAMETER as TICKET

DESCRIPTION = web.AppKey("description", bytes)
"""The finished document."""

_TAKEN = {
    "Notification": schemas.NOTIFICATION,
    "Batched": schemas.BATCHED,
    "Batch": schemas.BATCH,
    "Change": schemas.CHANGE,
    "ChangeById": schemas.UNREAD,
    "Seen": schemas.SEEN,
    "PreferencesChange": schemas.PREFERENCES,
    "Revocation": schemas.REVOKE,
}
"""Component names of request bodies. Nested schemas name themselves."""

_REFUSALS = {
    "Refused": "The request must change before it is repeated; `code` and `errors` say how.",
    "Unauthenticated": "There is no valid token: `unauthenticated`, or `expired` for a fresh one.",
    "Limited": "`rate_limited`; `Retry-After` says when the next request is welcome.",
    "Failed": "`internal`: a mistake of the server, whose log knows the `request_id`.",
    "Unavailable": "`overloaded`, or `store_unavailable`: then it may have been carried out. "
    "Repeat it after `Retry-After` seconds, with the same `Idempotency-Key`.",
}

_MEDIA = {
    "Problem": "application/problem+json",
    "Text": "text/plain",
    "Events": "text/event-stream",
}
"""Answers that are not plain JSON."""

_ABOUT = (
    "Publish notifications, read and change a user's feed. Errors are problem documents (RFC 9457) "
    "whose `code` is stable. A user's JWT or a service's API key is the bearer token."
)


def describe(calls: Iterable[Call], version: str) -> dict[str, Any]:
    """The document for these calls."""
    spec = APISpec(
        title="Notifier",
        version=version,
        openapi_version="3.1.0",
        info={"description": _ABOUT, "license": {"name": "MIT", "identifier": "MIT"}},
        plugins=[MarshmallowPlugin()],
    )
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT or API key"}
    spec.components.security_scheme("bearer", scheme)
    for name, schema in _TAKEN.items():
        spec.components.schema(name, schema=schema)
    for name, shape in ANSWERS.items():
        spec.components.schema(name, shape)
    for name, description in _REFUSALS.items():
        spec.components.response(name, {"description": description, **_content("Problem")})
    for call in calls:
        spec.path(call.path, operations={call.method.lower(): _operation(call)})
    return _refined(spec.to_dict())


def _operation(call: Call) -> Shape:
    operation: Shape = {
        "operationId": call.handler.__name__,
        "summary": call.summary,
        "tags": [call.tag],
        "parameters": _parameters(call),
        "responses": {**_answers(call), **_refusals(call)},
    }
    if call.access is not Access.PUBLIC:
        operation["security"] = [{"bearer": []}, {}] if call.tickets else [{"bearer": []}]
    if call.body is not None:
        content = {"application/json": {"schema": call.body}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(call: Call) -> list[Shape]:
    parameters: list[Shape] = [
        {"in": "path", "name": name, "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", call.path)
    ]
    if call.tickets:
        parameters.append({"in": "query", "name": TICKET, "schema": {"type": "string"}})
    parameters += [
        {"in": "header", "name": name, "schema": {"type": "string"}} for name in call.headers
    ]
    if call.query is not None:
        parameters.append({"in": "query", "schema": call.query})
    return parameters


def _answers(call: Call) -> Shape:
    return {
        str(status): {"description": HTTPStatus(status).phrase, **_content(shape)}
        for status, shape in call.answers.items()
    }


def _content(shape: str | None) -> Shape:
    if shape is None:
        return {}
    return {"content": {_MEDIA.get(shape, "application/json"): {"schema": ref(shape)}}}


def _refusals(call: Call) -> Shape:
    if call.access is Access.PUBLIC:
        return {}
    return {
        "4XX": "Refused",
        "401": "Unauthenticated",
        "429": "Limited",
        "500": "Failed",
        "503": "Unavailable",
    }


def _refined(document: dict[str, Any]) -> dict[str, Any]:
    """Put in the words, and the patterns, that schemas made for checking do not have."""
    components = document["components"]["schemas"]
    for name, properties in REFINED.items():
        for field, refinement in properties.items():
            described = components[name]["properties"][field]
            if "oneOf" in refinement:
                described.clear()
            described.update(refinement)
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                parameter.update(PARAMETERS[parameter["name"]])
    return document


async def openapi(request: web.Request) -> web.Response:
    return web.Response(body=request.app[DESCRIPTION], content_type="application/json")


def encode(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)
