"""Server-Sent Events of a whole node with its real store."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from notifier.app import Node
from notifier.core.models import PUBLISH, Cursor, Principal
from notifier.http import line, readers
from notifier.http.stream import Stream
from tests.core.domain import counted
from tests.eventsource import Event, EventStream, open_stream
from tests.http.client import Api, token_of
from tests.http.conftest import UNRATIONED, OpenApi, OpenNode
from tests.servers import until

Connect = Callable[..., Any]


@pytest.fixture
async def node(start_node: OpenNode) -> Node:
    return await start_node(**UNRATIONED)


@pytest.fixture
async def open_(api: Api, stack: AsyncExitStack) -> Connect:
    """Connect a user: ``await open_(since=...)``. Closed after the test."""

    async def connect(user: str = "ada", *, of: Api = api, **options: Any) -> EventStream:
        return await stack.enter_async_context(connected(of, user, **options))

    return connect


@contextlib.asynccontextmanager
async def connected(
    api: Api, user: str = "ada", *, token: str | None = None, since: str = "", last_id: str = ""
) -> AsyncIterator[EventStream]:
    url = api.client.make_url("/v1/feed/stream")
    async with open_stream(
        api.client.session,
        url,
        token=token or token_of(user),
        last_id=last_id or None,
        params={"since": since} if since else None,
    ) as stream:
        yield stream


def titles(events: list[Event]) -> list[str]:
    return [event.data["title"] for event in events if event.name == "notification"]


async def cursor_of(api: Api, user: str = "ada") -> str:
    return str((await api.feed(user))["cursor"])


async def test_a_first_visit_begins_with_synced_and_no_replay(api: Api, open_: Connect) -> None:
    """Where the reader stands, the counts and the preferences; when to come back if cut."""
    await api.publish(title="Before")
    stream = await open_()
    assert stream.response.status == 200
    synced = await stream.expect("synced")
    assert stream.retry in range(1000, 3001)
    assert synced.data["recovered"] is True
    assert synced.data["counts"] == counted(1, 1)
    assert synced.data["preferences"]["version"] == 0
    assert synced.data["cursor"] == synced.id == await cursor_of(api)


async def test_nothing_on_the_way_may_keep_or_collect_it(open_: Connect) -> None:
    """The headers that caches and proxies heed."""
    headers = (await open_()).response.headers
    assert headers["Content-Type"].startswith("text/event-stream")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in headers


async def test_what_was_missed_comes_first_and_in_order(api: Api, open_: Connect) -> None:
    """Then ``synced``, then what is published from then on."""
    since = await cursor_of(api)
    for number in range(3):
        await api.publish(title=f"Missed {number}")
    stream = await open_(since=since)
    past = await stream.until("synced")
    assert titles(past) == ["Missed 0", "Missed 1", "Missed 2"]
    await api.publish(title="Live")
    live = await stream.expect("notification")
    assert live.data["title"] == "Live"
    assert "read" not in live.data


async def test_every_id_is_the_cursor_to_go_on_from(api: Api, open_: Connect) -> None:
    """Whoever is cut after any event gets exactly what came behind it."""
    since = await cursor_of(api)
    for number in range(3):
        await api.publish(title=f"{number}")
    past = await (await open_(since=since)).until("synced")
    for number, event in enumerate(past[:3]):
        rest = await (await open_(since=event.id)).until("synced")
        assert titles(rest) == ["0", "1", "2"][number + 1 :]


async def test_the_browsers_header_goes_before_the_address(api: Api, open_: Connect) -> None:
    """A browser that was cut repeats the address it began with."""
    since = await cursor_of(api)
    await api.publish(title="Seen")
    later = await cursor_of(api)
    await api.publish(title="Missed")
    stream = await open_(since=since, last_id=later)
    assert titles(await stream.until("synced")) == ["Missed"]


async def test_too_much_missed_is_no_partial_replay(api: Api, open_: Connect) -> None:
    """More than 300 entries of one log: none of them, and ``recovered`` false."""
    since = await cursor_of(api)
    publishing = [api.publish(title=f"{number}") for number in range(301)]
    for start in range(0, 301, 50):
        await asyncio.gather(*publishing[start : start + 50])
    [synced] = await (await open_(since=since)).until("synced")
    assert synced.data["recovered"] is False
    assert synced.id == await cursor_of(api)


async def test_nothing_falls_between_past_and_present(api: Api) -> None:
    """While a publisher never stops, readers who come again and again miss nothing and get
    nothing twice."""
    since = await cursor_of(api)
    published = asyncio.create_task(_publish(api, 150))
    got: list[str] = []
    while len(got) < 150:
        async with connected(api, since=since) as stream:
            events = await stream.until("synced")
            if len(titles(events)) + len(got) < 150:
                events.append(await stream.expect("notification"))  # what is not past is to come
            got += titles(events)
            since = events[-1].id
    await published
    assert got == [f"{number}" for number in range(150)]


async def _publish(api: Api, count: int) -> None:
    for number in range(count):
        await api.publish(title=f"{number}")


async def test_what_is_withdrawn_is_removed(api: Api, open_: Connect) -> None:
    """Live, and for whoever was away."""
    receipt = await api.publish(title="A mistake")
    since = await cursor_of(api)
    stream = await open_()
    await stream.expect("synced")
    await api("DELETE", f"/v1/notifications/{receipt['id']}", user="publisher")
    removed = await stream.expect("removed")
    assert removed.data["ids"] == [receipt["entries"][0]["id"]]
    again = await (await open_(since=since)).until("synced")
    assert again[0].name == "removed"
    assert again[0].data == removed.data


async def test_a_hidden_type_moves_the_cursor_and_nothing_else(api: Api, open_: Connect) -> None:
    """Neither its place nor its text is told; the next event's id lies behind it."""
    await api.publish("everyone", title="First of its log")
    stream = await open_()
    first = await stream.expect("synced")
    await api.publish("everyone", type="system_alert", title="For operators")
    await api.publish("everyone", title="For all")
    shown = await stream.expect("notification")
    assert shown.data["title"] == "For all"
    before, after = Cursor.parse(first.id), Cursor.parse(shown.id)
    assert after["everyone"] == before["everyone"] + 2


