"""The interface in one table, and how it gets into an application."""

from __future__ import annotations

import re

from aiohttp import web
from aiohttp.typedefs import Handler

from notifier.core import schemas
from notifier.core.limits import RateLimit
from notifier.http import api, batch, health, metrics, openapi, poll, stream
from notifier.http.batch import BATCHED
from notifier.http.calls import Access, Admission, Call
from notifier.http.files import add_files
from notifier.http.health import READINESS, Readiness
from notifier.http.metrics import METRICS, NodeMetrics
from notifier.http.middleware import OURS, add_middleware
from notifier.http.openapi import DESCRIPTION, describe, encode
from notifier.http.services import SERVICES, Services

API_VERSION = "1"

CALLS = (
    Call(
        method="POST",
        path="/v1/notifications",
        handler=api.publish,
        summary="Publish a notification",
        tag="Publishing",
        access=Access.PUBLISHER,
        headers=("Idempotency-Key",),
        body=schemas.NOTIFICATION,
        answers={201: "Receipt", 202: "Accepted"},
    ),
    Call(
        method="POST",
        path="/v1/notifications/batch",
        handler=batch.publish_batch,
        summary="Publish up to 500 notifications",
        tag="Publishing",
        access=Access.PUBLISHER,
        headers=("Idempotency-Key",),
        body=schemas.BATCH,
        answers={200: "Results"},
    ),
    Call(
        method="DELETE",
        path="/v1/notifications/{id}",
        handler=api.withdraw,
        summary="Take a notification back from everybody, or cancel it",
        tag="Publishing",
        access=Access.PUBLISHER,
        answers={204: None},
    ),
    Call(
        method="GET",
        path="/v1/feed",
        handler=api.feed,
        summary="Read a page of your feed",
        tag="Feed",
        query=schemas.PAGE,
        answers={200: "Page"},
    ),
    Call(
        method="GET",
        path="/v1/feed/stream",
        handler=stream.stream,
        summary="Follow your feed as Server-Sent Events",
        tag="Following",
        headers=("Last-Event-ID",),
        query=schemas.STREAM,
        tickets=True,
        answers={200: "Events"},
    ),
    Call(
        method="GET",
        path="/v1/feed/poll",
        handler=poll.poll,
        summary="Wait for what is new in your feed",
        tag="Following",
        headers=("If-None-Match",),
        query=schemas.POLL,
        tickets=True,
        answers={200: "Missed", 304: None},
    ),
    Call(
        method="POST",
        path="/v1/tickets",
        handler=api.issue_ticket,
        summary="Get a ticket that stands for your token in one address, once",
        tag="Following",
        answers={201: "Ticket"},
    ),
    Call(
        method="POST",
        path="/v1/feed/read",
        handler=api.mark_read,
        summary="Mark entries as read",
        tag="Feed",
        body=schemas.CHANGE,
        answers={200: "Counts"},
    ),
    Call(
        method="POST",
        path="/v1/feed/unread",
        handler=api.mark_unread,
        summary="Mark entries as unread",
        tag="Feed",
        body=schemas.UNREAD,
        answers={200: "Counts"},
    ),
    Call(
        method="POST",
        path="/v1/feed/dismiss",
        handler=api.dismiss,
        summary="Take entries out of your feed for good",
        tag="Feed",
        body=schemas.CHANGE,
        answers={200: "Counts"},
    ),
    Call(
        method="POST",
        path="/v1/feed/seen",
        handler=api.mark_seen,
        summary="Say that everything up to a cursor has been seen",
        tag="Feed",
        body=schemas.SEEN,
        answers={200: "Counts"},
    ),
    Call(
        method="GET",
        path="/v1/preferences",
        handler=api.preferences,
        summary="Read your preferences",
        tag="Preferences",
        answers={200: "Preferences"},
    ),
    Call(
        method="PATCH",
        path="/v1/preferences",
        handler=api.set_preferences,
        summary="Change your preferences",
        tag="Preferences",
        body=schemas.PREFERENCES,
        answers={200: "Preferences"},
    ),
    Call(
        method="GET",
        path="/v1/types",
        handler=api.types,
        summary="List the types of notifications that you may receive",
        tag="Preferences",
        answers={200: "Types"},
    ),
    Call(
        method="PUT",
        path="/v1/topics/{topic}/subscription",
        handler=api.subscribe_topic,
        summary="Follow a topic from now on",
        tag="Preferences",
        answers={204: None},
    ),
    Call(
        method="DELETE",
        path="/v1/topics/{topic}/subscription",
        handler=api.unsubscribe_topic,
        summary="Follow a topic no longer",
        tag="Preferences",
        answers={204: None},
    ),
    Call(
        method="PUT",
        path="/v1/users/{user}/topics/{topic}",
        handler=api.subscribe_user,
        summary="Have a user follow a topic from now on",
        tag="Administration",
        access=Access.PUBLISHER,
        answers={204: None},
    ),
    Call(
        method="DELETE",
        path="/v1/users/{user}/topics/{topic}",
        handler=api.unsubscribe_user,
        summary="Have a user follow a topic no longer",
        tag="Administration",
        access=Access.PUBLISHER,
        answers={204: None},
    ),
    Call(
        method="GET",
        path="/v1/admin/explain",
        handler=api.explain,
        summary="Say why a user did or did not get an entry",
        tag="Administration",
        access=Access.ADMIN,
        query=schemas.EXPLAIN,
        answers={200: "Explanation"},
    ),
    Call(
        method="POST",
        path="/v1/users/{user}/revoke",
        handler=api.revoke,
        summary="Take back a user's tokens, or roles from them",
        tag="Administration",
        access=Access.ADMIN,
        body=schemas.REVOKE,
        answers={204: None},
    ),
    Call(
        method="GET",
        path="/healthz",
        handler=health.healthz,
        summary="Does the process answer?",
        tag="Node",
        access=Access.PUBLIC,
        answers={200: "Status"},
    ),
    Call(
        method="GET",
        path="/readyz",
        handler=health.readyz,
        summary="Should the node be given work?",
        tag="Node",
        access=Access.PUBLIC,
        answers={200: "Status", 503: "Problem"},
    ),
    Call(
        method="GET",
        path="/metrics",
        handler=metrics.metrics,
        summary="What the node counts, for Prometheus",
        tag="Node",
        access=Access.PUBLIC,
        answers={200: "Text", 401: "Problem", 403: "Problem"},
    ),
    Call(
        method="GET",
        path="/openapi.json",
        handler=openapi.openapi,
        summary="This description",
        tag="Node",
        access=Access.PUBLIC,
        answers={200: "Description"},
    ),
)


