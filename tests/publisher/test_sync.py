"""Publishing without asyncio: from threads, forked processes, scripts and inside a loop."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from redis import asyncio as aioredis

from notifier import SyncPublisher
from notifier.core.models import Priority
from notifier.errors import ConfigurationError, InvalidRequest
from tests.publisher.test_redis import Queue
from tests.servers import REPOSITORY, clean_environment, free_port, until


@pytest.fixture
def channel() -> str:
    return f"test-{uuid4().hex[:12]}"


async def test_it_does_what_the_other_does(redis_url: str, channel: str) -> None:
    """The same calls, ids and errors."""

    def work() -> None:
        with SyncPublisher(redis_url, channel=channel) as publisher:
            first = publisher.publish("user:ada", "one", priority="low")
            assert publisher.outcome(first).state == "queued"
            publisher.withdraw(first)
            assert len(
                publisher.publish_many({"to": "everyone", "title": str(n)} for n in range(600))
            )
            with pytest.raises(InvalidRequest) as caught:
                publisher.publish_many(
                    [{"to": "everyone", "title": "x"}] * 700 + [{"to": "everyone"}]
                )
            assert list(caught.value.errors) == ["700.title"]

    await asyncio.to_thread(work)
    queue = Queue(redis_url, channel)
    assert len(await queue.items(Priority.LOW)) == 2
    assert len(await queue.items()) == 600 + 700
    await queue.redis.aclose()


def test_wrong_settings_are_told_at_once() -> None:
    """When it is made, not when it is used."""
    with pytest.raises(ConfigurationError):
        SyncPublisher("amqp://x")


async def test_threads_share_one(redis_url: str, channel: str) -> None:
    """As in a web server with threads."""
    publisher = SyncPublisher(redis_url, channel=channel)

    def work() -> list[str]:
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(lambda n: publisher.publish("everyone", str(n)), range(400)))

    ids = await asyncio.to_thread(work)
    queue = Queue(redis_url, channel)
    assert sorted(ids) == sorted(item["id"] for item in await queue.items())
    await asyncio.to_thread(publisher.close)
    await queue.redis.aclose()


async def test_closing_leaves_no_caller_behind(
    redis_url: str, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls under way get their answers, whatever the others do; later ones connect anew."""
    publisher = SyncPublisher(redis_url, channel=channel)
    ask = asyncio.run_coroutine_threadsafe

    def ask_late(*arguments: Any) -> Future[Any]:
        time.sleep(0.002)  # others have their turn
        return ask(*arguments)

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", ask_late)

    def use(number: int) -> str | None:
        if number % 10 == 0:
            publisher.close()
            return None
        return publisher.publish("everyone", str(number))

    def work() -> list[str | None]:
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(use, range(300)))

    ids = await asyncio.wait_for(asyncio.to_thread(work), 60)
    assert sum(found is not None for found in ids) == 270
    await asyncio.to_thread(publisher.close)
    assert not threads()


async def test_closing_leaves_nobody_behind_who_is_answered_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a refusal that needs no connection, in the turn in which it is closed."""
    ask = asyncio.run_coroutine_threadsafe

    def ask_and_close(*arguments: Any) -> Future[Any]:
        loop, held, go_on = arguments[1], threading.Event(), threading.Event()
        loop.call_soon_threadsafe(lambda: held.set() or go_on.wait())
        held.wait()  # both come in the turn after this one
        answer = ask(*arguments)
        threading.Thread(target=publisher.close).start()
        threading.Timer(0.1, go_on.set).start()
        return answer

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", ask_and_close)
    publisher = SyncPublisher(f"redis://127.0.0.1:{free_port()}")

    def work() -> None:
        with pytest.raises(InvalidRequest):
            publisher.publish("user:ada", "")

    async def has_ended() -> bool:
        return not threads()

    await asyncio.wait_for(asyncio.to_thread(work), 10)
    await until(has_ended, what="its thread to end")


async def test_who_waits_no_longer_does_not_keep_it_from_closing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after Ctrl-C: the call was given up."""

    def interrupted(self: Future[str], timeout: float | None = None) -> str:
        raise KeyboardInterrupt

    publisher = SyncPublisher(f"http://127.0.0.1:{free_port()}", key="x", patience=600)
    with monkeypatch.context() as patch:
        patch.setattr(Future, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            publisher.publish("everyone", "Hello")
    await asyncio.wait_for(asyncio.to_thread(publisher.close), 10)


async def test_one_that_nobody_holds_ends_by_itself(redis_url: str, channel: str) -> None:
    """Its thread and its connections; as when one is made for each request."""
    redis = aioredis.Redis.from_url(redis_url)
    name = f"client-of-{channel}"
    separator = "&" if "?" in redis_url else "?"

    async def connections() -> int:
        return sum(client["name"] == name for client in await redis.client_list())

    for _ in range(3):
        publisher = SyncPublisher(f"{redis_url}{separator}client_name={name}", channel=channel)
        await asyncio.to_thread(publisher.publish, "everyone", "Hello")
    assert await connections()
    del publisher
    gc.collect()

    async def is_gone() -> bool:
        return not threads() and not await connections()

    await until(is_gone, what="threads and connections to end")
    await redis.aclose()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "notifier-publisher"]


async def test_it_may_be_used_inside_a_running_loop(redis_url: str, channel: str) -> None:
    """It holds that loop up as any call does that waits, but it works."""
    with SyncPublisher(redis_url, channel=channel) as publisher:
        assert publisher.publish("everyone", "Hello")


FORKING = """
import os, sys
from notifier import SyncPublisher
publisher = SyncPublisher(sys.argv[1], channel=sys.argv[2])
publisher.publish("everyone", "before the fork")
dropped = SyncPublisher(sys.argv[1], channel=sys.argv[2])
dropped.publish("everyone", "dropped in the children")
children = []
for number in range(4):
    child = os.fork()
    if not child:
        del dropped
        publisher.publish("everyone", f"child {number}")
        publisher.publish_many([{"to": "everyone", "title": f"child {number} again"}])
        os._exit(0)
    children.append(child)
publisher.publish("everyone", "after the fork")
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
publisher.publish("everyone", "at last")
dropped.publish("everyone", "not dropped here")
del dropped
"""


async def test_a_forked_process_connects_anew(redis_url: str, channel: str) -> None:
    """As with workers that are forked from a process that has published already; it ends at its
    end without being closed."""
    script = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING, redis_url, channel),
        env={**clean_environment(), "PYTHONPATH": str(REPOSITORY)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(script.communicate(), 60)
    assert (script.returncode, errors.decode()) == (0, "")
    queue = Queue(redis_url, channel)
    titles = await queue.titles()
    assert sorted(titles) == sorted(
        ["before the fork", "after the fork", "at last"]
        + ["dropped in the children", "not dropped here"]
        + [f"child {number}{again}" for number in range(4) for again in ("", " again")]
    )
    await queue.redis.aclose()
