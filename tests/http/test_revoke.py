"""Taking back what tokens say: every call and every kind of stream follows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
import socketio

from notifier.app import Node
from notifier.core import validity
from notifier.core.credentials import create_service_key
from notifier.core.models import ADMIN, PUBLISH, now_ms
from notifier.realtime import revalidation
from notifier.realtime.messages import NAMESPACE
from tests.eventsource import EventStream, open_stream
from tests.http.client import SECRET, Api, token_of
from tests.http.conftest import OpenApi, OpenNode
from tests.http.test_poll import LONG, poll, start, waiting
from tests.servers import until


def token(user: str = "ada", *, at: float | None = 0.0, **claims: Any) -> str:
    """A token issued ``at`` seconds from now; None: it does not say when."""
    now = time.time()
    issued = {} if at is None else {"iat": now + at}
    return jwt.encode({"sub": user, "exp": now + 600, **issued, **claims}, SECRET, "HS256")


async def revoke(api: Api, user: str = "ada", **body: Any) -> None:
    by = token_of("root", scopes=[ADMIN])
    answer = await api("POST", f"/v1/users/{user}/revoke", token=by, json=body)
    assert answer.status == 204, answer.text


async def status(api: Api, bearer: str) -> int:
    return (await api("GET", "/v1/feed", token=bearer)).status


@asynccontextmanager
async def streaming(api: Api, bearer: str, since: str | None = None) -> AsyncIterator[EventStream]:
    url = api.client.make_url("/v1/feed/stream")
    params = None if since is None else {"since": since}
    async with open_stream(api.client.session, url, token=bearer, params=params) as stream:
        yield stream


class Socket:
    """A stock Socket.IO client that keeps what it is told."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(reconnection=False)
        self.events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        for name in ("notification", "state", "synced", "goodbye"):
            self.client.on(name, self._keeping(name), namespace=NAMESPACE)

    def _keeping(self, name: str) -> Any:
        async def keep(data: Any) -> None:
            self.events.put_nowait((name, data))

        return keep

    async def until(self, name: str, *, never: str | None = None) -> Any:
        async with asyncio.timeout(20):
            while (event := await self.events.get())[0] != name:
                assert event[0] != never
        return event[1]


@asynccontextmanager
async def connected(api: Api, bearer: str, transport: str = "websocket") -> AsyncIterator[Socket]:
    socket = Socket()
    await socket.client.connect(
        str(api.client.make_url("/").origin()),
        transports=[transport],
        namespaces=[NAMESPACE],
        auth={"token": bearer},
    )
    await socket.until("synced")
    yield socket
    await socket.client.disconnect()


async def test_tokens_issued_until_now_are_of_no_use(api: Api) -> None:
    """Later ones are; so are those of other users."""
    old, undated, other = token(at=-1), token(at=None), token("grace", at=-1)
    assert [await status(api, bearer) for bearer in (old, undated, other)] == [200, 200, 200]
    await revoke(api)
    assert [await status(api, bearer) for bearer in (old, undated, other)] == [401, 401, 200]
    assert await status(api, token(at=5)) == 200


async def test_roles_are_taken_from_tokens_issued_until_now(api: Api) -> None:
    """The rest of such a token stays good; a later one proves the role again."""
    old, later = token(at=-1, roles=["admin", "editor"]), token(at=5, roles=["admin"])
    await revoke(api, roles=["admin"])
    for bearer, audiences in ((old, {"role:editor"}), (later, {"role:admin"})):
        cursor = (await api("GET", "/v1/feed", token=bearer)).json["cursor"]
        assert {a for a in cursor.replace("=", ";").split(";") if "role" in a} == audiences


async def test_publishing_is_over_as_well(api: Api) -> None:
    """A revoked token proves no scope."""
    bearer = token(at=-1, scope=PUBLISH)
    await revoke(api)
    body = {"to": "everyone", "title": "x"}
    answer = await api("POST", "/v1/notifications", token=bearer, json=body)
    assert (answer.status, answer.code) == (401, "unauthenticated")


