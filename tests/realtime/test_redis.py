"""Two nodes with one store and one Redis behave as one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import orjson
import pytest
from redis import asyncio as aioredis

from notifier.core.models import ADMIN, Cursor, Principal, now_ms
from notifier.realtime import revalidation
from notifier.realtime.messages import NAMESPACE
from tests.eventsource import open_stream
from tests.realtime.engine.wire import until
from tests.realtime.nodes import Client, Running, refs, running, token
from tests.servers import Valkey, fresh_database
from tests.servers import until as eventually


class Pair(NamedTuple):
    """Two nodes, and the name that all their channels start with."""

    a: Running
    b: Running
    channel: str
    redis_url: str


@asynccontextmanager
async def pair(redis_url: str, store: Path | str) -> AsyncIterator[Pair]:
    """Two nodes that hear each other."""
    channel = f"test-{uuid4().hex[:12]}"
    variables = {"REDIS_URL": redis_url, "NOTIFIER_REDIS__CHANNEL": channel}
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(running(store, **variables))
        b = await stack.enter_async_context(running(store, **variables))
        await until(lambda: hears(a) and hears(b))
        yield Pair(a, b, channel, redis_url)


def hears(site: Running) -> bool:
    channels = site.node.channels
    return channels is not None and channels.healthy


@pytest.fixture
async def nodes(redis_url: str, mongodb_uri: str) -> AsyncIterator[Pair]:
    async with pair(redis_url, fresh_database(mongodb_uri)) as nodes:
        yield nodes


@pytest.fixture(scope="module")
async def poisoned(redis_url: str, mongodb_uri: str) -> AsyncIterator[Pair]:
    """Two nodes that have to bear with everything, one thing after the other."""
    async with pair(redis_url, fresh_database(mongodb_uri)) as nodes:
        yield nodes


@pytest.fixture
async def fragile(valkey: Valkey, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two nodes with a Redis of the test's own, to be killed."""
    async with pair(valkey.url, tmp_path) as nodes:
        yield nodes


def contiguous(client: Client, audience: str) -> bool:
    """Whether a client got one unbroken log, each entry once."""
    seqs = [ref.seq for ref in refs(client.got("notification")) if ref.audience == audience]
    return seqs == list(range(seqs[0], seqs[0] + len(seqs)))


# As one


async def test_what_is_published_at_one_is_received_at_the_other(nodes: Pair) -> None:
    """Exactly once and in order on both, whichever node took it."""
    async with nodes.a.synced("ada") as ada, nodes.b.synced("grace") as grace:
        for n in range(20):
            await [nodes.a, nodes.b][n % 2].publish("everyone", str(n))
        for client in (ada, grace):
            await client.until("notification", 20)
            assert client.titles == [str(n) for n in range(20)]
            assert contiguous(client, "everyone")


async def test_an_entry_arrives_as_it_was_published(nodes: Pair) -> None:
    """The same bytes on the node that took it and on the other, also what is withheld."""
    async with (
        nodes.a.synced("ada") as here,
        nodes.b.synced("ada") as there,
        nodes.b.synced("grace") as excluded,
    ):
        data = {"$k": [1.5, None, "é\u2028"]}
        await nodes.a.publish("everyone", "1", data=data, **{"except": ["user:grace"]})
        assert await here.until("notification") == await there.until("notification")
        assert there.got("notification")[0]["data"] == data
        await excluded.until("removed")
        assert excluded.got("notification") == []


