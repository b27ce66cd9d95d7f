"""nginx and HAProxy, configured as shipped, before three real nodes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from notifier.core.models import PUBLISH
from notifier.http.tokens import TokenRules, sign
from notifier.store import open_store
from tests.balancers import Balancer, Certificate, HAProxy, Nginx
from tests.eventsource import open_stream
from tests.servers import NotifierProcess, fresh_database, until
from tests.transports.clients import TRANSPORTS, Client, EnginePolling, Refused

SECRET = "a secret of the tests that is long enough"

Start = Callable[..., Awaitable[Balancer]]


def token(user: str, *scopes: str) -> str:
    return sign(TokenRules(secrets=(SECRET,)), user, lifetime=3600, scopes=scopes)


@pytest.fixture(scope="module")
async def nodes(
    mongodb_uri: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[NotifierProcess]]:
    store = await open_store(uri := fresh_database(mongodb_uri))
    await store.migrate()
    await store.close()
    settings = {
        "NOTIFIER_ENV": "test",
        "NOTIFIER_JWT_SECRET": SECRET,
        "MONGODB_URI": uri,
        "REDIS_URL": redis_url,
        "NOTIFIER_REDIS__CHANNEL": f"test-{uuid4().hex[:12]}",
        "NOTIFIER_SERVER__TRUSTED_HOPS": "1",
        "NOTIFIER_LIMITS__REQUESTS_PER_MINUTE": "0",
    }
    started = [NotifierProcess(tmp_path_factory.mktemp("node"), settings) for _ in range(3)]
    for node in started:
        await node.start()
    yield started
    for node in started:
        await node.kill()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=[Nginx, HAProxy], ids=["nginx", "haproxy"])
def kind(request: pytest.FixtureRequest) -> type[Balancer]:
    found: type[Balancer] = request.param
    return found


@pytest.fixture
async def start(
    kind: type[Balancer],
    nodes: list[NotifierProcess],
    certificate: Certificate,
    tmp_path: Path,
) -> AsyncIterator[Start]:
    """Start the balancer, with these texts of its configuration replaced."""
    stack = AsyncExitStack()

    async def start_one(changes: dict[str, str] | None = None) -> Balancer:
        addresses = [f"127.0.0.1:{node.port}" for node in nodes]
        balancer = kind(tmp_path / "balancer", addresses, certificate, changes)
        stack.push_async_callback(balancer.kill)
        await balancer.start()
        return balancer

    async with stack:
        yield start_one


@pytest.fixture
async def web(certificate: Certificate) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=certificate.trust)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def publish(web: aiohttp.ClientSession, url: str, user: str, title: str) -> None:
    """Publish as a client should: again with the same key, until it is accepted."""
    headers = {
        "Authorization": f"Bearer {token('publisher', PUBLISH)}",
        "Idempotency-Key": uuid4().hex,
    }
    body = {"to": f"user:{user}", "title": title}

    async def accepted() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            address = f"{url}/v1/notifications"
            async with web.post(address, json=body, headers=headers) as answer:
                return answer.status == 201
        return False

    await until(accepted, what="the notification to be accepted")


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: str(transport.name))
async def test_every_transport_passes_through(
    transport: type[Client], start: Start, web: aiohttp.ClientSession, certificate: Certificate
) -> None:
    """Over TLS; what was missed, then what comes at the moment it comes."""
    balancer, user = await start(), f"u-{uuid4().hex[:8]}"
    reader = transport([balancer.url], lambda: token(user), tls=certificate.trust)
    await reader.visit()
    await reader.close()
    for title in "ab":
        await publish(web, balancer.url, user, title)
    past = await reader.visit()
    assert [told.data["title"] for told in past[:-1]] == ["a", "b"]
    for title in "cd":
        await publish(web, balancer.url, user, title)
        assert await reader.shown(1) == [title]
    await reader.close()


async def test_a_killed_node_is_passed_by(
    start: Start,
    nodes: list[NotifierProcess],
    web: aiohttp.ClientSession,
    certificate: Certificate,
) -> None:
    """Readers of all transports come back elsewhere with their cursors; nothing is lost, nothing
    comes twice, and what is published is accepted."""
    balancer, user = await start(), f"u-{uuid4().hex[:8]}"
    readers = [
        transport([balancer.url], lambda: token(user), tls=certificate.trust)
        for transport in TRANSPORTS
    ]
    for reader in readers:
        await reader.visit()
    following = [asyncio.create_task(follow(reader, 60)) for reader in readers]
    for number in range(60):
        if number == 20:
            await nodes[0].kill()
        if number == 40:
            await nodes[0].start()
        await publish(web, balancer.url, user, f"{number}")
    shown = await asyncio.gather(*following)
    for reader, titles in zip(readers, shown, strict=True):
        await reader.close()
        assert titles == [f"{number}" for number in range(60)], reader.name


async def follow(reader: Client, count: int) -> list[str]:
    """The titles of so many notifications, whatever happens to the connection."""
    titles: list[str] = []
    while len(titles) < count:
        try:
            told = await reader.next()
        except (aiohttp.ClientError, OSError, AssertionError):
            told = None
        if told is not None and told.name == "notification":
            titles.append(told.data["title"])
        if told is None or told.name == "end":
            await come_back(reader)
    return titles


async def come_back(reader: Client) -> None:
    async def is_back() -> bool:
        await reader.close()
        try:
            await reader.connect()
        except (aiohttp.ClientError, OSError, AssertionError, Refused):
            return False
        return True

    await until(is_back, what=f"{reader.name} to be let in again")


WAYS = {
    "least connections": {Nginx: {}, HAProxy: {}},
    "one after the other": {
        Nginx: {"        least_conn;\n": ""},
        HAProxy: {"default_backend least_connections": "default_backend one_after_the_other"},
    },
    "by address": {
        Nginx: {"least_conn;\n": "ip_hash;\n"},
        HAProxy: {"default_backend least_connections": "default_backend by_address"},
    },
}


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("least connections", [3, 3, 3]),
        ("one after the other", [3, 3, 3]),
        ("by address", [0, 0, 9]),
    ],
)
async def test_connections_are_spread(
    way: str,
    expected: list[int],
    kind: type[Balancer],
    start: Start,
    nodes: list[NotifierProcess],
    web: aiohttp.ClientSession,
) -> None:
    """Nine streams from one address: by the way that is chosen in the configuration."""
    balancer = await start(WAYS[way][kind])
    async with AsyncExitStack() as stack:
        for number in range(9):
            stream = await stack.enter_async_context(
                open_stream(web, f"{balancer.url}/v1/feed/stream", token=token(f"{number}"))
            )
            await stream.expect("synced")
        assert sorted([await streams_of(web, node) for node in nodes]) == expected


async def streams_of(web: aiohttp.ClientSession, node: NotifierProcess) -> int:
    async with web.get(f"{node.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    gauge = 'notifier_readers{kind="stream"} '
    return int(sum(float(line[len(gauge) :]) for line in lines if line.startswith(gauge)))


async def test_engine_polling_stays_with_its_node_and_websockets_are_free(
    start: Start, web: aiohttp.ClientSession, certificate: Certificate
) -> None:
    """Six sessions of long-polling at once, through a balancer that spreads everything else."""
    balancer, user = await start(), f"u-{uuid4().hex[:8]}"
    readers = [
        EnginePolling([balancer.url], lambda: token(user), tls=certificate.trust) for _ in range(6)
    ]
    for reader in readers:
        await reader.visit()
    for title in "abc":
        await publish(web, balancer.url, user, title)
    for reader in readers:
        assert await reader.shown(3) == ["a", "b", "c"]
        await reader.close()


async def test_plain_http_leads_to_tls(start: Start, web: aiohttp.ClientSession) -> None:
    """With the method kept; no token is asked for, and none is taken."""
    balancer = await start()
    address = f"http://127.0.0.1:{balancer.plain_port}/v1/feed?limit=1"
    async with web.get(address, allow_redirects=False) as answer:
        assert answer.status == 308
        assert answer.headers["Location"].startswith("https://127.0.0.1")
        assert answer.headers["Location"].endswith("/v1/feed?limit=1")


async def test_tickets_are_not_logged(start: Start, web: aiohttp.ClientSession) -> None:
    """The address is, without its query."""
    balancer = await start()
    headers = {"Authorization": f"Bearer {token('ada')}"}
    async with web.post(f"{balancer.url}/v1/tickets", headers=headers) as answer:
        ticket = (await answer.json())["ticket"]
    async with web.get(f"{balancer.url}/v1/feed/poll", params={"ticket": ticket}) as answer:
        assert answer.status == 200

    async def is_logged() -> bool:
        return "GET /v1/feed/poll 200" in balancer.output

    await until(is_logged, what="the call to be logged")
    assert ticket not in balancer.output


async def test_the_address_of_a_client_cannot_be_forged(
    start: Start, nodes: list[NotifierProcess], web: aiohttp.ClientSession
) -> None:
    """A node believes what the balancer appended, not what the client sent before it."""
    balancer = await start()
    headers = {"Authorization": f"Bearer {token('ada')}", "X-Forwarded-For": "203.0.113.7"}
    address = f"{balancer.url}/socket.io/?EIO=4&transport=polling"
    async with web.get(address, headers=headers) as answer:
        assert answer.status == 200
    logs = "".join(node.output for node in nodes)
    assert "203.0.113.7" not in logs
