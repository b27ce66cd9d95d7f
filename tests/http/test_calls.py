"""Who is let in, and how often."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Any

import pytest

from notifier.app import Node
from notifier.core.credentials import create_service_key
from notifier.core.models import ADMIN, now_ms
from tests.eventsource import open_stream
from tests.http.client import PUBLISH, Api, token_of
from tests.http.conftest import OpenApi, OpenNode

BODY = {"to": "user:ada", "title": "x"}

CHANGES = {
    "revoke": ("POST", "/v1/users/ada/revoke", {}, "goodbye"),
    "raise_watermark": ("POST", "/v1/feed/seen", {"cursor": "user:ada=0"}, "state"),
    "set_preferences": ("PATCH", "/v1/preferences", {"sound": False}, "preferences"),
    "join_topic": ("PUT", "/v1/topics/cats/subscription", None, "state"),
    "append": ("POST", "/v1/notifications", BODY, "notification"),
}
"""Calls by what they do to the store, and what others are told then."""


class Held:
    """A function of the store that has done its work, but does not return before it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, node: Node, name: str) -> None:
        self.stored, self.may_return = asyncio.Event(), asyncio.Event()
        self._function = getattr(node.store, name)
        monkeypatch.setattr(node.store, name, self)

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = await self._function(*args, **kwargs)
        self.stored.set()
        await self.may_return.wait()
        return result


async def hang_up(api: Api, call: asyncio.Task[Any]) -> None:
    """Leave a call without its answer; returns when the server has noticed."""
    runner = api.client.server.runner
    assert runner is not None
    assert runner.server is not None
    before = len(runner.server.connections)
    call.cancel()
    await asyncio.wait([call])
    async with asyncio.timeout(10):
        while len(runner.server.connections) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("function", CHANGES)
async def test_who_hangs_up_does_not_keep_what_was_stored_from_being_told(
    function: str, node: Node, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that changes something is carried to its end."""
    method, path, body, event = CHANGES[function]
    token = token_of("ada", scopes=[PUBLISH, ADMIN])
    url = api.client.make_url("/v1/feed/stream")
    async with open_stream(api.client.session, url, token=token) as stream:
        await stream.expect("synced")
        held = Held(monkeypatch, node, function)
        call = asyncio.ensure_future(api(method, path, token=token, json=body))
        await held.stored.wait()
        await hang_up(api, call)
        held.may_return.set()
        await stream.expect(event)


async def test_the_server_waits_for_what_is_to_be_told(
    node: Node, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not close while a change that nobody waits for any more is under way."""
    held = Held(monkeypatch, node, "set_preferences")
    call = asyncio.ensure_future(api("PATCH", "/v1/preferences", user="ada", json={"sound": False}))
    await held.stored.wait()
    await hang_up(api, call)
    closing = asyncio.ensure_future(api.client.server.close())
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(closing), 0.2)
    assert not closing.done()
    held.may_return.set()
    await closing


async def test_a_user_is_limited_by_the_minute(start_node: OpenNode, open_api: OpenApi) -> None:
    """The burst is the whole minute's; then 429 says when to come back. Others are not affected."""
    node = await start_node(NOTIFIER_LIMITS__REQUESTS_PER_MINUTE="3")
    api = await open_api(node.app)
    answers = [await api("GET", "/v1/types", user="ada") for _ in range(4)]
    assert [answer.status for answer in answers[:3]] == [200] * 3
    assert (answers[3].status, answers[3].code) == (429, "rate_limited")
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 20
    assert (await api("GET", "/v1/types", user="grace")).status == 200


async def test_a_publisher_is_limited_by_the_second(
    start_node: OpenNode, open_api: OpenApi
) -> None:
    """Counted by publish and not by audience; what was refused was not published."""
    node = await start_node(NOTIFIER_LIMITS__PUBLISHES_PER_SECOND="1")
    api = await open_api(node.app)
    calls = [api("POST", "/v1/notifications", user="publisher", json=BODY) for _ in range(20)]
    answers = await asyncio.gather(*calls)
    accepted = [answer for answer in answers if answer.status == 201]
    refused = [answer for answer in answers if answer.status != 201]
    assert {(answer.status, answer.code) for answer in refused} == {(429, "rate_limited")}
    assert accepted
    assert len((await api.feed("ada", "?limit=100"))["items"]) == len(accepted)


