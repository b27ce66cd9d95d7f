"""Nodes that all tests of the contract share, and a client of each kind."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from notifier.core.models import ADMIN, Cursor, Principal, Receipt
from tests.realtime.nodes import Running, running, token
from tests.servers import fresh_database, until
from tests.transports.clients import TRANSPORTS, Client

UNRATIONED = {
    "NOTIFIER_LIMITS__REQUESTS_PER_MINUTE": "0",
    "NOTIFIER_LIMITS__CONNECTIONS_PER_USER": "0",
    "NOTIFIER_AUTH__LEEWAY_SECONDS": "0",
}

ROOT = Principal("root", scopes=frozenset({ADMIN}))

Connect = Callable[..., Client]


class Site:
    """One node or several that are one: what is done goes to one after the other."""

    def __init__(self, nodes: list[Running]) -> None:
        self.nodes = nodes
        self.urls = [node.url for node in nodes]
        self._turns = itertools.cycle(nodes)

    @property
    def next(self) -> Running:
        return next(self._turns)

    async def publish(self, to: str | list[str], title: str, **fields: Any) -> Receipt:
        return await self.next.publish(to, title, **fields)

    async def withdraw(self, receipt: Receipt) -> None:
        await self.next.withdraw(receipt)

    async def revoke(self, user: str, **what: Any) -> None:
        await self.next.node.validity.revoke(user, what, ROOT)

    async def cursor(self, user: str, **claims: Any) -> Cursor:
        """Where a user stands now."""
        node = self.next.node
        caller = await node.authenticator.user(token(user, **claims))
        return Cursor.parse((await node.feed.page(caller, {}))["cursor"])


@pytest.fixture(scope="module")
async def one_node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with running(tmp_path_factory.mktemp("node"), **UNRATIONED) as node:
        yield Site([node])


@pytest.fixture(scope="module")
async def two_nodes(mongodb_uri: str, redis_url: str) -> AsyncIterator[Site]:
    settings = {"REDIS_URL": redis_url, "NOTIFIER_REDIS__CHANNEL": f"test-{uuid4().hex[:12]}"}
    store = fresh_database(mongodb_uri)
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(running(store, **UNRATIONED, **settings))
            for _ in range(2)
        ]
        for each in nodes:
            await until(lambda each=each: _hears(each), what="the node to hear Redis")
        yield Site(nodes)


async def _hears(running: Running) -> bool:
    return running.node.channels is not None and running.node.channels.healthy


@pytest.fixture(params=["one_node", "two_nodes"])
def site(request: pytest.FixtureRequest) -> Site:
    found: Site = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=TRANSPORTS, ids=lambda transport: str(transport.name))
def transport(request: pytest.FixtureRequest) -> type[Client]:
    kind: type[Client] = request.param
    return kind


@pytest.fixture
def user() -> str:
    """Somebody nobody has heard of."""
    return f"u-{uuid4().hex[:8]}"


@pytest.fixture
async def client(transport: type[Client], user: str) -> AsyncIterator[Connect]:
    """Make clients of the user: ``client(site, cursor, roles=...)``. They leave after the test.

    Those with the same claims share one token.
    """
    made: list[Client] = []
    tokens: dict[str, str] = {}

    def make(site: Site, cursor: Cursor | None = None, **claims: Any) -> Client:
        proof = tokens.setdefault(repr(claims), token(user, **claims))
        made.append(transport(site.urls, lambda: proof, cursor))
        return made[-1]

    yield make
    for one in made:
        await one.close()