async def test_who_is_left_out_gets_nothing(api: Api, open_: Connect) -> None:
    """``except`` holds for streams."""
    stream = await open_()
    await stream.expect("synced")
    await api.publish("everyone", title="Not for ada", **{"except": ["user:ada"]})
    await api.publish("everyone", title="For all")
    assert (await stream.expect("notification")).data["title"] == "For all"


async def test_what_another_device_did_is_told(api: Api, open_: Connect) -> None:
    """``state`` with the exact counts, and ``preferences``."""
    stream = await open_()
    await stream.expect("synced")
    receipt = await api.publish()
    await stream.expect("notification")
    ids = [entry["id"] for entry in receipt["entries"]]
    await api("POST", "/v1/feed/read", user="ada", json={"ids": ids})
    state = await stream.expect("state")
    assert state.data == {"read": ids, "counts": counted(0, 0)}
    await api("PATCH", "/v1/preferences", user="ada", json={"sound": False})
    assert (await stream.expect("preferences")).data["sound"] is False


async def test_a_muted_type_stops_at_once(api: Api, open_: Connect) -> None:
    """And comes again when it is switched on again."""
    stream = await open_()
    await stream.expect("synced")
    for on, title in ((False, "Muted"), (True, "Heard")):
        change = {"types": {"like": {"bell": on}}}
        await api("PATCH", "/v1/preferences", user="ada", json=change)
        await stream.until("state")
        await api.publish(type="like", title=title)
    assert (await stream.expect("notification")).data["title"] == "Heard"


async def test_a_topic_followed_on_another_device_is_followed_here(
    api: Api, open_: Connect
) -> None:
    """From the place where the subscription begins; left when it ends."""
    stream = await open_()
    await stream.expect("synced")
    await api.publish("topic:news", title="Too early")
    await api("PUT", "/v1/topics/news/subscription", user="ada")
    await api.publish("topic:news", title="First")
    state = await stream.expect("state")
    assert Cursor.parse(state.data["joined"]).keys() == {"topic:news"}
    assert (await stream.expect("notification")).data["title"] == "First"
    await api("DELETE", "/v1/topics/news/subscription", user="ada")
    state = await stream.expect("state")
    assert state.data["left"] == ["topic:news"]
    assert "topic:news" not in Cursor.parse(state.id)
    await api.publish("topic:news", title="Too late")
    await api.publish(title="Personal")
    assert (await stream.expect("notification")).data["title"] == "Personal"


async def test_silence_is_broken_by_heartbeats(
    open_: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comment, which no reader sees, well before proxies cut."""
    assert line.HEARTBEAT_SECONDS + 2 * readers.TICK_SECONDS <= 20
    monkeypatch.setattr(line, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(readers, "TICK_SECONDS", 0.02)
    stream = await open_()
    await stream.expect("synced")
    await stream.comment()
    await stream.comment()


async def test_a_peer_that_vanished_is_noticed(
    node: Node, open_: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not acknowledge ends the connection, well before TCP would give up."""
    noticed: list[int] = []
    notice = line._notice_silence

    def watch(transport: asyncio.Transport) -> None:
        notice(transport)
        peer = transport.get_extra_info("socket")
        noticed.append(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))

    monkeypatch.setattr(line, "_notice_silence", watch)
    await (await open_()).expect("synced")
    assert noticed == [30_000]


async def test_who_keeps_up_is_written_to_without_waking_anybody(
    node: Node, api: Api, open_: Connect
) -> None:
    """The task of a stream sleeps while its reader gets one notification after the other."""
    stream = await open_()
    await stream.expect("synced")
    [reader] = node.readers._all()
    assert isinstance(reader, Stream)

    async def is_idle() -> bool:
        return reader._idle

    await until(is_idle, what="the reader to have caught up")
    for number in range(3):
        await api.publish(title=f"{number}")
        assert (await stream.expect("notification")).data["title"] == f"{number}"
        assert reader._idle
        assert not reader._wake.is_set()


