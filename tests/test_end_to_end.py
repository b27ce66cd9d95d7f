"""Two servers with MongoDB and Redis, and people who use them, through crashes and deploys."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from socketio.exceptions import ConnectionError as SocketConnectionError

from notifier.core.models import ADMIN, PUBLISH, Cursor, Ref
from notifier.http.tokens import TokenRules, sign
from tests.realtime.engine.wire import until
from tests.realtime.nodes import SECRET, Client, token
from tests.servers import REPOSITORY, NotifierProcess, clean_environment, fresh_database


class Site:
    """Two servers of one installation."""

    def __init__(self, servers: list[NotifierProcess], http: aiohttp.ClientSession) -> None:
        self.servers = servers
        self.http = http

    async def publish(self, server: int, to: str, title: str) -> str:
        """Publish as a service does that wants to be sure: try again, elsewhere, with one key.

        The id of the notification.
        """
        body, key = {"to": to, "title": title}, {"Idempotency-Key": str(uuid4())}
        for attempt in range(100):
            url = f"{self.servers[(server + attempt) % 2].url}/v1/notifications"
            with suppress(aiohttp.ClientConnectionError):
                async with self.http.post(url, json=body, headers=key) as answer:
                    if answer.status == 201:
                        return str((await answer.json())["id"])
        raise AssertionError("nobody accepted it")

    def client(self, server: int, user: str, since: Any = None) -> Client:
        return Client(self.servers[server].url, {"token": token(user), "since": since})

    async def ask(self, server: int, method: str, path: str, user: str, **options: Any) -> Any:
        """What a user's own request is answered."""
        url = f"{self.servers[server].url}{path}"
        headers = {"Authorization": f"Bearer {token(user)}"}
        async with self.http.request(method, url, headers=headers, **options) as answer:
            assert answer.status == 200
            return await answer.json()


@pytest.fixture(scope="module")
async def site(
    tmp_path_factory: pytest.TempPathFactory, mongodb_uri: str, redis_url: str
) -> AsyncIterator[Site]:
    """Both servers, running when a test begins and when it ends."""
    database = fresh_database(mongodb_uri)
    env = {
        "NOTIFIER_ENV": "test",
        "NOTIFIER_JWT_SECRET": SECRET,
        "MONGODB_URI": database,
        "REDIS_URL": redis_url,
        "NOTIFIER_REDIS__CHANNEL": f"test-{uuid4().hex[:12]}",
    }
    migrating = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "notifier", "migrate"),
        cwd=REPOSITORY,
        env={**clean_environment(), **env},
    )
    assert await migrating.wait() == 0
    servers = [NotifierProcess(tmp_path_factory.mktemp("notifier"), env) for _ in range(2)]
    shop = sign(TokenRules(secrets=(SECRET,)), "shop", lifetime=3600, scopes=[PUBLISH, ADMIN])
    try:
        await asyncio.gather(*(server.start() for server in servers))
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {shop}"}) as http:
            yield Site(servers, http)
    finally:
        for server in servers:
            if server.is_running:
                await server.kill()


class Reader:
    """Somebody with the page open, who comes back whenever the connection is lost.

    Does what the protocol asks of clients: keeps a cursor, drops what lies behind it, and notices a
    gap. Goes to the other server when one is away.
    """

    def __init__(self, site: Site, server: int, user: str) -> None:
        self.site = site
        self.server = server
        self.user = user
        self.cursor: Cursor | None = None
        self.titles: list[str] = []
        self.visits = 0
        self._read = 0
        self._client: Client | None = None

    async def stay(self) -> None:
        """Read until cancelled."""
        while True:
            with suppress(SocketConnectionError):
                async with self.site.client(self.server, self.user, self.cursor) as self._client:
                    self.visits += 1
                    self._read = 0
                    await self._client.sio.wait()
            self.look()
            self.server = 1 - self.server
            await asyncio.sleep(0.02)

    def look(self) -> list[str]:
        """The titles of everything so far."""
        events = self._client.events[self._read :] if self._client is not None else []
        self._read += len(events)
        for name, payload in events:
            if name == "notification":
                self._take(Ref.parse(payload["id"]), payload["title"])
            if name == "synced":
                assert payload["recovered"]
                self.cursor = Cursor.parse(payload["cursor"])
        return self.titles

    def _take(self, ref: Ref, title: str) -> None:
        assert self.cursor is not None
        if ref.seq > self.cursor[ref.audience]:
            empty = self.cursor[ref.audience] == 0
            assert empty or ref.seq == self.cursor[ref.audience] + 1, f"a gap before {ref}"
            self.cursor[ref.audience] = ref.seq
            self.titles.append(title)


