"""What a user's connections are told, and what they can do."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from notifier.core.feed import REPLAY_LIMIT
from notifier.core.models import ADMIN, Cursor, Entry, Preferences, Principal
from notifier.errors import StoreUnavailable
from notifier.realtime import following
from notifier.realtime.messages import NAMESPACE
from tests.core.domain import counted
from tests.realtime.engine.wire import Socket, until
from tests.realtime.nodes import SERVICE, Client, Running, refs, running, token


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Running]:
    """A node of the test's own."""
    async with running(tmp_path) as site:
        yield site


async def connect(socket: Socket, auth: object) -> dict[str, Any]:
    """Ask to connect by hand; the refusal, or the answer with the sid."""
    await socket.send(f"40{NAMESPACE},{json.dumps(auth)}")
    kind, _, answer = (await socket.text()).partition(",")
    assert kind in (f"40{NAMESPACE}", f"44{NAMESPACE}")
    decoded: dict[str, Any] = json.loads(answer)
    return decoded


def nobody_is_here(site: Running) -> bool:
    """Nothing of any connection is left."""
    node = site.node
    return node.hub.logs == 0 and node.namespace.users == 0 and not node.server.eio.connections


# Who connects


async def test_rooms_follow_from_the_token_alone(site: Running) -> None:
    """Whatever a client names, it is in the logs of its user, its roles and everyone."""
    async with site.synced("ada", roles=("admin",), since={"role:owner": 0}) as ada:
        ada.auth |= {"rooms": ["role:owner"], "roles": ["owner"], "user": "grace"}
        rooms = site.node.rooms.get_rooms(ada.sid, NAMESPACE)
        assert set(rooms) == {ada.sid, "user:ada", "role:admin", "everyone"}
        await site.publish(["role:owner", "user:grace"], "not for Ada")
        await site.publish("role:admin", "for admins")
        await ada.until("notification")
        assert ada.titles == ["for admins"]


EXPIRED = token("ada", lifetime=-5)
LONG_EXPIRED = token("ada", lifetime=-500)

REFUSED = {
    "no auth": (None, "unauthenticated"),
    "no token": ({}, "unauthenticated"),
    "token null": ({"token": None}, "unauthenticated"),
    "token an object": ({"token": {"sub": "ada"}}, "unauthenticated"),
    "token nonsense": ({"token": "x.y.z"}, "unauthenticated"),
    "token of another secret": ({"token": token("ada")[:-4] + "AAAA"}, "unauthenticated"),
    "service key": ({"token": f"nk_{'0' * 12}_{'A' * 43}"}, "unauthenticated"),
    "token expired": ({"token": LONG_EXPIRED}, "expired"),
    "token expired within the leeway": ({"token": EXPIRED}, "expired"),
    "since malformed": ({"token": token("ada"), "since": "nonsense"}, "invalid_request"),
    "since a number": ({"token": token("ada"), "since": 5}, "invalid_request"),
    "since negative": ({"token": token("ada"), "since": {"everyone": -1}}, "invalid_request"),
}


