"""The servers that other tests lean on are what they claim to be."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser
from pymongo import AsyncMongoClient
from redis import asyncio as aioredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.servers import Mongod, Valkey, fresh_database


async def test_mongodb_confirms_majority_writes(mongodb_uri: str) -> None:
    """A write with journaled majority concern is confirmed: it is a replica set."""
    async with AsyncMongoClient(mongodb_uri, w="majority", journal=True) as client:
        await client.get_default_database().things.insert_one({"_id": 1})
        assert await client.get_default_database().things.count_documents({}) == 1


def test_fresh_databases_never_meet(mongodb_uri: str) -> None:
    """Two fresh databases of one server have different names."""
    assert fresh_database(mongodb_uri) != fresh_database(mongodb_uri)


async def test_mongod_keeps_its_data_over_a_crash(mongod: Mongod) -> None:
    """What a journaled write confirmed is there after SIGKILL and a restart on the same port."""
    async with AsyncMongoClient(mongod.uri, w="majority", journal=True) as client:
        await client.test.things.insert_one({"_id": 1})
        await mongod.kill()
        await mongod.start()
        assert await client.test.things.count_documents({}) == 1


async def test_redis_answers(redis_url: str) -> None:
    """The shared Redis server is reached through its address."""
    async with aioredis.Redis.from_url(redis_url) as client:
        assert await client.ping() is True


async def test_valkey_freezes_thaws_and_restarts(valkey: Valkey) -> None:
    """A frozen server answers nothing, a thawed one goes on, a restarted one has its data."""
    async with aioredis.Redis.from_url(valkey.url, socket_timeout=0.5, retry=None) as client:
        await client.set("key", "value")
        valkey.freeze()
        with pytest.raises(RedisTimeoutError):
            await client.get("key")
        valkey.thaw()
        await valkey.kill()
        with pytest.raises(RedisConnectionError):
            await client.get("key")
        await valkey.start()
        assert await client.get("key") == b"value"


async def test_chromium_runs_scripts(chromium: Browser) -> None:
    """The browser opens a page and runs its script."""
    page = await chromium.new_page()
    await page.set_content("<p id=out></p><script>out.textContent = 6 * 7</script>")
    assert await page.text_content("#out") == "42"
    await page.close()
