"""Who is let in, and how often."""

from __future__ import annotations

import asyncio

from tests.http.client import PUBLISH, token_of
from tests.http.conftest import OpenApi, OpenNode

BODY = {"to": "user:ada", "title": "x"}


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


async def test_who_is_not_authenticated_uses_up_nobodys_limit(
    start_node: OpenNode, open_api: OpenApi
) -> None:
    """Bad tokens in somebody's name do not lock that somebody out."""
    node = await start_node(NOTIFIER_LIMITS__REQUESTS_PER_MINUTE="1")
    api = await open_api(node.app)
    for _ in range(5):
        assert (await api("GET", "/v1/types", token=token_of("ada")[:-5] + "AAAAA")).status == 401
    assert (await api("GET", "/v1/types", user="ada")).status == 200
