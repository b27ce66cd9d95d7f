"""Requests that a client's HTTP library repeats by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.realtime.engine.conftest import Site
from tests.realtime.engine.wire import until


def stamped(site: Site, sid: str, stamp: str) -> str:
    """The address of a request with this `t`."""
    return f"{site.wire.address(sid=sid)}&t={stamp}"


async def posted(site: Site, url: str, body: str) -> int:
    """The status of a POST to this address."""
    async with site.wire.http.post(url, data=body) as response:
        return response.status


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
