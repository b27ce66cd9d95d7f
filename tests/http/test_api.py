"""The calls under /v1 against a whole node with its real store."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from notifier.core.models import ADMIN, PUBLISH, Preferences
from tests.core.domain import counted
from tests.http.client import Api, token_of

FULL = {
    "to": ["user:ada", "role:admin"],
    "type": "message",
    "priority": "high",
    "title": "Grace sent you a message",
    "body": "Lunch at one?\nOr two?",
    "sender": {"id": "7", "name": "Grace", "avatar": "https://cdn.example/7.png"},
    "icon": "message",
    "url": "/chat/7",
    "data": {"chat": 7, "$where": "x", "a.b": {"$gt": ""}, "nested": [1, 2.5, None, True, "€ 🔔"]},
    "actions": [{"label": "Reply", "url": "/chat/7"}],
    "ttl": 86400,
    "collapse_key": "chat:7",
    "except": ["user:grace"],
}


async def test_what_is_published_is_in_the_feed_exactly_as_it_was(api: Api) -> None:
    """Every field comes back verbatim, also keys that mean something to databases."""
    await api.feed()
    receipt = await api.publish(**FULL)
    [item] = (await api.feed())["items"]
    assert item["id"] == receipt["entries"][0]["id"]
    assert item["id"].endswith("@user:ada")
    assert item["notification_id"] == receipt["id"]
    for name in FULL.keys() - {"to", "ttl", "except"}:
        assert item[name] == FULL[name], name
    assert not {"to", "except", "deliver_at", "ttl"} & item.keys()
    assert (item["read"], item["seen"]) == (False, False)


async def test_one_audience_may_stand_alone(api: Api) -> None:
    """``to`` is a text or a list; the type supplies what is left out."""
    await api.publish("user:ada", title="Hello")
    [item] = (await api.feed())["items"]
    assert (item["type"], item["priority"], item["title"]) == ("info", "normal", "Hello")
    assert "body" not in item


async def test_a_receipt_lists_a_hundred_entries_at_most(api: Api) -> None:
    """A broad notification is answered briefly; all its entries are there."""
    receipt = await api.publish([f"user:u{number}" for number in range(101)])
    assert len(receipt["entries"]) == 100
    assert len((await api.feed("u100"))["items"]) == 1


async def test_an_idempotency_key_makes_a_repetition_the_same_publish(api: Api) -> None:
    """Same key and body: the first answer, also when the calls race. Another body: a conflict."""
    body = {"to": "user:ada", "title": "Once"}

    async def post(body: dict[str, Any]) -> Any:
        headers = {"Idempotency-Key": "order-1"}
        return await api("POST", "/v1/notifications", user="publisher", json=body, headers=headers)

    answers = await asyncio.gather(
        *(post(body) for _ in range(10)), post(dict(reversed(body.items())))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len((await api.feed())["items"]) == 1
    conflict = await post({**body, "title": "Twice"})
    assert (conflict.status, conflict.code) == (409, "conflict")


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
async def test_an_odd_idempotency_key_is_refused(api: Api, key: str) -> None:
    """1 to 255 visible ASCII characters."""
    body = {"to": "user:ada", "title": "x"}
    headers = {"Idempotency-Key": key}
    answer = await api("POST", "/v1/notifications", user="publisher", json=body, headers=headers)
    assert (answer.status, set(answer.json["errors"])) == (422, {"Idempotency-Key"})


async def test_publishing_needs_the_scope(api: Api) -> None:
    """A user without it is told which one."""
    body = {"to": "user:ada", "title": "x"}
    answer = await api("POST", "/v1/notifications", user="ada", json=body)
    assert (answer.status, answer.code) == (403, "forbidden")
    assert PUBLISH in answer.json["detail"]


async def test_a_withdrawn_notification_leaves_every_feed(api: Api) -> None:
    """Repeating it changes nothing."""
    receipt = await api.publish(["user:ada", "user:grace"])
    for _ in range(2):
        answer = await api("DELETE", f"/v1/notifications/{receipt['id']}", user="publisher")
        assert (answer.status, answer.text) == (204, "")
    for user in ("ada", "grace"):
        feed = await api.feed(user)
        assert (feed["items"], feed["unread"]) == ([], 0)


async def test_only_the_publisher_or_an_admin_may_withdraw(api: Api) -> None:
    """To anybody else it does not exist."""
    path = f"/v1/notifications/{(await api.publish())['id']}"
    other = await api("DELETE", path, token=token_of("other", scopes=[PUBLISH]))
    assert (other.status, other.code) == (404, "not_found")
    assert len((await api.feed())["items"]) == 1
    admin = await api("DELETE", path, token=token_of("boss", scopes=[ADMIN]))
    assert admin.status == 204


@pytest.mark.parametrize("unknown", ["01947f3e-8a6c-7bd1-9c55-0242ac120002", "x", "%00", "a%2Fb"])
async def test_withdrawing_what_does_not_exist_is_not_found(api: Api, unknown: str) -> None:
    """Whether it could be an id or not."""
    answer = await api("DELETE", f"/v1/notifications/{unknown}", user="publisher")
    assert (answer.status, answer.code) == (404, "not_found")


async def test_the_feed_is_read_page_by_page(api: Api) -> None:
    """Newest first, each exactly once, until ``next`` is null."""
    for number in range(5):
        await api.publish(title=f"n{number}")
    titles, before = [], ""
    while True:
        page = await api.feed("ada", f"?limit=2{before}")
        titles += [item["title"] for item in page["items"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert titles == ["n4", "n3", "n2", "n1", "n0"]


async def test_the_feed_is_filtered(api: Api) -> None:
    """By type, and to what is unread."""
    await api.publish(title="a", type="message")
    await api.publish(title="b", type="like")
    feed = await api.feed("ada", "?type=like")
    assert [item["title"] for item in feed["items"]] == ["b"]
    await mark(api, "read", ids=[feed["items"][0]["id"]])
    unread = await api.feed("ada", "?unread=true")
    assert [item["title"] for item in unread["items"]] == ["a"]


async def mark(api: Api, action: str, user: str = "ada", **body: Any) -> Any:
    answer = await api("POST", f"/v1/feed/{action}", user=user, json=body)
    assert answer.status == 200, answer.text
    return answer.json


async def test_entries_are_read_and_unread_and_dismissed(api: Api) -> None:
    """Each answer is the counts, each change is there in the next feed."""
    for _ in range(3):
        await api.publish()
    first, second, third = [item["id"] for item in (await api.feed())["items"]]
    assert (await mark(api, "read", ids=[first, second]))["unread"] == 1
    assert (await mark(api, "unread", ids=[first]))["unread"] == 2
    assert (await mark(api, "dismiss", ids=[third]))["unread"] == 1
    items = (await api.feed())["items"]
    assert {item["id"]: item["read"] for item in items} == {first: False, second: True}


async def test_everything_up_to_a_cursor_is_changed_at_once(api: Api) -> None:
    """What arrives after the cursor stays as it is."""
    await api.publish(["user:ada", "everyone"])
    cursor = (await api.feed())["cursor"]
    await api.publish(title="later")
    assert await mark(api, "seen", cursor=cursor) == counted(2, 1)
    assert (await mark(api, "read", all=True, cursor=cursor))["unread"] == 1
    await mark(api, "dismiss", all=True, cursor=cursor)
    assert [item["title"] for item in (await api.feed())["items"]] == ["later"]


@pytest.mark.parametrize("action", ["read", "unread", "dismiss"])
async def test_an_entry_of_somebody_else_is_not_found(api: Api, action: str) -> None:
    """And nothing changes for its owner."""
    entry = (await api.publish("user:ada"))["entries"][0]["id"]
    answer = await api("POST", f"/v1/feed/{action}", user="grace", json={"ids": [entry]})
    assert (answer.status, answer.code) == (404, "not_found")
    [item] = (await api.feed())["items"]
    assert item["read"] is False


async def test_preferences_are_changed_in_part(api: Api) -> None:
    """What is not given stays; null resets."""
    initial = (await api("GET", "/v1/preferences", user="ada")).json
    assert initial == Preferences().as_dict()
    body = {"types": {"like": {"bell": False}, "comment": {"toast": False}}, "sound": False}
    changed = await api("PATCH", "/v1/preferences", user="ada", json=body)
    assert changed.json == {**initial, **body, "version": 1}
    reset = {"types": {"comment": {"toast": None}}}
    await api("PATCH", "/v1/preferences", user="ada", json=reset)
    after = (await api("GET", "/v1/preferences", user="ada")).json
    assert after == {
        **initial,
        "types": {"like": {"bell": False}},
        "sound": False,
        "version": 2,
    }
    await api.publish(type="like")
    assert (await api.feed())["items"] == []


async def test_the_catalogue_shows_what_the_user_may_receive(api: Api) -> None:
    """Types for a role are listed for who has it."""
    user = (await api("GET", "/v1/types", user="ada")).json["types"]
    admin = await api("GET", "/v1/types", token=token_of("ada", roles=["admin"]))
    assert "message" in user
    assert "roles" not in user["message"]
    assert set(user) <= set(admin.json["types"])


@pytest.mark.parametrize("topic", ["news", "a/b", "c#d?e", "50%", "a%2Fb", "{x}", "é🔔"])
async def test_a_topic_is_followed_and_left(api: Api, topic: str) -> None:
    """Percent-encoded in the path, so that any name will do."""
    path = f"/v1/topics/{quote(topic, safe='')}/subscription"
    for _ in range(2):
        assert (await api("PUT", path, user="ada")).status == 204
    await api.publish(f"topic:{topic}", title="for followers")
    assert [i["title"] for i in (await api.feed())["items"]] == ["for followers"]
    assert (await api.feed("grace"))["items"] == []
    for _ in range(2):
        assert (await api("DELETE", path, user="ada")).status == 204
    assert (await api.feed())["items"] == []
