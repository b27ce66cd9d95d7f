"""The handlers of ``/v1``: read, call the domain, answer."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from notifier.core.models import Receipt, rfc3339
from notifier.errors import MalformedRequest
from notifier.http.bodies import read_json
from notifier.http.calls import CALLER, arguments
from notifier.http.services import SERVICES

LISTED_ENTRIES = 100
"""Entries that a publisher is told about; a notification may go to 10,000 audiences."""


async def publish(request: web.Request) -> web.Response:
    status, told = receipt(
        await request.app[SERVICES].publisher.accept(
            await read_json(request), request[CALLER], idempotency_key=idempotency_key(request)
        )
    )
    return answer(told, status=status)


def receipt(published: Receipt) -> tuple[int, dict[str, Any]]:
    """The status of what was published, and what its publisher is told."""
    told: dict[str, Any] = {"id": published.notification_id}
    if published.deliver_at is not None:
        return 202, told | {"deliver_at": rfc3339(published.deliver_at)}
    listed = [{"id": str(entry.ref)} for entry in published.entries[:LISTED_ENTRIES]]
    return (201 if listed else 202), told | {"entries": listed}


async def withdraw(request: web.Request) -> web.Response:
    publisher = request.app[SERVICES].publisher
    await publisher.withdraw(request.match_info["id"], request[CALLER])
    return web.Response(status=204)


async def feed(request: web.Request) -> web.Response:
    return answer(await request.app[SERVICES].feed.page(request[CALLER], arguments(request)))


async def mark_read(request: web.Request) -> web.Response:
    body = await read_json(request)
    return answer(await request.app[SERVICES].feed.mark_read(request[CALLER], body))


async def mark_unread(request: web.Request) -> web.Response:
    body = await read_json(request)
    return answer(await request.app[SERVICES].feed.mark_unread(request[CALLER], body))


async def dismiss(request: web.Request) -> web.Response:
    body = await read_json(request)
    return answer(await request.app[SERVICES].feed.dismiss(request[CALLER], body))


async def mark_seen(request: web.Request) -> web.Response:
    body = await read_json(request)
    return answer(await request.app[SERVICES].feed.mark_seen(request[CALLER], body))


async def preferences(request: web.Request) -> web.Response:
    return answer(await request.app[SERVICES].feed.preferences(request[CALLER]))


async def set_preferences(request: web.Request) -> web.Response:
    body = await read_json(request)
    return answer(await request.app[SERVICES].feed.set_preferences(request[CALLER], body))


async def types(request: web.Request) -> web.Response:
    return answer(request.app[SERVICES].feed.types(request[CALLER]))


async def issue_ticket(request: web.Request) -> web.Response:
    return answer(await request.app[SERVICES].tickets.issue(request[CALLER]), status=201)


async def revoke(request: web.Request) -> web.Response:
    user, body = request.match_info["user"], await read_json(request)
    await request.app[SERVICES].validity.revoke(user, body, request[CALLER])
    return web.Response(status=204)


async def subscribe_topic(request: web.Request) -> web.Response:
    await request.app[SERVICES].feed.subscribe_topic(request[CALLER], _topic(request))
    return web.Response(status=204)


async def unsubscribe_topic(request: web.Request) -> web.Response:
    await request.app[SERVICES].feed.unsubscribe_topic(request[CALLER], _topic(request))
    return web.Response(status=204)


def answer(told: dict[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(told), status=status, content_type="application/json")


async def subscribe_user(request: web.Request) -> web.Response:
    user, topic = request.match_info["user"], request.match_info["topic"]
    await request.app[SERVICES].topics.subscribe(user, topic, request[CALLER])
    return web.Response(status=204)


async def unsubscribe_user(request: web.Request) -> web.Response:
    user, topic = request.match_info["user"], request.match_info["topic"]
    await request.app[SERVICES].topics.unsubscribe(user, topic, request[CALLER])
    return web.Response(status=204)


async def explain(request: web.Request) -> web.Response:
    explainer = request.app[SERVICES].explainer
    return answer(await explainer.answer(arguments(request), request[CALLER]))


def _topic(request: web.Request) -> dict[str, str]:
    return {"topic": request.match_info["topic"]}


def idempotency_key(request: web.Request) -> str | None:
    match request.headers.getall("Idempotency-Key", ()):
        case []:
            return None
        case [key]:
            return key
        case _:
            raise MalformedRequest("The header Idempotency-Key stands there twice.")
