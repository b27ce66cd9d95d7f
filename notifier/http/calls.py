"""One call of the interface: what it takes, what it answers, and who may make it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from aiohttp import web
from aiohttp.typedefs import Handler
from marshmallow import Schema

from notifier.core.limits import RateLimit
from notifier.core.models import Principal
from notifier.core.ports import Authenticator
from notifier.errors import RateLimited
from notifier.http.auth import bearer_of

CALLER = web.RequestKey("caller", Principal)
"""Who makes the call; set for every call that is not public."""


class Access(Enum):
    """Who may make a call, and which limit counts it."""

    PUBLIC = "public"
    READER = "reader"
    PUBLISHER = "publisher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A row of the table of routes, from which the routes and their description are made.

    ``tickets``: a ticket in the address admits as well as a token in the header. ``answers`` maps
    a status to the name of the described shape of the answer, None for no content; what can go
    wrong with every call need not be repeated.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    access: Access = Access.READER
    body: Schema | None = None
    query: Schema | None = None
    headers: tuple[str, ...] = ()
    tickets: bool = False
    answers: Mapping[int, str | None]


class Admission:
    """Lets callers in: authenticates them and holds them to their limits.

    Publishing is counted apart from everything else, so that a publisher who is also a user can use
    both limits in full.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        *,
        requests_per_minute: int,
        publishes_per_second: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authenticator = authenticator
        self._limits = {
            Access.READER: RateLimit(requests_per_minute, 60.0),
            Access.PUBLISHER: RateLimit(publishes_per_second),
        }
        self._clock = clock

    def guard(self, call: Call) -> Handler:
        """The handler of a call, reached only by those who may make it."""
        if call.access is Access.PUBLIC:
            return call.handler

        async def guarded(request: web.Request) -> web.StreamResponse:
            request[CALLER] = await self._admit(request, call.access)
            return await call.handler(request)

        return guarded

    async def _admit(self, request: web.Request, access: Access) -> Principal:
        caller = await self._authenticator.caller(bearer_of(request.headers))
        wait = self._limits[access].take(caller.publisher, self._clock())
        if wait:
            raise RateLimited("Too many requests; slow down.", retry_after=wait)
        return caller
