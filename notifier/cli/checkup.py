"""What ``notifier check`` does: tell what is configured, and reach all that it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator

from redis.exceptions import RedisError

from notifier.config import Config
from notifier.errors import ConfigurationError, NotifierError, QueueUnavailable
from notifier.http.jwks import JsonWebKeys
from notifier.redis.client import connect
from notifier.resources import client_folder
from notifier.store import open_store

PATIENCE = 10.0
"""Seconds within which a server must have answered."""


def describe(config: Config) -> Iterator[str]:
    """The settings that people ask about first. No secrets, no passwords."""
    origins = ", ".join(config.server.allowed_origins)
    yield f"environment  {config.env}"
    yield f"server       {config.server.host}:{config.server.port}"
    yield f"origins      {origins or 'the same origin only'}"
    yield f"store        {config.store.place}"
    yield f"redis        {config.redis.place or 'none: one node, in-process bus'}"
    yield f"rabbitmq     {config.amqp.place or 'none'}"
    yield f"secrets      {len(config.auth.secrets)}"
    yield f"jwks         {config.auth.jwks_place or 'none'}"
    yield f"retention    {config.retention.days} days"
    yield f"types        {', '.join(sorted(config.catalogue))}"
    yield f"demo         {'on' if config.demo.enabled else 'off'}"


async def find_problems(config: Config) -> list[str]:
    """Ask every server at once; one sentence for each that cannot do its part."""
    found = await asyncio.gather(
        _problem("store", _reach_store(config)),
        _problem("redis", _reach_redis(config)),
        _problem("rabbitmq", _reach_rabbitmq(config)),
        _problem("jwks", _reach_jwks(config)),
    )
    problems = [problem for problem in found if problem]
    if client_folder() is None:
        problems.append("client: it is not built; run make build")
    return problems


async def _problem(part: str, reaching: Awaitable[None]) -> str | None:
    try:
        await asyncio.wait_for(reaching, PATIENCE)
    except ConfigurationError as error:
        return f"{part}: {'; '.join(error.problems)}"
    except NotifierError as error:
        return f"{part}: {error}"
    except (RedisError, OSError) as error:
        # Without the text of drivers, which may repeat addresses with passwords.
        return f"{part}: cannot be reached ({type(error).__name__})"
    return None


async def _reach_store(config: Config) -> None:
    store = await open_store(config.store.url)
    try:
        await store.ping()
    finally:
        await store.close()


async def _reach_redis(config: Config) -> None:
    if config.redis.url is not None:
        async with connect(config.redis.url, verify_tls=config.redis.verify_tls) as client:
            await client.ping()


async def _reach_rabbitmq(config: Config) -> None:
    if config.amqp.url is None:
        return
    from notifier.queue.amqp.session import Broken, reach

    try:
        await reach(config.amqp.url)
    except Broken as broken:
        raise QueueUnavailable(f"cannot be reached ({broken})") from None


async def _reach_jwks(config: Config) -> None:
    if config.auth.jwks_url is None:
        return
    if not await JsonWebKeys(config.auth.jwks_url).count():
        problem = "NOTIFIER_JWKS_URL: no key there can be used: RSA (2048 bits or more), EC (P-256)"
        raise ConfigurationError([problem])
