"""How to reach Redis, and what it looks like when it cannot be reached."""

from __future__ import annotations

import ssl
from typing import Any

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

FAILURES = (RedisError, OSError, TimeoutError, RuntimeError)
"""All that a command may raise when Redis cannot be reached. RuntimeError is how uvloop answers a
write to a connection that was reset a moment ago; redis-py passes it on."""


def connect(url: str, *, verify_tls: bool = True, **options: Any) -> aioredis.Redis:
    """A Redis client that fails fast: callers here know better when to try again."""
    if url.startswith("rediss:") and not verify_tls:
        # Managed Redis of the Heroku kind shows a self-signed certificate.
        options["ssl_cert_reqs"] = ssl.CERT_NONE
        options["ssl_check_hostname"] = False
    client: aioredis.Redis = aioredis.Redis.from_url(
        url,
        socket_connect_timeout=2.0,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        **options,
    )
    return client
