"""How to reach Redis, and what it looks like when it cannot be reached."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from notifier.errors import ConfigurationError

FAILURES = (RedisError, OSError, TimeoutError, RuntimeError)
"""All that a command may raise when Redis cannot be reached. RuntimeError is how uvloop answers a
write to a connection that was reset a moment ago; redis-py passes it on."""

_UNUSABLE = (
    "redis-py cannot use it: an option behind ? that does not fit, a port that is no number, or a "
    "password that is not percent-encoded"
)


async def stop(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End tasks that use a client, whatever they end with.

    The client swallows a cancellation that comes while it is connecting, on uvloop at least: then
    the task goes on, and has to be told again.
    """
    told = list(tasks)
    while running := [task for task in told if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=0.1)
    await asyncio.gather(*told, return_exceptions=True)


def connect(
    url: str, *, setting: str = "REDIS_URL", verify_tls: bool = True, **options: Any
) -> aioredis.Redis:
    """A Redis client that fails fast: callers here know better when to try again.

    Without supported errors it does not even connect again on failure: in pub/sub two tasks share
    a connection, and both would, one leaving the other's socket open and forgotten. Raises
    ``ConfigurationError`` about ``setting`` if the address is none.
    """
    if url.startswith("rediss:") and not verify_tls:
        # Managed Redis of the Heroku kind shows a self-signed certificate.
        options["ssl_cert_reqs"] = ssl.CERT_NONE
        options["ssl_check_hostname"] = False
    try:
        client: aioredis.Redis = aioredis.Redis.from_url(
            url,
            socket_connect_timeout=2.0,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0, supported_errors=()),
            **options,
        )
        # Connects to nothing. An unknown option would end the task that connects first otherwise.
        pool: Any = client.connection_pool
        if pool.make_connection().encoder.decode_responses:
            raise ValueError("answers are read as bytes here")
    except Exception:  # whatever redis-py says may repeat a part of the password
        raise ConfigurationError([f"{setting}: {_UNUSABLE}"]) from None
    return client