async def test_a_revocation_reaches_the_other_node_without_redis(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is dead: sockets and streams end when their users are looked up the next time."""
    monkeypatch.setattr(revalidation, "CHECK_SECONDS", 0.1)
    async with pair(valkey.url, tmp_path) as nodes, nodes.b.synced("ada") as ada:
        url = f"{nodes.b.url}/v1/feed/stream"
        async with (
            nodes.b.synced("grace") as grace,
            open_stream(nodes.b.wire.http, url, token=token("ada")) as stream,
        ):
            await stream.expect("synced")
            await valkey.kill()
            await until(lambda: not hears(nodes.a) and not hears(nodes.b))
            root = Principal("root", scopes=frozenset({ADMIN}))
            await nodes.a.node.validity.revoke("ada", {}, root)
            assert (await ada.until("goodbye"))[0]["reason"] == "revoked"
            assert (await stream.expect("goodbye")).data["reason"] == "revoked"
            await grace.settled()
            assert grace.got("goodbye") == []


async def test_a_withdrawal_reaches_the_other_node(nodes: Pair) -> None:
    """Withdrawn at one, removed at both."""
    async with nodes.b.synced("ada") as ada:
        receipt = await nodes.a.publish("user:ada")
        await nodes.a.withdraw(receipt)
        [removed] = await ada.until("removed")
        assert removed["ids"] == [str(receipt.entries[0].ref)]


async def test_what_is_read_at_one_is_cleared_at_the_other(nodes: Pair) -> None:
    """State, preferences and topics follow a user from node to node, but not to the origin."""
    receipt = await nodes.a.publish("user:ada")
    async with nodes.a.synced("ada") as phone, nodes.b.synced("ada") as laptop:
        ids = [str(entry.ref) for entry in receipt.entries]
        await phone.call("mark_read", {"ids": ids})
        assert (await laptop.until("state"))[0]["read"] == ids
        await phone.call("subscribe_topic", {"topic": "news"})
        await laptop.until("state", 2)
        muted = await phone.call("set_preferences", {"types": {"like": {"bell": False}}})
        assert await laptop.until("preferences") == [muted]
        await nodes.a.publish("topic:news", "withheld", type="like")
        await nodes.a.publish("topic:news", "news")
        await laptop.until("notification")
        assert laptop.titles == ["news"]
        await phone.call("unsubscribe_topic", {"topic": "news"})
        await laptop.until("state", 4)
        rooms = nodes.b.node.rooms.get_rooms(laptop.sid, NAMESPACE)
        assert "topic:news" not in rooms
        assert [state for state in phone.got("state") if "counts" not in state] == []


async def test_replay_and_live_meet_on_another_node(nodes: Pair) -> None:
    """Clients that hop between nodes while publishing goes on read one unbroken log."""
    async with nodes.a.synced("ada"):
        pass
    first = await nodes.a.publish("everyone")
    visits: list[tuple[int, list[int]]] = []

    async def hop() -> None:
        since = Cursor({"user:ada": 0, "everyone": first.entries[0].seq})
        for n in range(4):
            async with [nodes.a, nodes.b][n % 2].client("ada", since=since) as ada:
                await ada.until("synced")
                await ada.until("notification", 3)
                seqs = [ref.seq for ref in refs(ada.got("notification"))]
            visits.append((since["everyone"], seqs))
            since = Cursor({"user:ada": 0, "everyone": seqs[-1]})

    hopping = asyncio.gather(*(hop() for _ in range(3)))
    while not hopping.done():
        await asyncio.gather(nodes.a.publish("everyone"), nodes.b.publish("everyone"))
    await hopping
    for before, seqs in visits:
        # A node may repeat what the replay has told already; a client drops it by its cursor.
        fresh = sorted(set(seqs))
        assert fresh == list(range(before + 1, before + 1 + len(fresh)))


async def test_a_channel_is_heard_only_while_it_has_a_local_member(nodes: Pair) -> None:
    """A node pays for its own users alone."""
    name = f"{nodes.channel}:room:user:ada"

    async with aioredis.Redis.from_url(nodes.redis_url) as redis:

        async def listeners() -> int:
            [(_, count)] = await redis.pubsub_numsub(name)
            return int(count)

        async def silent() -> bool:
            return await listeners() == 0

        assert await listeners() == 0
        async with nodes.a.synced("ada"), nodes.a.synced("ada"):
            assert await listeners() == 1
            async with nodes.b.synced("ada"):
                assert await listeners() == 2
        await eventually(silent, what="the channel to be left")
        received = nodes.b.node.channels.metrics.received  # type: ignore[union-attr]
        async with nodes.a.synced("ada") as ada, nodes.b.synced("grace") as grace:
            await nodes.a.publish("user:ada")
            await ada.until("notification")
            await nodes.a.publish("user:grace", "the end")
            await grace.until("notification")
        heartbeats = 2
        after = nodes.b.node.channels.metrics.received  # type: ignore[union-attr]
        assert after - received <= 1 + heartbeats


async def test_rooms_of_other_namespaces_span_the_nodes_too(nodes: Pair) -> None:
    """An application that shares the server emits to rooms, lists of rooms, and to everybody."""
    sids = []
    async with nodes.b.synced("ada") as ada:
        got: list[tuple[Any, ...]] = []
        ada.sio.on("custom", lambda *args: got.append(args), namespace=NAMESPACE)
        await nodes.b.node.server.enter_room(ada.sid, "lobby", NAMESPACE)
        sids.append(ada.sid)
        emit = nodes.a.node.server.emit
        lobby = f"{nodes.channel}:room:lobby"
        channels = nodes.b.node.channels
        assert channels is not None
        await until(lambda: lobby in channels._heard)
        await emit("custom", 1, room="lobby", namespace=NAMESPACE)
        await emit("custom", ("a", {"b": 2}), room=["lobby", "elsewhere"], namespace=NAMESPACE)
        await emit("custom", room="lobby", namespace=NAMESPACE)
        await emit("custom", "all", namespace=NAMESPACE)
        await emit("custom", "skipped", room="lobby", skip_sid=ada.sid, namespace=NAMESPACE)
        await emit("custom", "last", room="lobby", namespace=NAMESPACE)
        await until(lambda: ("last",) in got)
        assert got == [(1,), ("a", {"b": 2}), (), ("all",), ("last",)]


# Redis fails


async def test_what_redis_lost_is_repaired_when_it_is_back(fragile: Pair, valkey: Valkey) -> None:
    """Publishing goes on meanwhile, local readers get it at once, the others soon after."""
    async with fragile.a.synced("ada") as near, fragile.b.synced("ada") as far:
        await valkey.kill()
        for n in range(10):
            began = time.monotonic()
            await fragile.a.publish("user:ada", str(n))
            assert time.monotonic() - began < 1
        await near.until("notification", 10)
        await valkey.start()
        await far.until("notification", 10)
        await until(lambda: hears(fragile.a) and hears(fragile.b))
        await fragile.a.publish("user:ada", "back")
        for client in (near, far):
            await client.until("notification", 11)
            assert client.titles == [*(str(n) for n in range(10)), "back"]
            assert contiguous(client, "user:ada")


async def test_a_change_that_redis_lost_is_made_up_for(
    nodes: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sockets and streams on the other node learn of it when it looks at all its users."""
    monkeypatch.setattr(revalidation, "CHECK_SECONDS", 0.05)
    channels, feed = nodes.a.node.channels, nodes.a.node.feed
    assert channels is not None
    url = f"{nodes.b.url}/v1/feed/stream"
    changes = [
        (feed.subscribe_topic, {"topic": "news"}, "state", {"joined": "topic:news=0"}),
        (feed.unsubscribe_topic, {"topic": "news"}, "state", {"left": ["topic:news"]}),
        (feed.set_preferences, {"sound": False}, "preferences", {"sound": False, "version": 1}),
    ]
    async with (
        nodes.b.synced("ada") as ada,
        open_stream(nodes.b.wire.http, url, token=token("ada")) as stream,
    ):
        await stream.expect("synced")
        for change, args, event, told in changes:
            with monkeypatch.context() as broken:
                broken.setattr(channels, "send", lambda channel, _: channels._lose([channel]))
                await change(Principal("ada"), args)
            ada.events.clear()
            nodes.b.node.hub.on_revoked("nobody")
            assert (await ada.until(event))[0].items() >= told.items()
            assert (await stream.expect(event)).data.items() >= told.items()


async def test_a_frozen_redis_slows_nobody_down(fragile: Pair, valkey: Valkey) -> None:
    """Publishing never waits for it, connecting only a moment; nothing is lost."""
    async with fragile.a.synced("ada") as near, fragile.b.synced("ada") as far:
        valkey.freeze()
        for n in range(5):
            began = time.monotonic()
            await fragile.a.publish("user:ada", str(n))
            assert time.monotonic() - began < 1
        async with fragile.b.synced("grace") as newcomer:
            await fragile.b.publish("user:grace", "hello")
            await newcomer.until("notification")
        await near.until("notification", 5)
        valkey.thaw()
        await far.until("notification", 5)
        for client in (near, far):
            assert client.titles == [str(n) for n in range(5)]


async def test_while_redis_is_away_the_store_is_asked_more_often(
    fragile: Pair, valkey: Valkey
) -> None:
    """Readers on other nodes wait for seconds, not until Redis is back."""
    async with fragile.b.synced("ada") as far:
        await valkey.kill()
        await until(lambda: not hears(fragile.b))
        await fragile.a.publish("user:ada", "hello")
        await far.until("notification")
        assert not hears(fragile.b)


# Whatever is written to Redis

POISON = {
    "one": b"1",
    "a word": b'"method"',
    "null": b"null",
    "nothing": b"",
    "newline": b"\n",
    "binary": b"\x80\x03}q\x00\xff\xfe",
    "no JSON": b'{"what":',
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "a megabyte": b'{"what":"' + b"x" * 1_000_000 + b'"}',
    "no node": b'{"what":"entry"}\n{}',
    "unknown": b'{"what":"reboot","node":"x"}\n{}',
    "stock disconnect": b'{"method":"disconnect","sid":"SID","namespace":"/notifications"}',
    "stock close": b'{"method":"close_room","room":"everyone","namespace":"/notifications"}',
    "stock enter": b'{"method":"enter_room","sid":"SID","room":"role:admin",'
    b'"namespace":"/notifications"}',
}


def head(**fields: Any) -> bytes:
    return orjson.dumps({"node": "stranger", **fields})


def entry(**fields: Any) -> bytes:
    now = now_ms()
    whole = {"what": "entry", "seq": 1, "id": "x", "kind": "notification", "type": "info",
             "priority": "normal", "publisher": "x", "created_at": now, "expires_at": now + 1000,
             "excluded": [], "copies": 1, "silent": False}  # fmt: skip
    return head(**{**whole, **fields})


NEXT = "NEXT"

FORGED = {
    "an entry that is not JSON": entry(seq=NEXT) + b'\n"title":\xff}',
    "an entry without content": entry(seq=NEXT) + b"\n}",
    "an entry from far ahead": entry(seq=2**50) + b'\n"title":"x"}',
    "an entry at no number": entry(seq="7") + b'\n"title":"x"}',
    "an entry at a fraction": entry(seq=1.5) + b'\n"title":"x"}',
    "an entry of no type": entry(seq=NEXT, type=["info"]) + b'\n"title":"x"}',
    "an entry of no kind": entry(seq=NEXT, kind="x") + b'\n"title":"x"}',
    "a state that moves out": head(what="tell", user="ada", event="state", skip=None)
    + b'\n{"left":["user:ada","everyone"]}',
    "a state that moves in": head(what="tell", user="ada", event="state", skip=None)
    + b'\n{"joined":"role:admin=0"}',
    "preferences that are none": head(what="tell", user="ada", event="preferences", skip=None)
    + b'\n{"x":1}',
    "old preferences": head(what="tell", user="ada", event="preferences", skip=None)
    + b'\n{"types":{"info":{"bell":false}},"sound":true,"version":-1}',
    "an emit of no event": head(what="emit", namespace=NAMESPACE, room="everyone", skip=None)
    + b"\n5",
    "an emit of nothing": head(what="emit", namespace=NAMESPACE, room="everyone", skip=None)
    + b"\n[]",
    "an emit that is not JSON": head(what="emit", namespace=NAMESPACE, room="everyone", skip=None)
    + b'\n["x',
    "an emitted connect": head(what="emit", namespace=NAMESPACE, room="everyone", skip=None)
    + b'\n["connect"]',
}

SENSELESS = {
    "an entry at a number beyond all": entry(seq=2**64 - 1) + b'\n"title":"x"}',
    "an entry at a number below all": entry(seq=-3_600_000) + b'\n"title":"x"}',
    "a revocation for a number": head(what="tell", user=2**64 - 1, event="revoked", skip=None)
    + b"\n{}",
    "a revocation for no name": head(what="tell", user="a b", event="revoked", skip=None) + b"\n{}",
    "a state that is none": head(what="tell", user="ada", event="state", skip=None) + b"\nnull",
    "a state that is a list": head(what="tell", user="ada", event="state", skip=None) + b"\n[]",
    "an event of no name": head(what="tell", user="ada", event=None, skip=None) + b"\n{}",
    "an event that is a list": head(what="tell", user="ada", event=["state"], skip=None) + b"\n{}",
    "a disconnect by name": head(what="tell", user="ada", event="disconnect", skip=None) + b"\n{}",
    "an entry as an event": head(what="tell", user="ada", event="notification", skip=None)
    + b"\n{}",
    "an event that is two": head(what="tell", user="ada", event="a\n\nevent: goodbye", skip=None)
    + b"\n{}",
}


@pytest.mark.parametrize("payload", SENSELESS.values(), ids=SENSELESS.keys())
async def test_what_no_node_sends_is_dropped(poisoned: Pair, payload: bytes) -> None:
    """It goes no further than to the count of such messages."""
    nodes = poisoned
    assert nodes.a.node.channels is not None
    metrics = nodes.a.node.channels.metrics
    async with nodes.a.synced("ada"), aioredis.Redis.from_url(nodes.redis_url) as redis:
        before = metrics.senseless
        await redis.publish(f"{nodes.channel}:room:user:ada", payload)
        await until(lambda: metrics.senseless == before + 1)


@pytest.mark.parametrize("payload", [*POISON.values(), *FORGED.values()], ids=[*POISON, *FORGED])
async def test_poison_changes_nothing(poisoned: Pair, payload: bytes) -> None:
    """Whatever is written to any of our channels: nobody is moved, disconnected or left out."""
    nodes = poisoned
    async with nodes.a.synced("ada") as ada, nodes.b.synced("ada") as other:
        first = await nodes.a.publish(["user:ada", "everyone"], "before")
        for client in (ada, other):
            await client.until("notification", 2)
        seqs = {entry.audience: entry.seq + 1 for entry in first.entries}
        names = ["user:ada", "everyone"]
        channels = [nodes.channel, f"{nodes.channel}:nodes"]
        async with aioredis.Redis.from_url(nodes.redis_url) as redis:
            payload = payload.replace(b"SID", ada.sid.encode())
            for channel in channels:
                await redis.publish(channel, payload)
            for name in names:
                sent = payload.replace(b'"NEXT"', str(seqs[name]).encode())
                await redis.publish(f"{nodes.channel}:room:{name}", sent)
        await nodes.a.publish(names, "after")
        for client in (ada, other):
            await client.until("notification", 4)
            assert sorted(client.titles) == ["after", "after", "before", "before"]
            assert client.connected
            assert {"goodbye", "removed"}.isdisjoint(name for name, _ in client.events)
        for site, client in ((nodes.a, ada), (nodes.b, other)):
            await until(lambda site=site: not site.node.namespace._following._tasks)
            rooms = site.node.rooms.get_rooms(client.sid, NAMESPACE)
            assert set(rooms) == {client.sid, "user:ada", "everyone"}
            assert site.node.hub.logs == 2


async def test_poison_does_not_fill_the_log(nodes: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """Every message is counted, and a line now and then says how many there were."""
    assert nodes.a.node.channels is not None
    metrics = nodes.a.node.channels.metrics
    async with (
        aioredis.Redis.from_url(nodes.redis_url) as redis,
        redis.pipeline(transaction=False) as pipeline,
    ):
        for _ in range(500):
            pipeline.publish(f"{nodes.channel}:nodes", b"{}")
        await pipeline.execute()
    await until(lambda: metrics.senseless == 500)
    lines = [r for r in caplog.records if "dropped a message" in r.getMessage()]
    assert 1 <= len(lines) <= 50