async def test_a_stream_ends_within_a_second(api: Api) -> None:
    """With a goodbye that says why; nothing that still waited is sent."""
    async with streaming(api, token(at=-1)) as stream:
        await stream.expect("synced")
        await revoke(api)
        goodbye = await stream.next(patience=1)
        assert goodbye is not None
        assert goodbye.data == {"reason": "revoked", "reconnect_after": 0.0}
        assert await stream.next() is None


async def test_a_waiting_poll_ends_within_a_second(node: Node, api: Api) -> None:
    """As unauthenticated."""
    since = await start(api)
    async with waiting(node, api, since, token=token(at=-1)) as polling:
        await revoke(api)
        answer = await asyncio.wait_for(polling, 1)
    assert (answer.status, answer.code) == (401, "unauthenticated")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_socket_ends_within_a_second(api: Api, transport: str) -> None:
    """With a goodbye that says why, on both transports."""
    async with connected(api, token(at=-1), transport) as socket:
        await revoke(api)
        goodbye = await asyncio.wait_for(socket.until("goodbye"), 1)
        assert goodbye["reason"] == "revoked"


async def test_a_slow_socket_gets_nothing_more_that_waited(node: Node, api: Api) -> None:
    """What its reader was too slow for is not sent after the revocation."""
    async with connected(api, token(at=-1)) as socket:
        [connection] = node.server.eio.connections.values()
        connection._link.pause_writing()  # as its transport does when the reader is behind
        await api.publish(title="For who may still read it")
        async with asyncio.timeout(20):
            while not connection._link.outbox:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        await revoke(api)
        await socket.until("goodbye", never="notification")


async def test_a_stream_leaves_the_logs_of_a_lost_role(api: Api) -> None:
    """It hears of that, of nothing more in the log, and goes on."""
    async with streaming(api, token(at=-1, roles=["admin"])) as stream:
        synced = await stream.expect("synced")
        assert "role:admin" in synced.id
        await revoke(api, roles=["admin"])
        state = await stream.expect("state")
        assert state.data["left"] == ["role:admin"]
        assert "role:admin" not in state.id
        await api.publish("role:admin", title="For admins")
        await api.publish(title="For ada")
        assert (await stream.expect("notification")).data["title"] == "For ada"


async def test_a_socket_leaves_the_logs_of_a_lost_role(api: Api) -> None:
    """The same over Socket.IO; types for the role are hidden as well."""
    async with connected(api, token(at=-1, roles=["admin"])) as socket:
        await revoke(api, roles=["admin"])
        assert (await socket.until("state"))["left"] == ["role:admin"]
        await api.publish("role:admin", title="For admins")
        await api.publish("everyone", type="system_alert", title="For admins, too")
        await api.publish(title="For ada")
        assert (await socket.until("notification"))["title"] == "For ada"


async def test_a_waiting_poll_learns_that_a_role_was_lost(node: Node, api: Api) -> None:
    """It belongs to other logs now: not recovered."""
    bearer = token(at=-1, roles=["admin"])
    since = (await poll(api, token=bearer)).json["cursor"]
    polling = asyncio.create_task(poll(api, since, LONG, token=bearer))

    async def waits() -> bool:
        return node.hub.logs == 3

    await until(waits, what="the poll to wait")
    await revoke(api, roles=["admin"])
    answer = await asyncio.wait_for(polling, 1)
    assert answer.json["recovered"] is False
    assert "role:admin" not in answer.json["cursor"]


async def test_a_lost_role_is_not_replayed(api: Api) -> None:
    """Who comes back with an old token and an old cursor gets nothing of the log."""
    bearer = token(at=-1, roles=["admin"])
    since = (await api("GET", "/v1/feed", token=bearer)).json["cursor"]
    await api.publish("role:admin", title="For admins")
    await revoke(api, roles=["admin"])
    async with streaming(api, bearer, since) as stream:
        synced = await stream.expect("synced")
        assert synced.data["recovered"] is False


