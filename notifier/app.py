"""Assembly: what a node is made of, and in which order its parts are built, opened and closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from aiohttp import web

from notifier.config import Config
from notifier.core.explain import Explainer
from notifier.core.feed import Feed
from notifier.core.jobs.runner import Runner
from notifier.core.models import now_ms
from notifier.core.ports import Bus, Store
from notifier.core.publishing import Publisher
from notifier.core.topics import Topics
from notifier.core.types import TypeCatalogue
from notifier.core.validity import Validity
from notifier.errors import Overloaded, StoreUnavailable
from notifier.http.auth import TokenAuthenticator
from notifier.http.demo import DemoSessions
from notifier.http.jwks import JsonWebKeys
from notifier.http.metrics import Metric, MetricsAccess
from notifier.http.readers import OutboxLimits, Readers
from notifier.http.routes import add_routes
from notifier.http.services import Services
from notifier.http.tickets import Tickets
from notifier.http.tokens import TokenVerifier
from notifier.identity import token_rules
from notifier.metering import counters, of_amqp, of_engine, of_queue
from notifier.process import (
    DAY,
    Consumers,
    leaving,
    open_consumers,
    open_runner,
    spare_collector,
)
from notifier.queue.intake import Intake
from notifier.realtime.bus import LocalBus
from notifier.realtime.channels import RedisChannels
from notifier.realtime.engine import EngineOptions, Refused
from notifier.realtime.hub import Hub
from notifier.realtime.inlet import Inlet
from notifier.realtime.messages import NAMESPACE
from notifier.realtime.namespace import NotificationsNamespace
from notifier.realtime.redis import RedisManager
from notifier.realtime.revalidation import Revalidation
from notifier.realtime.rooms import Rooms
from notifier.realtime.server import SocketServer
from notifier.resources import client_folder
from notifier.store import open_store

logger = logging.getLogger(__name__)

PURGE_SECONDS = 300.0
"""How often expired entries are removed from a store that does not do so itself."""

DRAIN_SECONDS = 3.0
"""Over how long leaving clients are spread, so that the other nodes are not stormed."""

KEEPALIVE_SECONDS = 95.0
"""Idle HTTP connections are kept for longer than routers of the Heroku kind keep theirs (90 s), so
that it is never us who close one that is about to be used."""

MAX_HEAD_LINE = 16_384
"""Bytes of a request's address, and of each header: the cursor of a user with a hundred topics is
longer than the 8 KiB that aiohttp takes. As much as config/nginx.conf lets through."""


class Node:
    """One process of Notifier. Built by ``open_node``; ``app`` is what aiohttp serves."""

    def __init__(self, config: Config, store: Store, stack: contextlib.AsyncExitStack) -> None:
        self.config = config
        self.app = web.Application()
        self.store = store
        self.draining = False
        self._stack = stack
        self._types = TypeCatalogue.load(config.catalogue)
        self._rules = token_rules(config.auth)

    async def open(self) -> None:
        """Build the parts from the inside out; each is closed in the reverse order."""
        self.channels = self._open_channels()
        self.rooms = self._rooms()
        self.hub = Hub(self.store, self.rooms if isinstance(self.rooms, RedisManager) else None)
        self.hub.start()
        self._stack.push_async_callback(self.hub.close)
        bus = self._bus()
        self.publisher = Publisher(
            self.store, bus, self._types, retention=self.config.retention.days * DAY
        )
        self._stack.push_async_callback(self.publisher.close)
        self.feed = Feed(self.store, bus, self._types)
        self.topics = Topics(self.store, bus, self._types)
        self.explainer = Explainer(self.store, self._types)
        self.validity = Validity(self.store, bus)
        self.authenticator = self._authenticator()
        self.server = self._socket_server()
        self.namespace = self._namespace()
        self._stack.push_async_callback(self.namespace.close)
        self.readers = self._readers()
        await self._stack.enter_async_context(_background(self.readers.run()))
        self.inlet = self._open_inlet()
        self.intake = Intake(self.publisher)
        self.queue, self.amqp = self._open_consumers()
        self.runner = self._open_runner(bus)
        await self._stack.enter_async_context(_background(self._purge_forever()))
        revalidation = Revalidation(self.hub, self.validity, self.store)
        await self._stack.enter_async_context(_background(revalidation.run()))
        add_routes(self.app, self._services())

    async def drain(self) -> None:
        """Leave: fail readiness, send every client elsewhere, spread over a few seconds."""
        if not self.draining:
            self.draining = True
            await asyncio.gather(self.server.eio.shutdown(), self.readers.drain())

    # Parts

    def _open_channels(self) -> RedisChannels | None:
        redis = self.config.redis
        if redis.url is None:
            return None
        channels = RedisChannels(redis.url, prefix=redis.channel, verify_tls=redis.verify_tls)
        channels.start()
        self._stack.push_async_callback(channels.close)
        return channels

    def _rooms(self) -> Rooms:
        if self.channels is None:
            return Rooms()
        return RedisManager(self.channels, prefix=self.config.redis.channel, namespace=NAMESPACE)

    def _bus(self) -> Bus:
        if isinstance(self.rooms, RedisManager):
            self.rooms.hub = self.hub
            return self.rooms
        return LocalBus(self.hub)

    def _authenticator(self) -> TokenAuthenticator:
        keys = None
        if self.config.auth.jwks_url is not None:
            keys = JsonWebKeys(self.config.auth.jwks_url)
            self._stack.push_async_callback(keys.close)
        return TokenAuthenticator(TokenVerifier(self._rules, keys), self.validity, self.store)

    def _socket_server(self) -> SocketServer:
        server = SocketServer(self.rooms, _engine_options(self.config), namespaces=[NAMESPACE])
        server.attach(self.app, "socket.io")
        return server

    def _namespace(self) -> NotificationsNamespace:
        namespace = NotificationsNamespace(
            self.server,
            self.rooms,
            self.hub,
            self.feed,
            self.authenticator,
            self._types,
            connections_per_user=self.config.limits.connections_per_user,
        )
        namespace.register()
        return namespace

    def _readers(self) -> Readers:
        readers = Readers(
            self.hub, self.feed, self.authenticator, self._seat, drain_seconds=DRAIN_SECONDS
        )

        async def drain(_: web.Application) -> None:
            await readers.drain()

        self.app.on_shutdown.append(drain)
        return readers

    @contextlib.contextmanager
    def _seat(self, request: web.Request, user: str) -> Iterator[None]:
        """Streams and polls count with the sockets of their user, address and node."""
        try:
            with self.server.eio.seat(request, user, self.config.limits.connections_per_user):
                yield
        except Refused as refusal:
            detail = f"No connection can be had now: {refusal.reason}."
            raise Overloaded(detail, retry_after=refusal.retry_after) from None

    def _open_inlet(self) -> Inlet | None:
        if self.channels is None:
            return None
        inlet = Inlet(
            self.channels,
            self.publisher,
            channel=self.config.redis.channel,
            namespace=NAMESPACE,
        )
        inlet.start()
        self._stack.push_async_callback(inlet.close)
        return inlet

    def _open_consumers(self) -> Consumers:
        if not self.config.queue.in_server:
            return Consumers()
        return open_consumers(self.config, self.intake, self.store, self._types, self._stack)

    def _open_runner(self, bus: Bus) -> Runner | None:
        if not self.config.jobs.in_server:
            return None
        return open_runner(self.config, self.store, bus, self.publisher, self._types, self._stack)

    def _services(self) -> Services:
        config = self.config
        return Services(
            feed=self.feed,
            topics=self.topics,
            explainer=self.explainer,
            publisher=self.publisher,
            authenticator=self.authenticator,
            readers=self.readers,
            tickets=Tickets(self.store, self.authenticator),
            validity=self.validity,
            peer=self.server.eio.peer,
            allows=self.server.eio.allows,
            outbox=OutboxLimits(config.limits.outbox_bytes, config.limits.outbox_seconds),
            requests_per_minute=config.limits.requests_per_minute,
            publishes_per_second=config.limits.publishes_per_second,
            batched_per_second=config.limits.batched_per_second,
            failures_per_address=config.limits.failures_per_address,
            checks={"node": self._check_draining, "store": self.store.ping, "bus": self._check_bus},
            metrics=self._metrics(),
            metrics_access=MetricsAccess(open=config.metrics.open, token=config.metrics.token),
            client_folder=client_folder(),
            demo=DemoSessions(self._rules) if config.demo.enabled else None,
        )

    # Checks and metrics

    async def _check_draining(self) -> None:
        if self.draining:
            raise Overloaded("This node is shutting down.")

    async def _check_bus(self) -> None:
        if self.channels is not None and self.channels.deaf:
            raise Overloaded("This node does not hear from Redis.")

    def _metrics(self) -> Sequence[Metric]:
        parts: dict[str, Any] = {
            "publisher": self.publisher.metrics,
            "delivery": self.publisher.delivery.metrics,
            "hub": self.hub.metrics,
        }
        if self.channels is not None:
            parts["redis"] = self.channels.metrics
        if self.inlet is not None:
            parts["inlet"] = self.inlet.metrics
        if self.queue is not None or self.amqp is not None:
            parts["queue"] = self.intake.metrics
        if self.runner is not None:
            parts["jobs"] = self.runner.metrics
        return [
            *counters(parts),
            *of_engine(self.server.eio.metrics),
            *self._gauges(),
            *(of_queue(self.queue) if self.queue is not None else ()),
            *(of_amqp(self.amqp) if self.amqp is not None else ()),
        ]

    def _gauges(self) -> Sequence[Metric]:
        return [
            Metric("notifier_hub_logs", "Logs with readers", "gauge", lambda: self.hub.logs),
            Metric(
                "notifier_readers", "Streams and polls", "gauge", lambda: self.readers.kinds, "kind"
            ),
            Metric("notifier_users", "Users connected", "gauge", lambda: self.namespace.users),
            Metric(
                "notifier_jobs_overdue",
                "Seconds for which the job due longest waits, as this node last saw",
                "gauge",
                lambda: 0.0 if self.runner is None else self.runner.overdue,
            ),
        ]

    async def _purge_forever(self) -> None:
        while True:
            await asyncio.sleep(PURGE_SECONDS)
            try:
                await self.store.purge(now_ms())
            except Exception:
                logger.exception("removing expired entries failed")


@contextlib.asynccontextmanager
async def open_node(config: Config) -> AsyncIterator[Node]:
    """A running node, closed at the end of the block. Raises what the store raises on opening."""
    async with contextlib.AsyncExitStack() as stack:
        store = await open_store(config.store.url)
        stack.push_async_callback(store.close)
        if config.env == "development":
            await _migrate(store)
        node = Node(config, store, stack)
        await node.open()
        yield node


async def _migrate(store: Store) -> None:
    """A laptop has no release phase, so the server migrates by itself there."""
    try:
        await store.migrate()
    except StoreUnavailable as error:
        logger.warning("the store could not be migrated: %s", error.detail)


async def create_app(config: Config) -> web.Application:
    """The node as an application, for those who run aiohttp themselves; closed at its cleanup."""
    opening = open_node(config)
    node = await opening.__aenter__()

    async def close(_: web.Application) -> None:
        await opening.__aexit__(None, None, None)

    node.app.on_cleanup.append(close)
    return node.app


async def serve(config: Config, *, ready: Callable[[str], None]) -> None:
    """Run a node until SIGTERM or SIGINT. ``ready`` is called with the URL once it listens."""
    leave = leaving()
    async with open_node(config) as node:
        runner = web.AppRunner(
            node.app,
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            shutdown_timeout=2.0,
            handler_cancellation=True,
            max_line_size=MAX_HEAD_LINE,
            max_field_size=MAX_HEAD_LINE,
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, config.server.host, config.server.port, backlog=4096)
            await site.start()
            spare_collector()
            ready(_url(config.server.host, runner.addresses[0][1]))
            await leave.wait()
            logger.info("leaving")
            await node.drain()
        finally:
            await runner.cleanup()


def _url(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


def _engine_options(config: Config) -> EngineOptions:
    limits = config.limits
    return EngineOptions(
        ping_interval=config.engine.ping_interval,
        ping_timeout=config.engine.ping_timeout,
        max_payload=limits.max_packet,
        origins=config.server.allowed_origins,
        trusted_hops=config.server.trusted_hops,
        outbox_bytes=limits.outbox_bytes,
        outbox_seconds=limits.outbox_seconds,
        packets_per_second=limits.packets_per_second,
        connections=limits.connections,
        connections_per_address=limits.connections_per_address,
        connects_per_address=limits.connects_per_address,
        drain_seconds=DRAIN_SECONDS,
        shutdown_seconds=config.server.shutdown_seconds,
    )


@contextlib.asynccontextmanager
async def _background(work: Any) -> AsyncIterator[None]:
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
