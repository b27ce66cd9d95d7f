"""Many publishes in one call, each for itself."""

from __future__ import annotations

from typing import Any

import pytest

from notifier.app import Node
from tests.http.client import Answer, Api
from tests.http.conftest import OpenApi, OpenNode

PATH = "/v1/notifications/batch"


def numbered(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"to": "user:ada", "title": f"number {n}", **fields} for n in range(count)]


async def send(api: Api, notifications: object, key: str | None = None) -> Answer:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"notifications": notifications}
    return await api("POST", PATH, user="publisher", json=body, headers=headers)


async def titles(api: Api) -> list[str]:
    """In Ada's feed, oldest first."""
    items = (await api.feed("ada", "?limit=100"))["items"]
    return [item["title"] for item in reversed(items)]


async def test_each_gets_a_result_in_order(api: Api) -> None:
    """Published ones with what a single call would be answered with, the others with an error."""
    wrong = {"to": "user:ada"}
    answer = await send(api, [*numbered(2), wrong, "no object", *numbered(1, type="unheard_of")])
    assert answer.status == 200
    results = answer.json["results"]
    assert [result["status"] for result in results] == [201, 201, 422, 422, 422]
    assert results[0]["id"] != results[1]["id"]
    assert results[0]["entries"][0]["id"].endswith("@user:ada")
    assert list(results[2]["error"]["errors"]) == ["title"]
    assert results[2]["error"]["code"] == "invalid_request"
    assert list(results[4]["error"]["errors"]) == ["type"]
    assert await titles(api) == ["number 0", "number 1"]


async def test_five_hundred_are_taken_in_order(api: Api) -> None:
    """And one more is refused, with nothing published."""
    answer = await send(api, numbered(500))
    assert {result["status"] for result in answer.json["results"]} == {201}
    assert (await titles(api))[-1] == "number 499"
    answer = await send(api, numbered(501))
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert (await titles(api))[-1] == "number 499"


async def test_a_repeated_batch_counts_once(api: Api) -> None:
    """One key covers it: that of each notification is made of it and of its index."""
    first = await send(api, numbered(3), key="campaign-7")
    again = await send(api, numbered(3), key="campaign-7")
    assert again.json == first.json
    other = await send(api, [*numbered(2), {"to": "user:ada", "title": "other"}], key="campaign-7")
    assert [result["status"] for result in other.json["results"]] == [201, 201, 409]
    assert len(await titles(api)) == 3


async def test_a_notification_may_have_a_key_of_its_own(api: Api) -> None:
    """It goes before that of the call, wherever it stands, and is the same as in a single call."""
    alone, other, last = numbered(3)
    first = await send(api, [{**alone, "idempotency_key": "own"}, other], key="campaign-7")
    again = await send(api, [other, {**alone, "idempotency_key": "own"}, last])
    [ours, _], [_, repeated, _] = first.json["results"], again.json["results"]
    assert repeated == ours
    assert await titles(api) == ["number 0", "number 1", "number 1", "number 2"]
    single = await api(
        "POST",
        "/v1/notifications",
        user="publisher",
        json=alone,
        headers={"Idempotency-Key": "own"},
    )
    assert single.json["id"] == ours["id"]


@pytest.mark.parametrize("key", [7, "", "two words", "x" * 256, "line\n"])
async def test_a_wrong_key_refuses_its_notification_alone(api: Api, key: object) -> None:
    """As any other wrong field of it does; null is none."""
    wrong, *others = numbered(3)
    batch = [
        {**wrong, "idempotency_key": key},
        *({**one, "idempotency_key": None} for one in others),
    ]
    answer = await send(api, batch, key="campaign-7")
    assert [result["status"] for result in answer.json["results"]] == [422, 201, 201]
    assert list(answer.json["results"][0]["error"]["errors"]) == ["idempotency_key"]


@pytest.mark.parametrize(
    "body", [{}, {"notifications": []}, {"notifications": {}}, {"notifications": [], "x": 1}, []]
)
async def test_what_is_no_batch_is_refused(api: Api, body: object) -> None:
    """As a whole."""
    answer = await api("POST", PATH, user="publisher", json=body)
    assert (answer.status, answer.code) == (422, "invalid_request")


async def test_who_may_not_publish_may_not_publish_many(api: Api) -> None:
    """Each result says so."""
    body = {"notifications": numbered(1)}
    answer = await api("POST", PATH, user="ada", json=body)
    assert [result["status"] for result in answer.json["results"]] == [403]


async def test_a_batch_is_one_publish_and_pays_for_its_size(
    start_node: OpenNode, open_api: OpenApi
) -> None:
    """Whatever the limit, a batch of 500 comes through; the next has to wait for it."""
    node: Node = await start_node(
        NOTIFIER_LIMITS__PUBLISHES_PER_SECOND="3", NOTIFIER_LIMITS__BATCHED_PER_SECOND="10"
    )
    api = await open_api(node.app)
    assert (await send(api, numbered(500))).status == 200
    answer = await send(api, numbered(1))
    assert (answer.status, answer.code) == (429, "rate_limited")
    assert 40 <= int(answer.headers["Retry-After"]) <= 50
    assert len(await titles(api)) == 100
    single = await api("POST", "/v1/notifications", user="publisher", json=numbered(1)[0])
    assert single.status == 201