async def test_a_connection_cannot_be_extended_with_a_revoked_token(api: Api) -> None:
    """``refresh_token`` is refused; the connection stays on its own, later token."""
    old = token(at=-1)
    await revoke(api)
    async with connected(api, token(at=5)) as socket:
        answer = await socket.client.call("refresh_token", {"token": old}, namespace=NAMESPACE)
        assert (answer["ok"], answer["error"]["code"]) == (False, "unauthenticated")
        answer = await socket.client.call(
            "refresh_token", {"token": token(at=6)}, namespace=NAMESPACE
        )
        assert answer["ok"] is True


async def test_a_ticket_is_revoked_with_its_token(api: Api) -> None:
    """Even between being given out and being shown."""
    ticket = (await api("POST", "/v1/tickets", token=token(at=-1))).json["ticket"]
    await revoke(api)
    answer = await api("GET", "/v1/feed/poll", params={"ticket": ticket})
    assert (answer.status, answer.code) == (401, "unauthenticated")


async def test_another_node_follows_within_seconds(
    api: Api, start_node: OpenNode, open_api: OpenApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any bus between them: calls when what is remembered is too old, streams at the next
    check, a new stream at once."""
    monkeypatch.setattr(revalidation, "CHECK_SECONDS", 0.1)
    other = await start_node()
    there = await open_api(other.app)
    old = token(at=-1)
    assert await status(there, old) == 200
    async with streaming(there, old) as stream, connected(there, old) as socket:
        await stream.expect("synced")
        await revoke(api)
        assert (await stream.expect("goodbye")).data["reason"] == "revoked"
        assert (await socket.until("goodbye"))["reason"] == "revoked"
    async with streaming(there, old) as stream:
        assert stream.response.status == 401
    assert validity.RULE_TTL <= 5
    assert await status(there, old) == 401


@pytest.mark.parametrize(
    ("scopes", "expected"), [([ADMIN], 204), ([PUBLISH], 403), ([], 403), (["admin"], 403)]
)
async def test_revoking_needs_the_scope_for_it(api: Api, scopes: list[str], expected: int) -> None:
    """Being in a role is not enough."""
    by = token_of("root", scopes=scopes, roles=["admin"])
    answer = await api("POST", "/v1/users/ada/revoke", token=by, json={})
    assert answer.status == expected


async def test_a_service_may_revoke(api: Api, node: Node) -> None:
    """The application's own sign-out calls it."""
    key, text = create_service_key("accounts", {ADMIN}, now_ms())
    await node.store.add_key(key)
    answer = await api("POST", "/v1/users/ada/revoke", token=text, json={})
    assert answer.status == 204
    assert await status(api, token(at=-1)) == 401


@pytest.mark.parametrize(
    "body",
    [[], {"roles": []}, {"roles": "admin"}, {"roles": [""]}, {"roles": ["a"] * 51}, {"x": 1}],
)
async def test_what_to_take_must_be_said_well(api: Api, body: Any) -> None:
    """A wrong body takes nothing; an empty list is no "everything"."""
    bearer = token(at=-1)
    by = token_of("root", scopes=[ADMIN])
    answer = await api("POST", "/v1/users/ada/revoke", token=by, json=body)
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert await status(api, bearer) == 200


async def test_a_name_that_no_user_can_have_is_refused(api: Api) -> None:
    """Nothing is stored under it."""
    by = token_of("root", scopes=[ADMIN])
    answer = await api("POST", "/v1/users/a%20b/revoke", token=by, json={})
    assert (answer.status, answer.code) == (422, "invalid_request")


async def test_users_are_named_as_in_tokens(api: Api) -> None:
    """Percent-encoded in the path."""
    await revoke(api, "a%2Fb%C3%A9")
    assert await status(api, token("a/bé", at=-1)) == 401
