"""A process for the jobs alone: it has the store and the bus, and listens to nobody."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from notifier.config import Config
from notifier.core.ports import Bus, Store
from notifier.core.publishing import Publisher
from notifier.core.types import TypeCatalogue
from notifier.process import DAY, leaving, open_consumers, open_runner, spare_collector
from notifier.queue.intake import Intake
from notifier.realtime.bus import LocalBus
from notifier.realtime.channels import RedisChannels
from notifier.realtime.hub import Hub
from notifier.realtime.messages import NAMESPACE
from notifier.realtime.redis import RedisManager
from notifier.store import open_store

logger = logging.getLogger(__name__)


async def work(config: Config, *, ready: Callable[[], None]) -> None:
    """Run jobs until SIGTERM or SIGINT, then finish those at hand."""
    leave = leaving()
    async with contextlib.AsyncExitStack() as stack:
        store = await open_store(config.store.url)
        stack.push_async_callback(store.close)
        bus = await stack.enter_async_context(_bus(config, store))
        types, retention = TypeCatalogue.load(config.catalogue), config.retention.days * DAY
        publisher = Publisher(store, bus, types, retention=retention)
        stack.push_async_callback(publisher.close)
        open_runner(config, store, bus, publisher, types, stack)
        open_consumers(config, Intake(publisher), store, types, stack)
        spare_collector()
        ready()
        await leave.wait()
        logger.info("leaving")


@contextlib.asynccontextmanager
async def _bus(config: Config, store: Store) -> AsyncIterator[Bus]:
    """Tells the nodes, through Redis. Without it they find out by asking the store."""
    redis = config.redis
    if redis.url is None:
        logger.warning("without Redis, open pages show within 20 s what this worker does")
        yield LocalBus(Hub(store))
        return
    channels = RedisChannels(redis.url, prefix=redis.channel, verify_tls=redis.verify_tls)
    channels.start()
    try:
        yield RedisManager(channels, prefix=redis.channel, namespace=NAMESPACE)
    finally:
        await channels.close()