class Readers:
    """Several readers, reading while the block lasts; each has been there when it begins."""

    def __init__(self, *readers: Reader) -> None:
        self.readers = readers

    async def __aenter__(self) -> None:
        self._staying = [asyncio.create_task(reader.stay()) for reader in self.readers]
        await until(lambda: all(reader.look() == [] and reader.cursor for reader in self.readers))

    async def __aexit__(self, *_: object) -> None:
        for staying in self._staying:
            staying.cancel()
        outcomes = await asyncio.gather(*self._staying, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)


async def test_two_servers_are_one_site(site: Site) -> None:
    """Published, read and taken back at one, it is shown, cleared and removed at both."""
    async with site.client(0, "ada") as phone, site.client(1, "ada") as laptop:
        for client in (phone, laptop):
            await client.until("synced")
        notification = await site.publish(0, "user:ada", "Lunch?")
        [entry] = await laptop.until("notification")
        assert await phone.until("notification") == [entry]
        page = await site.ask(1, "GET", "/v1/feed", "ada")
        assert [item["id"] for item in page["items"]] == [entry["id"]]
        counts = await site.ask(1, "POST", "/v1/feed/read", "ada", json={"ids": [entry["id"]]})
        for client in (phone, laptop):
            assert await client.until("state") == [{"read": [entry["id"]], "counts": counts}]
        url = f"{site.servers[1].url}/v1/notifications/{notification}"
        async with site.http.delete(url) as answer:
            assert answer.status == 204
        for client in (phone, laptop):
            assert (await client.until("removed"))[0]["ids"] == [entry["id"]]
        assert (await site.ask(0, "GET", "/v1/feed", "ada"))["items"] == []


async def test_a_crash_loses_and_repeats_nothing(site: Site) -> None:
    """A server is killed while publishing goes on: every reader reads all of it once, in order."""
    readers = [Reader(site, server, user) for server in (0, 1) for user in ("ada", "grace")]
    async with Readers(*readers):
        expected = []
        for n in range(60):
            if n == 20:
                await site.servers[0].kill()
            if n == 40:
                await site.servers[0].start()
            expected.append(str(n))
            await site.publish(n % 2, "everyone", str(n))
        for reader in readers:
            await until(lambda reader=reader: len(reader.look()) >= 60)
            assert reader.look() == expected
    assert max(reader.visits for reader in readers) >= 2


async def test_a_deploy_loses_and_repeats_nothing(site: Site) -> None:
    """Both servers are replaced one after the other while publishing goes on."""
    readers = [Reader(site, server, "ada") for server in (0, 1, 0, 1)]
    expected = []
    publishing = True

    async def publish_on() -> None:
        while publishing:
            expected.append(str(len(expected)))
            await site.publish(len(expected) % 2, "user:ada", expected[-1])

    async with Readers(*readers):
        publisher = asyncio.create_task(publish_on())
        for server in site.servers:
            assert await server.stop() == 0
            await server.start()
        publishing = False
        await publisher
        for reader in readers:
            await until(lambda reader=reader: len(reader.look()) >= len(expected))
            assert reader.look() == expected
            assert reader.visits >= 2


async def test_who_was_away_finds_everything_in_order(site: Site) -> None:
    """A phone that slept through publishing at both servers reads what it missed, then goes on."""
    phone = Reader(site, 0, "ada")
    async with Readers(phone):
        await site.publish(0, "user:ada", "before")
        await until(lambda: phone.look() == ["before"])
    missed = [str(n) for n in range(30)]
    for n, title in enumerate(missed):
        await site.publish(n % 2, ["user:ada", "everyone"][n // 15], title)
    async with site.client(1, "ada", phone.cursor) as back:
        await back.until("synced")
        await site.publish(0, "user:ada", "after")
        await back.until("notification", 31)
        assert back.titles == [*missed, "after"]
        assert len(back.got("synced")) == 1
