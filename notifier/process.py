"""What a node and a worker have in common: how they read the queue, run jobs, and end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from notifier.config import Config
from notifier.core.jobs.digests import Digests
from notifier.core.jobs.runner import Runner, handlers
from notifier.core.models import now_ms
from notifier.core.ports import Bus, Store
from notifier.core.publishing import Publisher
from notifier.core.types import NotificationType, TypeCatalogue
from notifier.queue.consumer import Consumer
from notifier.queue.intake import Intake

if TYPE_CHECKING:
    from notifier.queue.amqp.consumer import Consumer as AmqpConsumer

DAY = 86_400_000


class Consumers(NamedTuple):
    """What reads the queue, of each broker that there is."""

    redis: Consumer | None = None
    amqp: AmqpConsumer | None = None


def open_consumers(
    config: Config,
    intake: Intake,
    store: Store,
    types: Mapping[str, NotificationType],
    stack: contextlib.AsyncExitStack,
) -> Consumers:
    """Start them, to be closed with the stack."""
    consumers = Consumers(
        _redis_consumer(config, intake, types), _amqp_consumer(config, intake, store)
    )
    for consumer in consumers:
        if consumer is not None:
            consumer.start()
            stack.push_async_callback(consumer.close)
    return consumers


def _redis_consumer(
    config: Config, intake: Intake, types: Mapping[str, NotificationType]
) -> Consumer | None:
    redis = config.redis
    if redis.url is None:
        return None
    return Consumer(redis.url, intake, types, prefix=redis.channel, verify_tls=redis.verify_tls)


def _amqp_consumer(config: Config, intake: Intake, store: Store) -> AmqpConsumer | None:
    """Its library comes with an extra."""
    amqp = config.amqp
    if amqp.url is None:
        return None
    from notifier.queue.amqp.consumer import Consumer as AmqpConsumer

    return AmqpConsumer(amqp.url, intake, prefix=amqp.prefix, ping=store.ping)


def open_runner(
    config: Config,
    store: Store,
    bus: Bus,
    publisher: Publisher,
    types: TypeCatalogue,
    stack: contextlib.AsyncExitStack,
) -> Runner:
    """Start running jobs; ended with the stack, those at hand finished."""
    retention = config.retention.days * DAY
    digests = Digests(store, bus, types, retention=retention, clock=now_ms)
    lease = int(config.jobs.lease_seconds * 1000)
    runner = Runner(store, handlers(publisher, digests), lease=lease)
    runner.start()
    stack.push_async_callback(runner.close)
    return runner


def spare_collector() -> None:
    """Leave what is here for good out of garbage collections, and collect less often.

    By default a tenth of the CPU time of publishing goes into looking at a hundred thousand objects
    that never become garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def leaving() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(name, leave.set)
    return leave