def add_routes(app: web.Application, services: Services) -> None:
    """Add the interface, its middleware, and the pages and files beside it."""
    before = set(app.router.resources())
    app[SERVICES] = services
    app[METRICS] = NodeMetrics(services.metrics, services.metrics_access)
    app[READINESS] = Readiness(services.checks)
    app[DESCRIPTION] = encode(describe(CALLS, API_VERSION))
    app[BATCHED] = RateLimit(services.batched_per_second)
    admission = Admission(
        services.authenticator,
        services.tickets,
        requests_per_minute=services.requests_per_minute,
        publishes_per_second=services.publishes_per_second,
        failures_per_address=services.failures_per_address,
        peer=services.peer,
    )
    app.on_cleanup.append(lambda _: admission.close())
    for call in CALLS:
        _add(app, call, admission.guard(call))
    add_files(app, services)
    app[OURS] = {resource.canonical for resource in set(app.router.resources()) - before}
    add_middleware(app)


def _add(app: web.Application, call: Call, handler: Handler) -> None:
    path = re.sub(r"{(\w+)}", r"{\1:[^/]+}", call.path)
    if call.method == "GET":
        # And HEAD, but where it would use up a ticket for nothing.
        app.router.add_get(path, handler, allow_head=not call.tickets)
    else:
        app.router.add_route(call.method, path, handler)