async def test_publishing_and_reading_are_counted_apart(
    start_node: OpenNode, open_api: OpenApi
) -> None:
    """A publisher who has used up the minute's reads still publishes."""
    node = await start_node(NOTIFIER_LIMITS__REQUESTS_PER_MINUTE="1")
    api = await open_api(node.app)
    token = token_of("ada", scopes=[PUBLISH])
    assert (await api("GET", "/v1/types", token=token)).status == 200
    assert (await api("GET", "/v1/types", token=token)).status == 429
    for _ in range(3):
        answer = await api("POST", "/v1/notifications", token=token, json=BODY)
        assert answer.status == 201


async def test_zero_switches_a_limit_off(start_node: OpenNode, open_api: OpenApi) -> None:
    """For tests and for those whose proxy does it."""
    node = await start_node(
        NOTIFIER_LIMITS__REQUESTS_PER_MINUTE="0", NOTIFIER_LIMITS__PUBLISHES_PER_SECOND="0"
    )
    api = await open_api(node.app)
    answers = await asyncio.gather(*(api("GET", "/v1/types", user="ada") for _ in range(400)))
    assert {answer.status for answer in answers} == {200}


def guess(kind: str) -> dict[str, Any]:
    """A call with a credential of the right form that nobody was given."""
    if kind == "ticket":
        return {"path": "/v1/feed/poll", "params": {"ticket": secrets.token_urlsafe(32)}}
    _, key = create_service_key("shop", [PUBLISH], now_ms())
    return {"path": "/v1/feed", "token": key}


@pytest.mark.parametrize("kind", ["ticket", "service key"])
async def test_strangers_cannot_make_us_ask_the_store_at_will(
    kind: str, start_node: OpenNode, open_api: OpenApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many guesses a minute and address; then 429 says when to come back."""
    node = await start_node(NOTIFIER_LIMITS__FAILURES_PER_ADDRESS="3")
    api = await open_api(node.app)
    for _ in range(3):
        assert (await api("GET", **guess(kind))).status == 401
    for function in ("take_ticket", "key"):
        monkeypatch.setattr(node.store, function, None)
    answer = await api("GET", **guess(kind))
    assert (answer.status, answer.code) == (429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 20


async def test_guesses_hurt_neither_other_addresses_nor_users_with_tokens(
    start_node: OpenNode, open_api: OpenApi
) -> None:
    """The address is that of the client, behind proxies that are trusted."""
    node = await start_node(
        NOTIFIER_LIMITS__FAILURES_PER_ADDRESS="1", NOTIFIER_SERVER__TRUSTED_HOPS="1"
    )
    api = await open_api(node.app)
    for address, status in (("10.0.0.1", 401), ("10.0.0.1", 429), ("10.0.0.2", 401)):
        headers = {"X-Forwarded-For": address}
        assert (await api("GET", **guess("service key"), headers=headers)).status == status
        assert (await api("GET", "/v1/feed", user="ada", headers=headers)).status == 200


async def test_what_is_valid_is_not_counted_as_a_guess(
    start_node: OpenNode, open_api: OpenApi
) -> None:
    """Many who share an address do not shut each other out."""
    node = await start_node(NOTIFIER_LIMITS__FAILURES_PER_ADDRESS="1")
    api = await open_api(node.app)
    key, text = create_service_key("shop", [PUBLISH], now_ms())
    await node.store.add_key(key)
    for _ in range(5):
        assert (await api("POST", "/v1/notifications", token=text, json=BODY)).status == 201


async def test_who_is_not_authenticated_uses_up_nobodys_limit(
    start_node: OpenNode, open_api: OpenApi
) -> None:
    """Bad tokens in somebody's name do not lock that somebody out."""
    node = await start_node(NOTIFIER_LIMITS__REQUESTS_PER_MINUTE="1")
    api = await open_api(node.app)
    for _ in range(5):
        assert (await api("GET", "/v1/types", token=token_of("ada")[:-5] + "AAAAA")).status == 401
    assert (await api("GET", "/v1/types", user="ada")).status == 200