async def test_many_who_come_together_take_turns(
    node: Node, api: Api, open_: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams share the turns of all readers: so many catch up at a time, and all of them do."""
    monkeypatch.setattr(node.hub, "arrivals", asyncio.Semaphore(2))
    replay, at_once, most = node.feed.replay, 0, 0

    async def counted(*args: Any) -> Any:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return await replay(*args)

    monkeypatch.setattr(node.feed, "replay", counted)
    streams = await asyncio.gather(*(open_(f"user-{number}") for number in range(10)))
    for stream in streams:
        await stream.expect("synced")
    assert most == 2


async def test_a_token_ends_its_stream(api: Api, open_: Connect) -> None:
    """With a goodbye, at the second."""
    stream = await open_(token=token_of("ada", lifetime=2))
    await stream.expect("synced")
    goodbye = await stream.expect("goodbye")
    assert goodbye.data == {"reason": "expired", "reconnect_after": 0.0}
    assert await stream.next() is None


async def test_a_node_that_leaves_says_goodbye(node: Node, open_: Connect) -> None:
    """Readers learn when to come back, and those who come meanwhile are refused."""
    stream = await open_()
    await stream.expect("synced")
    await node.drain()
    goodbye = await stream.expect("goodbye")
    assert goodbye.data == {"reason": "shutdown", "reconnect_after": 1.0}
    assert await stream.next() is None
    refused = await open_()
    assert refused.response.status == 503
    assert "Retry-After" in refused.response.headers


async def test_a_reader_who_leaves_frees_everything(node: Node, api: Api) -> None:
    """Its place among the connections, its logs, its task."""
    async with connected(api) as stream:
        await stream.expect("synced")
        assert node.readers.kinds == {"stream": 1}
        assert node.hub.logs == 2

    async def is_free() -> bool:
        return not node.readers.kinds and node.hub.logs == 0

    await until(is_free, what="the reader to be forgotten")


async def test_streams_count_as_connections_of_their_user(
    start_node: OpenNode, open_api: OpenApi
) -> None:
    """Beyond the limit they are refused; another user's are not."""
    node = await start_node(NOTIFIER_LIMITS__CONNECTIONS_PER_USER="2")
    api = await open_api(node.app)
    async with connected(api) as one, connected(api) as two, connected(api) as three:
        assert [one.response.status, two.response.status] == [200, 200]
        assert three.response.status == 503
        assert (await three.response.json(content_type=None))["code"] == "overloaded"
        async with connected(api, "grace") as other:
            assert other.response.status == 200


@pytest.mark.parametrize("setting", ["CONNECTIONS", "CONNECTIONS_PER_ADDRESS"])
async def test_streams_count_for_the_node_and_the_address(
    setting: str, start_node: OpenNode, open_api: OpenApi
) -> None:
    """Whoever the users are; a place that was left can be taken again."""
    node = await start_node(**{f"NOTIFIER_LIMITS__{setting}": "1"})
    api = await open_api(node.app)
    async with connected(api) as one, connected(api, "grace") as two:
        assert [one.response.status, two.response.status] == [200, 503]

    async def has_a_place() -> bool:
        async with connected(api, "grace") as again:
            return again.response.status == 200

    await until(has_a_place, what="the place to be free")


async def test_a_burst_does_not_make_a_reader_slow(start_node: OpenNode, open_api: OpenApi) -> None:
    """Only what waits longer than it takes to be written counts as too much."""
    node = await start_node(**UNRATIONED, NOTIFIER_LIMITS__OUTBOX_BYTES="20000")
    api = await open_api(node.app)
    async with connected(api) as stream:
        await stream.expect("synced")
        caller = Principal("shop", is_service=True, scopes=frozenset({PUBLISH}))
        burst = [{"to": "user:ada", "title": f"{n}", "body": "x" * 2000} for n in range(100)]
        await asyncio.gather(*(node.publisher.publish(body, caller) for body in burst))
        got = [(await stream.expect("notification")).data["title"] for _ in burst]
    assert got == [f"{n}" for n in range(100)]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"since": "nonsense"}, 422),
        ({"last_id": "nonsense"}, 422),
        ({"token": "nonsense"}, 401),
        ({"token": token_of("ada", lifetime=-1)}, 401),
    ],
)
async def test_what_is_wrong_is_refused_before_anything_is_sent(
    options: dict[str, str], status: int, node: Node, open_: Connect
) -> None:
    """As a problem document, and nothing is left behind."""
    stream = await open_(**options)
    assert stream.response.status == status
    assert stream.response.headers["Content-Type"].startswith("application/problem+json")
    assert (node.readers.kinds, node.hub.logs) == ({}, 0)
