"""What becomes of a POST, and requests that a client's HTTP library repeats by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from notifier.realtime.engine import Connection
from tests.realtime.engine.conftest import Site, StartSite
from tests.realtime.engine.wire import until


def stamped(site: Site, sid: str, stamp: str) -> str:
    """The address of a request with this `t`."""
    return f"{site.wire.address(sid=sid)}&t={stamp}"


async def posted(site: Site, url: str, body: str) -> int:
    """The status of a POST to this address."""
    async with site.wire.http.post(url, data=body) as response:
        return response.status


def only(site: Site) -> Connection:
    """The one connection there is."""
    [connection] = site.engine.connections.values()
    return connection


async def test_a_lost_answer_ends_the_session(site: Site) -> None:
    """A poll whose answer is reset on its way, and that is repeated, does not go on without it."""
    sid = await site.wire.sid()
    await site.engine.send(sid, "lost")
    async with site.rude() as client:
        await client.request("GET", f"/engine.io/?EIO=4&transport=polling&sid={sid}&t=a")
        await until(lambda: not site.engine.metrics.outbox_bytes)
        client.reset()
    await site.engine.send(sid, "next")
    assert (await site.wire.get(stamped(site, sid, "a")))[0] == 400
    await until(lambda: site.reasons == ["parse error"])


async def test_a_repeated_post_is_not_handled_twice(site: Site) -> None:
    """A POST that comes again with the same `t` ends the session; its packets are handled once."""
    sid = await site.wire.sid()
    assert await posted(site, stamped(site, sid, "a"), "4order") == 200
    assert await posted(site, stamped(site, sid, "a"), "4order") == 400
    await until(lambda: site.reasons == ["parse error"])
    assert site.messages == ["order"]


@pytest.mark.parametrize("stamps", [("a", "b"), ("1732292400", "1732292400"), (None, None)])
async def test_requests_that_are_no_repetitions(site: Site, stamps: Any) -> None:
    """A fresh `t`, the time in whole seconds and none at all are no signs of a repetition."""
    sid = await site.wire.sid()
    for number, stamp in enumerate(stamps):
        url = site.wire.address(sid=sid) if stamp is None else stamped(site, sid, stamp)
        assert await posted(site, url, f"4{number}") == 200
        assert await site.wire.get(url) == (200, f"4{number}")
    assert site.messages == ["0", "1"]


async def test_a_poll_and_a_post_may_look_the_same(site: Site) -> None:
    """Polls are compared with polls, posts with posts."""
    sid = await site.wire.sid()
    url = stamped(site, sid, "a")
    poll = asyncio.create_task(site.wire.get(url))
    assert await posted(site, url, "4hello") == 200
    assert await poll == (200, "4hello")


async def test_a_post_is_answered_before_its_packets_are_handled(site: Site) -> None:
    """A handler may wait for a poll, which some clients send only when their POST was answered."""

    async def message(sid: str, data: str) -> None:
        await site.engine.send(sid, data)
        await site.engine.connections[sid].drained()
        await site.engine.send(sid, "polled")

    site.engine.on("message", message)
    sid = await site.wire.sid()
    assert (await site.wire.post(sid, "4hello"))[0] == 200
    assert await site.wire.poll(sid) == (200, "4hello")
    assert await site.wire.poll(sid) == (200, "4polled")


async def test_the_next_post_waits_until_the_last_was_taken(site: Site) -> None:
    """Who sends faster than it is served has to wait; order is kept, and nothing is lost."""
    gate = asyncio.Event()
    site.before_message = gate.wait
    sid = await site.wire.sid()
    assert (await site.wire.post(sid, "41\x1e42\x1e43"))[0] == 200
    waiting = asyncio.create_task(site.wire.post(sid, "44"))
    polling = only(site).polling
    assert polling is not None
    await until(lambda: polling.posting)
    assert site.messages == []
    assert len(polling._inbox) == 2
    gate.set()
    assert (await waiting)[0] == 200
    await until(lambda: site.messages == ["1", "2", "3", "4"])


async def test_a_pong_in_a_post_that_waits_is_no_silence(start: StartSite) -> None:
    """The client answers its pings; it is the server that has not read them yet."""
    site = await start(ping_interval=0.1, ping_timeout=0.1)
    gate = asyncio.Event()
    site.before_message = gate.wait
    sid = await site.wire.sid()
    assert (await site.wire.post(sid, "4one\x1e4two"))[0] == 200
    assert await site.wire.poll(sid) == (200, "2")
    waiting = asyncio.create_task(site.wire.post(sid, "3"))
    heartbeat = only(site)._heartbeat
    due = heartbeat.due
    await until(lambda: heartbeat.due > due + 0.25)
    assert site.disconnected == []
    gate.set()
    assert (await waiting)[0] == 200
    assert (await site.wire.poll(sid))[1].startswith("4one")


async def test_what_was_posted_comes_before_what_the_websocket_brings(site: Site) -> None:
    """A client may move to a WebSocket while packets that it posted wait to be handled."""
    gate = asyncio.Event()
    site.before_message = gate.wait
    sid = await site.wire.sid()
    assert (await site.wire.post(sid, "41\x1e42\x1e43"))[0] == 200
    async with site.wire.socket(sid) as socket:
        await socket.send("2probe")
        assert await socket.text() == "3probe"
        await socket.send("5", "44")
        await until(lambda: site.engine.metrics.upgraded == 1)
        gate.set()
        assert [await socket.text() for _ in range(4)] == ["41", "42", "43", "44"]


async def test_what_was_posted_is_handled_although_the_client_has_gone(site: Site) -> None:
    """The POST was answered, so the client may count on it."""
    gate = asyncio.Event()
    site.before_message = gate.wait
    sid = await site.wire.sid()
    assert (await site.wire.post(sid, "41\x1e42"))[0] == 200
    only(site).lost("transport close")
    gate.set()
    await until(lambda: site.reasons == ["transport close"])
    assert site.messages == ["1", "2"]
