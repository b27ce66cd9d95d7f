"""Scheduled and gathered notifications as publishers see them over REST."""

from __future__ import annotations

from typing import Any

from notifier.core.models import now_ms, rfc3339
from tests.http.client import Answer, Api
from tests.servers import until


async def post(api: Api, key: str | None = None, **fields: Any) -> Answer:
    body = {"to": "user:ada", "title": "Hello", **fields}
    headers = {} if key is None else {"Idempotency-Key": key}
    return await api("POST", "/v1/notifications", user="publisher", json=body, headers=headers)


async def test_a_scheduled_notification_is_accepted_and_comes_at_its_time(api: Api) -> None:
    """202 with its id and time; the node itself delivers it."""
    await api.feed()
    at = rfc3339(now_ms() + 300)
    answer = await post(api, deliver_at=at)
    assert (answer.status, answer.json) == (202, {"id": answer.json["id"], "deliver_at": at})

    async def has_come() -> bool:
        return bool((await api.feed())["items"])

    await until(has_come, what="the delivery")
    items = (await api.feed())["items"]
    assert items[0]["notification_id"] == answer.json["id"]
    assert items[0]["created_at"] >= at


async def test_a_scheduled_notification_can_be_cancelled(api: Api) -> None:
    """204, also when it is repeated; nobody else can."""
    answer = await post(api, deliver_at=rfc3339(now_ms() + 3_600_000))
    path = f"/v1/notifications/{answer.json['id']}"
    assert (await api("DELETE", path, user="ada")).status == 403
    for _ in range(2):
        assert (await api("DELETE", path, user="publisher")).status == 204


async def test_a_retry_of_a_schedule_is_answered_the_same(api: Api) -> None:
    """The same id and time."""
    at = rfc3339(now_ms() + 3_600_000)
    answers = [await post(api, "k", deliver_at=at) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert [answer.status for answer in answers] == [202, 202]


async def test_a_time_without_a_zone_is_refused(api: Api) -> None:
    """422 that names the field."""
    answer = await post(api, deliver_at="2026-01-01T08:00:00")
    assert (answer.status, list(answer.json["errors"])) == (422, ["deliver_at"])


async def test_what_is_gathered_is_accepted_without_an_entry(api: Api) -> None:
    """The first of a group is there at once: 201. The next ones wait for the card: 202."""
    first, second = [await post(api, type="like", collapse_key="post:1") for _ in range(2)]
    assert (first.status, len(first.json["entries"])) == (201, 1)
    assert (second.status, second.json["entries"]) == (202, [])
