"""One call of the interface: what it takes, what it answers, and who may make it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from aiohttp import web
from aiohttp.typedefs import Handler
from marshmallow import Schema

from notifier.core.credentials import PREFIX
from notifier.core.errands import Errands
from notifier.core.limits import RateLimit
from notifier.core.models import Principal
from notifier.core.ports import Authenticator
from notifier.errors import MalformedRequest, RateLimited, Unauthenticated
from notifier.http.auth import bearer_of
from notifier.http.tickets import PARAMETER as TICKET
from notifier.http.tickets import Tickets

CALLER = web.RequestKey("caller", Principal)
"""Who makes the call; set for every call that is not public."""

Peer = Callable[[web.Request], Hashable]
"""What a stranger is counted as: the address, or the network, that a request comes from."""


def arguments(request: web.Request) -> dict[str, str]:
    """The query as arguments, without the ticket that may stand among them.

    A name that stands twice has no one meaning and is refused.
    """
    if len(request.query) != len(set(request.query)):
        raise MalformedRequest("A parameter stands twice in the query.")
    return {name: value for name, value in request.query.items() if name != TICKET}


class Access(Enum):
    """Who may make a call, and which limit counts it."""

    PUBLIC = "public"
    READER = "reader"
    PUBLISHER = "publisher"
    ADMIN = "admin"


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

    @property
    def changes(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET"


class Admission:
    """Lets callers in: authenticates them and holds them to their limits.

    A call that changes something is carried to its end, also when its caller hangs up: others are
    told of what was stored. Publishing is counted apart from everything else, so that a publisher
    who is also a user can use both limits in full. Tickets and service keys that prove nothing are
    counted by ``peer``: each asks the store, which a token's signature does not.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        tickets: Tickets,
        *,
        requests_per_minute: int,
        publishes_per_second: int,
        failures_per_address: int,
        peer: Peer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authenticator = authenticator
        self._tickets = tickets
        self._errands = Errands()
        self._limits = {
            Access.READER: RateLimit(requests_per_minute, 60.0),
            Access.PUBLISHER: RateLimit(publishes_per_second),
            Access.ADMIN: RateLimit(requests_per_minute, 60.0),
        }
        self._failures = RateLimit(failures_per_address, 60.0)
        self._peer = peer
        self._clock = clock

    def guard(self, call: Call) -> Handler:
        """The handler of a call, reached only by those who may make it."""
        if call.access is Access.PUBLIC:
            return call.handler

        async def guarded(request: web.Request) -> web.StreamResponse:
            request[CALLER] = caller = await self._caller(request, call)
            wait = self._limits[call.access].take(caller.publisher, self._clock())
            if wait:
                raise RateLimited("Too many requests; slow down.", retry_after=wait)
            if call.changes:
                return await self._errands.to_its_end(call.handler(request))
            return await call.handler(request)

        return guarded

    async def close(self) -> None:
        """Wait until what was stored has been told."""
        await self._errands.close()

    async def _caller(self, request: web.Request, call: Call) -> Principal:
        ticket = request.query.get(TICKET)
        if call.tickets and ticket is not None and "Authorization" not in request.headers:
            with self._counting_failures(request):
                return await self._tickets.redeem(ticket)
        bearer = bearer_of(request.headers)
        if bearer.startswith(PREFIX):
            with self._counting_failures(request):
                return await self._authenticator.caller(bearer)
        return await self._authenticator.caller(bearer)

    @contextlib.contextmanager
    def _counting_failures(self, request: web.Request) -> Iterator[None]:
        """Raises ``RateLimited`` where too many have failed, before the store is asked."""
        peer = self._peer(request)
        wait = self._failures.wait(peer, self._clock())
        if wait:
            detail = "Too many credentials from your address were not valid; slow down."
            raise RateLimited(detail, retry_after=wait)
        try:
            yield
        except Unauthenticated:
            self._failures.take(peer, self._clock())
            raise
