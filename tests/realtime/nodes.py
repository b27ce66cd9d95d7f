"""A whole node in this process, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import socketio
from aiohttp import web

from notifier.app import Node, open_node
from notifier.config import load_config
from notifier.core.models import PUBLISH, Cursor, Principal, Receipt, Ref
from notifier.http.tokens import TokenRules, sign
from notifier.realtime.messages import NAMESPACE
from tests.realtime.engine.wire import PATIENCE, Wire, until

SECRET = "a secret of thirty-two bytes or so"

SERVICE = Principal("shop", is_service=True, scopes=frozenset({PUBLISH}))

EVENTS = ("notification", "removed", "state", "synced", "preferences", "auth_expiring", "goodbye")


def token(user: str, *, lifetime: int = 3600, roles: tuple[str, ...] = ()) -> str:
    """A token that every node here believes, for so many seconds."""
    rules = TokenRules(secrets=(SECRET,))
    return sign(rules, user, lifetime=lifetime, roles=roles)


class Client:
    """A stock Socket.IO client of one user, which keeps what it is told.

    Within ``async with`` it is connected.
    """

    def __init__(self, url: str, auth: dict[str, Any]) -> None:
        self.url = url
        self.auth = auth
        self.events: list[tuple[str, Any]] = []
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        http = await self._closing.enter_async_context(aiohttp.ClientSession())
        self.sio = socketio.AsyncClient(reconnection=False, http_session=http)
        for event in EVENTS:
            self.sio.on(event, self._note(event), namespace=NAMESPACE)
        self._closing.push_async_callback(self.sio.disconnect)
        try:
            await self.sio.connect(
                self.url,
                namespaces=[NAMESPACE],
                auth=self.auth,
                transports=["websocket"],
                wait_timeout=PATIENCE,
            )
        except BaseException:
            await self._closing.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._closing.aclose()

    @property
    def sid(self) -> str:
        return str(self.sio.get_sid(NAMESPACE))

    @property
    def connected(self) -> bool:
        return bool(self.sio.connected)

    def got(self, event: str) -> list[Any]:
        """The payloads of an event so far."""
        return [payload for name, payload in self.events if name == event]

    async def until(self, event: str, count: int = 1) -> list[Any]:
        """The payloads of an event, once there are so many of them."""
        await until(lambda: len(self.got(event)) >= count)
        return self.got(event)

    @property
    def titles(self) -> list[str]:
        """The titles of all notifications so far."""
        return [entry["title"] for entry in self.got("notification")]

    async def ask(self, event: str, *arguments: Any) -> dict[str, Any]:
        """Send an event; its whole acknowledgement."""
        answer: dict[str, Any] = await self.sio.call(
            event, arguments, namespace=NAMESPACE, timeout=PATIENCE
        )
        return answer

    async def call(self, event: str, argument: Any = None) -> Any:
        """Send an event that must succeed; the data of its acknowledgement."""
        answer = await self.ask(event, {} if argument is None else argument)
        assert answer["ok"], answer
        return answer["data"]

    async def refused(self, event: str, argument: Any = None) -> dict[str, Any]:
        """Send an event that must fail; its error."""
        answer = await self.ask(event, {} if argument is None else argument)
        assert not answer["ok"], answer
        error: dict[str, Any] = answer["error"]
        return error

    async def settled(self) -> None:
        """Return when everything that was sent to this client before has come."""
        await self.call("get_preferences")

    def _note(self, event: str) -> Any:
        def handler(payload: Any) -> None:
            self.events.append((event, payload))

        return handler


class Running:
    """A node that serves on a port of its own."""

    def __init__(self, node: Node, wire: Wire) -> None:
        self.node = node
        self.wire = wire
        self.url = f"http://127.0.0.1:{wire.port}"

    async def publish(self, to: str | list[str], title: str = "Hello", **fields: Any) -> Receipt:
        """Publish on this node as a service."""
        return await self.node.publisher.publish({"to": to, "title": title, **fields}, SERVICE)

    async def withdraw(self, receipt: Receipt) -> None:
        """Take a notification back on this node."""
        await self.node.publisher.withdraw(receipt.notification_id, SERVICE)

    async def head(self, *audiences: str) -> Cursor:
        """Where these logs stand."""
        return Cursor(await self.node.store.heads(audiences))

    def client(
        self,
        user: str,
        *,
        roles: tuple[str, ...] = (),
        since: Any = None,
        lifetime: int = 3600,
    ) -> Client:
        """A client of a user, to be connected with ``async with``."""
        auth = {"token": token(user, lifetime=lifetime, roles=roles), "since": since}
        return Client(self.url, auth)

    @asynccontextmanager
    async def synced(self, user: str, **options: Any) -> AsyncIterator[Client]:
        """A connected client of a user, at the end of its replay."""
        async with self.client(user, **options) as client:
            await client.until("synced")
            yield client


@asynccontextmanager
async def running(store: Path | str, **variables: str) -> AsyncIterator[Running]:
    """A node on the SQLite file in a folder, or on a store elsewhere."""
    url = f"sqlite:///{store}/notifier.db" if isinstance(store, Path) else store
    settings = {
        "NOTIFIER_ENV": "test",
        "NOTIFIER_STORE": url,
        "NOTIFIER_JWT_SECRET": SECRET,
        "NOTIFIER_LIMITS__PACKETS_PER_SECOND": "0",
        **variables,
    }
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(open_node(load_config(settings)))
        await node.store.migrate()
        runner = web.AppRunner(
            node.app, access_log=None, handler_cancellation=True, shutdown_timeout=2.0
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Running(node, Wire(http, runner, "/socket.io/"))


def refs(entries: list[dict[str, Any]]) -> list[Ref]:
    """The places of entries as a client got them."""
    return [Ref.parse(entry["id"]) for entry in entries]