@pytest.mark.parametrize(("auth", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_connection_is_refused_with_a_code(site: Running, auth: object, code: str) -> None:
    """A sentence for people, a code for programs, and nothing is left behind."""
    async with site.wire.session() as socket:
        refusal = await connect(socket, auth)
        assert refusal["data"]["code"] == code
        assert refusal["message"]
        assert (site.node.hub.logs, site.node.namespace.users) == (0, 0)
    await until(lambda: nobody_is_here(site))


async def test_a_store_that_is_away_refuses_connections(site: Running) -> None:
    """With the time to wait before the next attempt."""
    await site.node.store.close()
    async with site.wire.session() as socket:
        refusal = await connect(socket, {"token": token("ada")})
    assert refusal["data"]["code"] == "store_unavailable"
    assert refusal["data"]["retry_after"] > 0
    assert (site.node.hub.logs, site.node.namespace.users) == (0, 0)


async def test_a_user_has_so_many_connections_at_once(tmp_path: Path) -> None:
    """However they race; others are not affected, and who leaves makes room."""
    async with running(tmp_path, NOTIFIER_LIMITS__CONNECTIONS_PER_USER="3") as site:
        async with asyncio.timeout(20):
            sockets = [site.wire.session() for _ in range(8)]
            opened = [await socket.__aenter__() for socket in sockets]
            auth = {"token": token("ada")}
            answers = await asyncio.gather(*(connect(socket, auth) for socket in opened))
            refused = [answer for answer in answers if "data" in answer]
            assert len(refused) == 5
            assert {refusal["data"]["code"] for refusal in refused} == {"overloaded"}
            assert all(refusal["data"]["retry_after"] > 0 for refusal in refused)
            async with site.synced("grace"):
                pass
            for socket in sockets:
                await socket.__aexit__(None, None, None)
            await until(lambda: nobody_is_here(site))
            async with site.synced("ada"):
                pass


async def test_coming_back_on_the_same_transport_is_one_connection(tmp_path: Path) -> None:
    """Who leaves the namespace and enters it again does not use up the limit."""
    async with running(tmp_path, NOTIFIER_LIMITS__CONNECTIONS_PER_USER="1") as site:
        async with site.wire.session() as socket:
            for _ in range(3):
                assert "sid" in await connect(socket, {"token": token("ada")})
                assert '"synced"' in await socket.text()
                await socket.send(f"41{NAMESPACE},")
        await until(lambda: nobody_is_here(site))


async def test_who_leaves_leaves_nothing_behind(site: Running) -> None:
    """Rooms, logs, users and timers go with the last connection."""
    async with site.synced("ada", roles=("admin",)), site.synced("ada"):
        assert site.node.namespace.users == 1
        assert site.node.hub.logs == 3
    await until(lambda: nobody_is_here(site))


async def test_the_answer_to_connecting_comes_first(site: Running) -> None:
    """Nothing else is sent before a client knows that it is connected."""
    await site.publish("user:ada")
    async with site.wire.session() as socket:
        auth = {"token": token("ada", lifetime=10), "since": {"user:ada": 0, "everyone": 0}}
        assert "sid" in await connect(socket, auth)
        events = [json.loads((await socket.text()).partition(",")[2])[0] for _ in range(3)]
        assert sorted(events) == ["auth_expiring", "notification", "synced"]


# What was missed


async def test_a_first_visit_begins_with_synced(site: Running) -> None:
    """Where the logs stand, the counts and the preferences; nothing is replayed."""
    await site.publish("user:ada")
    async with site.client("ada") as ada:
        [synced] = await ada.until("synced")
    assert synced == {
        "cursor": str(await site.head("user:ada", "everyone")),
        "counts": counted(1, 1),
        "recovered": True,
        "preferences": Preferences().as_dict(),
    }
    assert ada.got("notification") == []


async def test_a_connection_asks_for_its_user_once(
    site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands may come at once; and once it is synced, a store that is away is no matter."""
    visits: list[str] = []
    visit = site.node.feed.visit

    async def noting(caller: Principal) -> Any:
        visits.append(caller.id)
        return await visit(caller)

    monkeypatch.setattr(site.node.feed, "visit", noting)
    async with site.client("ada") as ada:
        await ada.until("synced")
        assert visits == ["ada"]
        await ada.settled()
        assert visits == ["ada", "ada"]  # what was asked for now


async def test_what_was_missed_comes_before_synced(site: Running) -> None:
    """Each log in its order, as if it came live; then synced, exactly once."""
    since = await site.head("user:ada", "everyone")
    async with site.synced("ada"):
        pass  # from now on Ada sees what everyone gets
    for n in range(6):
        await site.publish(["user:ada", "everyone"][n % 2], str(n))
    async with site.synced("ada", since=str(since)) as ada:
        await site.publish("user:ada", "live")
        await ada.until("notification", 7)
        missed = ada.titles[:6]
        assert [title for title in missed if int(title) % 2 == 0] == ["0", "2", "4"]
        assert [title for title in missed if int(title) % 2 == 1] == ["1", "3", "5"]
        assert ada.titles[6:] == ["live"]
        replayed = refs(ada.got("notification")[:6])
        assert [name for name, _ in ada.events].index("synced") == 6
        assert len(ada.got("synced")) == 1
        synced = ada.got("synced")[0]
    assert synced["recovered"]
    assert Cursor.parse(synced["cursor"]) == {ref.audience: ref.seq for ref in replayed}


async def test_who_polls_after_its_post_gets_its_replay(site: Running) -> None:
    """The packet that connects is answered before what was missed has been read."""
    since = await site.head("user:ada", "everyone")
    await asyncio.gather(*(site.publish("user:ada", str(n)) for n in range(5)))
    sid = await site.wire.sid()
    auth = json.dumps({"token": token("ada"), "since": since})
    assert (await site.wire.post(sid, f"40{NAMESPACE},{auth}"))[0] == 200
    text = ""
    while '"synced"' not in text:
        status, body = await site.wire.poll(sid)
        assert status == 200
        text += body
    assert text.count('["notification"') == 5


async def test_a_withdrawal_is_replayed(site: Running) -> None:
    """Who has shown it removes it."""
    receipt = await site.publish("user:ada")
    since = await site.head("user:ada", "everyone")
    await site.withdraw(receipt)
    async with site.synced("ada", since=since) as ada:
        [removed] = ada.got("removed")
        assert removed["ids"] == [str(receipt.entries[0].ref)]
        assert ada.got("notification") == []


async def test_who_missed_too_much_is_told_to_load_again(site: Running) -> None:
    """Never a part of what was missed."""
    since = await site.head("user:ada", "everyone")
    await asyncio.gather(*(site.publish("user:ada") for _ in range(REPLAY_LIMIT + 1)))
    async with site.synced("ada", since=since) as ada:
        assert ada.got("notification") == []
        assert ada.got("synced")[0]["recovered"] is False


async def test_replay_and_live_meet_without_gap_or_repetition(site: Running) -> None:
    """Clients that come with old cursors while publishing never stops read one unbroken log."""
    async with site.synced("ada"):
        pass
    first = await site.publish("everyone")
    start = Cursor({"everyone": first.entries[0].seq, "user:ada": 0})
    seen: list[Client] = []

    async def come_and_go() -> None:
        since: Cursor = Cursor(start)
        for _ in range(5):
            async with site.client("ada", since=since) as ada:
                await ada.until("synced")
                await ada.until("notification", 5)
                seen.append(ada)
                since = Cursor(start | {"everyone": refs(ada.got("notification"))[-1].seq})

    visitors = asyncio.gather(*(come_and_go() for _ in range(6)))
    while not visitors.done():
        await asyncio.gather(*(site.publish("everyone") for _ in range(3)))
    await visitors
    assert len(seen) == 30
    for ada in seen:
        before = Cursor.parse(ada.auth["since"])["everyone"]
        seqs = [ref.seq for ref in refs(ada.got("notification"))]
        assert seqs == list(range(before + 1, before + 1 + len(seqs)))
        assert len(ada.got("synced")) == 1


async def test_what_the_store_showed_first_is_not_delivered_again(site: Running) -> None:
    """An entry is in the store before its hint is here: a replay may find it, and so may another
    node, from which a client comes with a cursor. To the others it is new."""
    hub = site.node.hub
    async with site.synced("ada") as there:
        [synced] = there.got("synced")
        deliver, hints = hub.deliver, list[Entry]()
        hub.deliver = hints.append  # type: ignore[method-assign, assignment]
        [entry] = (await site.publish("everyone", "1")).entries
        since = Cursor.parse(synced["cursor"]) | {"everyone": entry.seq}
        async with (
            site.synced("ada", since=Cursor.parse(synced["cursor"])) as replayed,
            site.synced("ada", since=Cursor(since)) as moved,
        ):
            hub.deliver = deliver  # type: ignore[method-assign]
            for hint in hints:
                hub.deliver(hint)
            await site.publish("everyone", "2")
            for ada in (there, replayed, moved):
                await until(lambda ada=ada: "2" in ada.titles)
            assert there.titles == ["1", "2"]
            assert replayed.titles == ["1", "2"]
            assert moved.titles == ["2"]


async def test_a_store_that_fails_during_the_replay_sends_the_client_away(site: Running) -> None:
    """It says so and closes: the client comes back with its cursor."""
    replay = site.node.feed.replay

    async def failing(*_: Any) -> Any:
        raise StoreUnavailable("away")

    site.node.feed.replay = failing  # type: ignore[method-assign]
    async with site.client("ada") as ada:
        [goodbye] = await ada.until("goodbye")
        assert goodbye["reason"] == "store_unavailable"
        await until(lambda: not ada.connected)
    site.node.feed.replay = replay  # type: ignore[method-assign]
    await until(lambda: nobody_is_here(site))


# What a client asks for


async def test_every_event_is_acknowledged_with_its_answer(site: Running) -> None:
    """The events of the protocol answer as the REST calls do."""
    receipt = await site.publish("user:ada")
    [entry] = [str(e.ref) for e in receipt.entries]
    async with site.synced("ada") as ada:
        cursor = ada.got("synced")[0]["cursor"]
        page = await ada.call("feed", {"limit": 5})
        assert [item["id"] for item in page["items"]] == [entry]
        assert page["cursor"] == cursor
        missed = await ada.call("sync", {"since": cursor})
        assert (missed["items"], missed["recovered"]) == ([], True)
        assert await ada.call("mark_seen", {"cursor": cursor}) == counted(1, 0)
        assert await ada.call("mark_read", {"ids": [entry]}) == counted(0, 0)
        assert await ada.call("mark_unread", {"ids": [entry]}) == counted(1, 0)
        assert await ada.call("dismiss", {"ids": [entry]}) == counted(0, 0)
        changed = await ada.call("set_preferences", {"sound": False})
        assert changed == {**Preferences().as_dict(), "sound": False, "version": 1}
        assert await ada.call("get_preferences") == changed
        assert await ada.call("subscribe_topic", {"topic": "news"}) == {"cursor": "topic:news=0"}
        assert await ada.call("unsubscribe_topic", {"topic": "news"}) == counted(0, 0)
        fresh = await ada.call("refresh_token", {"token": token("ada")})
        assert 3500 < fresh["expires_in"] <= 3600


@pytest.mark.parametrize(
    ("event", "argument", "code", "field"),
    [
        ("feed", {"limit": -1}, "invalid_request", "limit"),
        ("feed", [], "invalid_request", ""),
        ("feed", "everything", "invalid_request", ""),
        ("sync", {}, "invalid_request", "since"),
        ("mark_read", {}, "invalid_request", "ids"),
        ("mark_read", {"ids": ["1@user:grace"]}, "not_found", None),
        ("dismiss", {"all": True}, "invalid_request", "cursor"),
        ("set_preferences", {"types": {"nope": {}}}, "invalid_request", "types.nope"),
        ("subscribe_topic", {"topic": "a b"}, "invalid_request", "topic"),
        ("unsubscribe_topic", {}, "invalid_request", "topic"),
        ("refresh_token", {"token": "x"}, "unauthenticated", None),
        ("refresh_token", {"token": token("grace")}, "forbidden", None),
        ("refresh_token", {"token": LONG_EXPIRED}, "expired", None),
        ("refresh_token", {"token": EXPIRED}, "expired", None),
    ],
)
async def test_every_event_is_acknowledged_with_its_error(
    site: Running, event: str, argument: Any, code: str, field: str | None
) -> None:
    """A code, a sentence, the wrong field; the connection goes on."""
    async with site.synced("ada") as ada:
        error = await ada.refused(event, argument)
        assert (error["code"], bool(error["message"])) == (code, True)
        assert field is None or list(error["errors"]) == [field]
        await ada.settled()
        assert ada.connected


@pytest.mark.parametrize(
    "event",
    ["nope", "connect", "disconnect", "connect_error", "__class__", "notification", "deliver",
     "tell", "close", "*", "", "x" * 1000],
)  # fmt: skip
async def test_other_event_names_mean_nothing(site: Running, event: str) -> None:
    """Neither handlers of the server, nor its methods, nor events of its own can be called."""
    async with site.synced("ada") as ada, site.synced("ada") as other:
        error = await ada.refused(event, {"token": token("grace")})
        assert error["code"] == "unknown_event"
        await ada.settled()
        await other.settled()
        assert [name for name, _ in other.events] == ["synced"]
        assert site.node.namespace.users == 1


async def test_an_event_takes_one_argument(site: Running) -> None:
    """None is an empty one."""
    async with site.synced("ada") as ada:
        assert (await ada.ask("feed"))["ok"]
        error = (await ada.ask("feed", {}, {}))["error"]
        assert error["code"] == "invalid_request"


@pytest.mark.parametrize("argument", [b"x", {"topic": b"x"}, [{"a": [b"x"]}]])
async def test_binary_arguments_are_refused(site: Running, argument: Any) -> None:
    """The protocol is JSON; the connection goes on."""
    async with site.synced("ada") as ada:
        assert (await ada.refused("subscribe_topic", argument))["code"] == "invalid_request"
        await ada.settled()


async def test_a_fault_of_ours_tells_nothing_of_us(
    site: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets an id, the log has the same id and the fault."""

    async def failing(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the inside")

    async with site.synced("ada") as ada:
        site.node.feed.page = failing  # type: ignore[method-assign]
        error = await ada.refused("feed")
        assert error["code"] == "internal"
        assert "inside" not in str(error)
        [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
        assert record.request_id in error["message"]  # type: ignore[attr-defined]
        assert (await ada.ask("get_preferences"))["ok"]


async def test_events_of_one_connection_are_handled_in_order(site: Running) -> None:
    """The next one begins when the last one is answered, whatever each takes."""
    async with site.synced("ada") as ada:
        calls = [
            ada.call("set_preferences", {"sound": bool(n % 2)})
            if n % 3
            else ada.call("subscribe_topic", {"topic": str(n)})
            for n in range(12)
        ]
        answers = await asyncio.gather(*calls)
        versions = [answer["version"] for answer in answers if "version" in answer]
        assert versions == list(range(1, 9))
        assert [a["sound"] for a in answers if "sound" in a] == [
            bool(n % 2) for n in range(12) if n % 3
        ]


async def test_a_packet_that_is_too_large_closes_its_connection_alone(site: Running) -> None:
    """2 MB are more than the limit; other connections of the same user do not notice."""
    async with site.synced("ada") as other, site.wire.session() as socket:
        assert "sid" in await connect(socket, {"token": token("ada")})
        await socket.send(f'42{NAMESPACE},1["feed",{{"x":"{"x" * 2_000_000}"}}]')
        assert await socket.closed() == 1009
        await other.settled()
        assert other.connected


# What the others are told


async def test_a_change_reaches_the_users_other_connections(site: Running) -> None:
    """Every device follows, but not the one that did it, which has its answer."""
    receipt = await site.publish("user:ada")
    [entry] = [str(e.ref) for e in receipt.entries]
    async with (
        site.synced("ada") as phone,
        site.synced("ada") as laptop,
        site.synced("grace") as grace,
    ):
        cursor = laptop.got("synced")[0]["cursor"]
        counts = await phone.call("mark_read", {"ids": [entry]})
        await phone.call("mark_seen", {"cursor": cursor})
        await phone.call("dismiss", {"ids": [entry]})
        states = await laptop.until("state", 3)
        assert states[0] == {"read": [entry], "counts": counts}
        assert Cursor.parse(states[1]["through"]["seen"]) == Cursor.parse(cursor)
        assert states[2] == {"dismissed": [entry], "counts": counted(0, 0)}
        await phone.settled()
        await grace.settled()
        assert phone.got("state") == grace.got("state") == []


async def test_a_change_from_elsewhere_reaches_all_connections(site: Running) -> None:
    """What is done by REST is told to every socket of the user."""
    receipt = await site.publish("user:ada")
    async with site.synced("ada") as phone, site.synced("ada") as laptop:
        ids = [str(e.ref) for e in receipt.entries]
        await site.node.feed.mark_read(Principal("ada"), {"ids": ids})
        assert (await phone.until("state"))[0]["read"] == ids
        assert (await laptop.until("state"))[0]["read"] == ids


async def test_what_is_told_during_the_replay_comes_after_it(site: Running) -> None:
    """A state that arrives while the past is sent must not be overtaken by it."""
    receipt = await site.publish("user:ada")
    since = {"user:ada": receipt.entries[0].seq - 1, "everyone": 0}
    ids = [str(e.ref) for e in receipt.entries]
    replay = site.node.feed.replay

    async def replay_while_another_device_reads(*args: Any) -> Any:
        answer = await replay(*args)
        await site.node.feed.mark_read(Principal("ada"), {"ids": ids})
        return answer

    site.node.feed.replay = replay_while_another_device_reads  # type: ignore[method-assign]
    async with site.synced("ada", since=since) as ada:
        await ada.until("state")
        assert [name for name, _ in ada.events] == ["notification", "synced", "state"]


async def test_a_withdrawal_removes_it_everywhere(site: Running) -> None:
    """At once, from everybody who was shown it."""
    async with site.synced("ada") as ada, site.synced("grace") as grace:
        receipt = await site.publish("everyone")
        await site.withdraw(receipt)
        for client in (ada, grace):
            [removed] = await client.until("removed")
            assert removed["ids"] == [str(receipt.entries[0].ref)]


# What is withheld


async def place_taken(client: Client, seq: int) -> None:
    """The client learns that a place holds nothing for it, and gets nothing else."""
    [removed] = await client.until("removed")
    assert (removed["ids"], refs([removed])[0].seq) == ([], seq)
    assert client.got("notification") == []


async def test_a_type_of_another_role_is_withheld(site: Running) -> None:
    """Its place is taken, so that the log has no hole; who has the role gets it."""
    async with site.synced("ada", roles=("admin",)) as ada, site.synced("grace") as grace:
        receipt = await site.publish("everyone", type="system_alert")
        await place_taken(grace, receipt.entries[0].seq)
        assert (await ada.until("notification"))[0]["type"] == "system_alert"


async def test_a_muted_type_is_withheld_on_all_devices(site: Running) -> None:
    """From the moment of the change until it is taken back; all devices learn of it."""
    async with site.synced("ada") as phone, site.synced("ada") as laptop:
        muted = await phone.call("set_preferences", {"types": {"like": {"bell": False}}})
        assert await laptop.until("preferences") == [muted]
        receipt = await site.publish("user:ada", type="like")
        await place_taken(phone, receipt.entries[0].seq)
        await place_taken(laptop, receipt.entries[0].seq)
        await phone.call("set_preferences", {"types": {"like": {"bell": True}}})
        await site.publish("user:ada", "again", type="like")
        for client in (phone, laptop):
            await client.until("notification")
            assert client.titles == ["again"]
        assert phone.got("preferences") == []


async def test_a_muted_type_is_withheld_from_who_comes_later(site: Running) -> None:
    """The preferences are those of the user, not of the connection."""
    async with site.synced("ada") as ada:
        await ada.call("set_preferences", {"types": {"like": {"bell": False}}})
    async with site.synced("ada") as ada:
        receipt = await site.publish("user:ada", type="like")
        await place_taken(ada, receipt.entries[0].seq)


async def test_excluded_users_get_nothing(site: Running) -> None:
    """On none of their connections; the others get it."""
    async with (
        site.synced("ada") as phone,
        site.synced("ada") as laptop,
        site.synced("grace") as grace,
    ):
        receipt = await site.publish("everyone", **{"except": ["user:ada"]})
        await place_taken(phone, receipt.entries[0].seq)
        await place_taken(laptop, receipt.entries[0].seq)
        await grace.until("notification")


# Topics


async def test_a_subscription_takes_effect_on_all_connections(site: Running) -> None:
    """At once, without connecting again; its end as well."""
    async with site.synced("ada") as phone, site.synced("ada") as laptop:
        answer = await phone.call("subscribe_topic", {"topic": "news"})
        assert (await laptop.until("state"))[0] == {"joined": answer["cursor"]}
        await site.publish("topic:news", "news")
        for client in (phone, laptop):
            await client.until("notification")
        await phone.call("unsubscribe_topic", {"topic": "news"})
        assert (await laptop.until("state", 2))[1]["left"] == ["topic:news"]
        await site.publish("topic:news", "no more")
        await site.publish("user:ada", "last")
        for client in (phone, laptop):
            await client.until("notification", 2)
            assert client.titles == ["news", "last"]
        assert phone.got("state") == []
        rooms = site.node.rooms.get_rooms(laptop.sid, NAMESPACE)
        assert "topic:news" not in rooms


def publishing_before(site: Running, call: str, **fields: Any) -> None:
    """Once a call of the feed has done its work, something is published before it returns."""
    original = getattr(site.node.feed, call)

    async def slow(*args: Any, **options: Any) -> Any:
        answer = await original(*args, **options)
        setattr(site.node.feed, call, original)
        await site.publish(**fields)
        return answer

    setattr(site.node.feed, call, slow)


async def test_what_comes_while_a_topic_is_joined_is_shown(site: Running) -> None:
    """From where the subscription begins, behind the answer; on the other devices as well."""
    async with site.synced("ada") as laptop, site.wire.session() as socket:
        await connect(socket, {"token": token("ada")})
        assert '"synced"' in await socket.text()
        publishing_before(site, "subscribe_topic", to="topic:news", title="first")
        await socket.send(f'42{NAMESPACE},1["subscribe_topic",{{"topic":"news"}}]')
        answer = await socket.text()
        assert answer.startswith(f"43{NAMESPACE},1")
        assert "topic:news=0" in answer
        assert '"first"' in await socket.text()
        await site.publish("topic:news", "second")
        assert '"second"' in await socket.text()
        await laptop.until("notification", 2)
        assert laptop.titles == ["first", "second"]
        assert laptop.got("state") == [{"joined": "topic:news=0"}]


async def test_what_comes_while_a_topic_is_joined_comes_once(site: Running) -> None:
    """Whether it was stored before the log was joined, or delivered while its past is read."""
    async with site.synced("ada") as ada:
        await site.publish("topic:news", "too early")
        publishing_before(site, "subscribe_topic", to="topic:news", title="past")
        publishing_before(site, "replay", to="topic:news", title="live")
        await ada.call("subscribe_topic", {"topic": "news"})
        await ada.until("notification", 2)
        await ada.settled()
        assert ada.titles == ["past", "live"]


async def test_a_topic_followed_during_the_replay_is_joined_behind_it(site: Running) -> None:
    """``synced`` comes first, then where the log begins and what it holds."""
    replay = site.node.feed.replay

    async def replay_while_another_device_subscribes(*args: Any) -> Any:
        site.node.feed.replay = replay  # type: ignore[method-assign]
        await site.node.feed.subscribe_topic(Principal("ada"), {"topic": "news"})
        await site.publish("topic:news", "first")
        await until(lambda: not site.node.namespace._following._tasks)
        return await replay(*args)

    site.node.feed.replay = replay_while_another_device_subscribes  # type: ignore[method-assign]
    async with site.synced("ada") as ada:
        await ada.until("notification")
        assert [name for name, _ in ada.events] == ["synced", "state", "notification"]
        assert ada.got("state") == [{"joined": "topic:news=0"}]


async def test_who_joins_a_log_that_holds_too_much_loads_again(site: Running) -> None:
    """The connection is closed with ``resync``: it comes back and is told to load its feed."""
    await asyncio.gather(*(site.publish("role:admin") for _ in range(REPLAY_LIMIT + 1)))
    async with site.synced("ada") as ada:
        fresh = {"token": token("ada", roles=("admin",))}
        await ada.sio.emit("refresh_token", fresh, namespace=NAMESPACE)
        [goodbye] = await ada.until("goodbye")
        assert goodbye["reason"] == "resync"
    await until(lambda: nobody_is_here(site))


async def test_subscribing_twice_moves_nobody(site: Running) -> None:
    """The other devices are in the log already and are not told of it again."""
    async with site.synced("ada") as phone, site.synced("ada") as laptop:
        await phone.call("subscribe_topic", {"topic": "news"})
        await site.publish("topic:news")
        answer = await phone.call("subscribe_topic", {"topic": "news"})
        assert Cursor.parse(answer["cursor"]) == await site.head("topic:news")
        await laptop.until("notification")
        await phone.call("mark_seen", {"cursor": answer["cursor"]})
        await laptop.until("state", 2)
        assert [list(state) for state in laptop.got("state")] == [["joined"], ["through", "counts"]]


async def test_quick_changes_of_a_subscription_end_as_the_last_one(site: Running) -> None:
    """However the news of them overtake each other."""
    async with site.synced("ada") as phone, site.synced("ada") as laptop:
        for _ in range(10):
            calls = [
                phone.call("subscribe_topic", {"topic": "news"}),
                phone.call("unsubscribe_topic", {"topic": "news"}),
            ]
            await asyncio.gather(*calls)
        await phone.call("mark_seen", {"cursor": ""})
        await until(lambda: not site.node.namespace._following._tasks)
        for client in (phone, laptop):
            assert "topic:news" not in site.node.rooms.get_rooms(client.sid, NAMESPACE)
        assert site.node.hub.logs == 2


async def compare(site: Running, *users: str) -> None:
    """What happens by itself every 20 s."""
    for user, standing in (await site.node.store.standings(users)).items():
        for sink in site.node.hub.sinks:
            sink.compare(user, standing)


def fail_visits(
    site: Running, monkeypatch: pytest.MonkeyPatch, error: Exception, *, times: int
) -> None:
    """From now on, the first so many readings of a user fail."""
    visit, failures = site.node.feed.visit, times

    async def failing(caller: Principal) -> Any:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise error
        return await visit(caller)

    monkeypatch.setattr(site.node.feed, "visit", failing)


async def test_who_stands_where_the_store_says_is_not_looked_up(
    site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With topics and preferences as they are: mostly that is everybody."""
    async with site.synced("ada") as ada:
        await ada.call("subscribe_topic", {"topic": "news"})
        await ada.call("set_preferences", {"sound": False})
        await until(lambda: not site.node.namespace._following._tasks)
        monkeypatch.setattr(site.node.feed, "visit", None)
        await compare(site, "ada", "nobody")
        assert not site.node.namespace._following._tasks


async def test_who_is_looked_up_waits_for_a_store_that_is_away(
    site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is sent away: it would be everybody."""
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.01)
    async with site.synced("ada") as phone, site.synced("ada") as laptop:
        await site.node.store.join_topic("ada", "news", 0)
        fail_visits(site, monkeypatch, StoreUnavailable("away"), times=3)
        await compare(site, "ada", "grace")
        for client in (phone, laptop):
            assert await client.until("state") == [{"joined": "topic:news=0"}]
            assert client.got("goodbye") == []


async def test_many_are_looked_up_a_few_at_a_time(
    site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart of Redis it is everybody, and the store has others to serve."""
    monkeypatch.setattr(following, "LOOKED_UP_TOGETHER", 2)
    visit = site.node.feed.visit
    now: set[str] = set()
    most = 0

    async def counting(caller: Principal) -> Any:
        nonlocal most
        now.add(caller.id)
        most = max(most, len(now))
        visited = await visit(caller)
        now.discard(caller.id)
        return visited

    users = [f"user{n}" for n in range(5)]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(site.synced(user)) for user in users]
        for user in users:
            await site.node.store.join_topic(user, "news", 0)
        monkeypatch.setattr(site.node.feed, "visit", counting)
        await compare(site, *users)
        for client in clients:
            await client.until("state")
    assert most == 2


async def test_a_fault_with_one_user_does_not_leave_others_in_the_wrong_logs(
    site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few are looked up at a time."""
    monkeypatch.setattr(following, "LOOKED_UP_TOGETHER", 1)
    async with site.synced("ada") as ada, site.synced("grace") as grace:
        for user in ("ada", "grace"):
            await site.node.store.join_topic(user, "news", 0)
        fail_visits(site, monkeypatch, RuntimeError(), times=1)
        await compare(site, "ada", "grace")
        await until(lambda: len(ada.got("state")) + len(grace.got("state")) == 1)


# Tokens


async def test_a_connection_ends_with_its_token(site: Running) -> None:
    """Warned at once if less than half a minute is left; closed when it expires."""
    async with site.client("ada", lifetime=2) as ada:
        [warning] = await ada.until("auth_expiring")
        assert 0 < warning["expires_in"] <= 2
        began = asyncio.get_running_loop().time()
        [goodbye] = await ada.until("goodbye")
        assert asyncio.get_running_loop().time() - began < warning["expires_in"] + 1
        assert goodbye["reason"] == "expired"
        await until(lambda: not ada.connected)
    await until(lambda: nobody_is_here(site))


async def test_an_expired_connection_is_closed_so_that_clients_come_back(site: Running) -> None:
    """1001: Socket.IO clients reconnect after it, with a fresh token."""
    async with site.wire.session() as socket:
        await connect(socket, {"token": token("ada", lifetime=1)})
        assert await socket.closed() == 1001


async def test_a_fresh_token_extends_the_connection(site: Running) -> None:
    """The old expiry no longer counts."""
    async with site.client("ada", lifetime=2) as ada:
        await ada.until("auth_expiring")
        answer = await ada.call("refresh_token", {"token": token("ada", lifetime=600)})
        assert answer["expires_in"] > 590
        async with site.client("grace", lifetime=2) as witness:
            await witness.until("goodbye")
        await ada.settled()
        assert ada.connected
        assert ada.got("goodbye") == []


async def test_fresh_roles_take_effect_at_once(site: Running) -> None:
    """Logs are joined and left, and types of the roles shown or withheld."""
    async with site.synced("ada", roles=("old",)) as ada:
        await ada.call("refresh_token", {"token": token("ada", roles=("admin",))})
        [state] = await ada.until("state")
        assert state == {"joined": "role:admin=0", "left": ["role:old"]}
        await site.publish("role:old", "to the old")
        await site.publish("role:admin", "to admins", type="system_alert")
        await ada.until("notification")
        assert ada.titles == ["to admins"]
        await ada.call("refresh_token", {"token": token("ada")})
        await site.publish("role:admin", "no longer")
        receipt = await site.publish("user:ada", type="system_alert")
        [removed] = await ada.until("removed")
        assert refs([removed])[0].seq == receipt.entries[0].seq
        assert ada.titles == ["to admins"]


async def test_a_role_that_is_lost_during_the_replay_shows_nothing_more(site: Running) -> None:
    """Neither of what was missed nor of what came meanwhile: logs and types of the role."""
    root = Principal("root", scopes=frozenset({ADMIN}))
    replay = site.node.feed.replay

    async def publish(title: str) -> None:
        await site.publish("role:admin", title)
        await site.publish("everyone", title, type="system_alert")

    async def replay_while_the_role_is_lost(*args: Any) -> Any:
        answer = await replay(*args)
        await publish("held")
        await site.node.validity.revoke("ada", {"roles": ["admin"]}, root)
        sessions = site.node.namespace._sessions.of("ada")
        await until(lambda: not any(session.principal.roles for session in sessions))
        return answer

    async with site.synced("ada", roles=("admin",)) as ada:
        since = ada.got("synced")[0]["cursor"]
    await publish("missed")
    site.node.feed.replay = replay_while_the_role_is_lost  # type: ignore[method-assign]
    async with site.synced("ada", roles=("admin",), since=since) as ada:
        await site.publish("everyone", "for all")
        await ada.until("notification")
        assert ada.titles == ["for all"]


async def test_a_refresh_that_fails_changes_nothing(site: Running) -> None:
    """With the store away the roles stay what they were; the next attempt succeeds."""
    async with site.synced("ada") as ada:
        heads = site.node.store.heads

        async def failing(*_: Any) -> Any:
            raise StoreUnavailable("away")

        site.node.store.heads = failing  # type: ignore[method-assign]
        fresh = {"token": token("ada", roles=("admin",))}
        assert (await ada.refused("refresh_token", fresh))["code"] == "store_unavailable"
        rooms = site.node.rooms.get_rooms(ada.sid, NAMESPACE)
        assert set(rooms) == {ada.sid, "user:ada", "everyone"}
        site.node.store.heads = heads  # type: ignore[method-assign]
        await ada.call("refresh_token", fresh)
        await site.publish("role:admin")
        await ada.until("notification")


async def test_publishing_as_a_service_needs_no_connection(site: Running) -> None:
    """A service is not a user: its name opens no feed here."""
    async with site.synced(SERVICE.id) as user:
        await site.publish("user:shop")
        await user.until("notification")
