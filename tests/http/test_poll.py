"""Polling a whole node with its real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from notifier.app import Node
from notifier.core.models import PUBLISH, Principal
from tests.core.domain import counted
from tests.http.client import Answer, Api, token_of
from tests.http.conftest import UNRATIONED, OpenApi, OpenNode
from tests.servers import until

SERVICE = Principal("shop", is_service=True, scopes=frozenset({PUBLISH}))

LONG = 50
"""Seconds a poll is told to wait that must be answered before: a test that fails takes longer."""


@pytest.fixture
async def node(start_node: OpenNode) -> Node:
    return await start_node(**UNRATIONED)


async def poll(
    api: Api,
    since: str | None = None,
    wait: float | str = 0,
    *,
    user: str = "ada",
    token: str | None = None,
    known: str | None = None,
) -> Answer:
    query = {"wait": str(wait), **({} if since is None else {"since": since})}
    headers = {} if known is None else {"If-None-Match": known}
    given = token or token_of(user)
    return await api("GET", "/v1/feed/poll", token=given, params=query, headers=headers)


@asynccontextmanager
async def waiting(
    node: Node, api: Api, since: str, **options: Any
) -> AsyncIterator[asyncio.Task[Answer]]:
    """A poll that has found nothing and waits."""
    polling = asyncio.create_task(poll(api, since, LONG, **options))
    await until(lambda: _follows(node, "user:ada", "everyone"), what="the poll to wait")
    yield polling
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)


async def _follows(node: Node, *audiences: str) -> bool:
    return node.readers.kinds == {"poll": 1} and node.hub.logs == len(audiences)


async def start(api: Api) -> str:
    """The cursor of a first poll."""
    answer = await poll(api)
    assert answer.status == 200
    return str(answer.json["cursor"])


async def test_a_first_poll_tells_where_the_reader_stands(api: Api) -> None:
    """The cursor and the counts, no entries, and at once."""
    await api.publish()
    answer = await poll(api, wait=LONG)
    page = await api.feed()
    assert answer.json == {
        "items": [],
        "removed": [],
        "cursor": page["cursor"],
        "recovered": True,
        "preferences": (await api("GET", "/v1/preferences", user="ada")).json,
        **counted(1, 1),
    }


async def test_what_was_missed_is_answered_at_once(api: Api) -> None:
    """Oldest first; the answer's cursor goes on from there."""
    since = await start(api)
    for title in "ab":
        await api.publish(title=title)
    answer = await poll(api, since, LONG)
    assert [item["title"] for item in answer.json["items"]] == ["a", "b"]
    assert (await poll(api, answer.json["cursor"])).json["items"] == []


async def test_a_poll_waits_for_what_comes(node: Node, api: Api) -> None:
    """And is answered as soon as it is there."""
    since = await start(api)
    async with waiting(node, api, since) as polling:
        await api.publish("everyone", title="Here")
        answer = await polling
    assert [item["title"] for item in answer.json["items"]] == ["Here"]


async def test_entries_are_answered_from_the_hub(
    node: Node, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the counts are looked up, and the cursor goes on behind them; nothing is read again."""
    since = await start(api)
    async with waiting(node, api, since) as polling:
        for name in ("subscriber", "after"):
            monkeypatch.setattr(node.store, name, None)
        body = {"to": ["user:ada", "everyone"], "title": "Here"}
        await node.publisher.publish(body, SERVICE)
        answer = await polling
    monkeypatch.undo()
    assert [item["title"] for item in answer.json["items"]] == ["Here", "Here"]
    assert (answer.json["unread"], answer.json["unseen"]) == (1, 1)
    again = await poll(api, since)
    assert again.json | {"items": []} == answer.json | {"items": []}


async def test_polls_take_turns(node: Node, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notification to everyone does not make all who wait ask the store at once."""
    since = await start(api)
    monkeypatch.setattr(node.hub, "arrivals", asyncio.Semaphore(1))
    counts, at_once = node.feed.counts, 0

    async def counted(*args: Any) -> Any:
        nonlocal at_once
        at_once += 1
        assert at_once == 1
        await asyncio.sleep(0.01)
        at_once -= 1
        return await counts(*args)

    monkeypatch.setattr(node.feed, "counts", counted)
    polls = [asyncio.create_task(poll(api, since, LONG)) for _ in range(5)]

    async def all_wait() -> bool:
        return node.readers.kinds == {"poll": 5} and not node.hub.arrivals.locked()

    await until(all_wait, what="the polls to wait")
    await api.publish()
    answers = await asyncio.gather(*polls)
    assert [len(answer.json["items"]) for answer in answers] == [1] * 5


async def test_a_poll_that_waits_in_vain_is_answered_empty(api: Api) -> None:
    """After ``wait`` seconds, with the cursor to go on from."""
    since = await start(api)
    answer = await poll(api, since, 0.05)
    assert (answer.status, answer.json["items"], answer.json["cursor"]) == (200, [], since)


async def test_a_change_of_the_users_state_is_news(node: Node, api: Api) -> None:
    """Another device read something: the counts are answered."""
    receipt = await api.publish()
    since = await start(api)
    async with waiting(node, api, since) as polling:
        ids = [entry["id"] for entry in receipt["entries"]]
        await api("POST", "/v1/feed/read", user="ada", json={"ids": ids})
        answer = await polling
    assert (answer.json["items"], answer.json["unread"]) == ([], 0)


async def test_what_is_hidden_is_no_news(node: Node, api: Api) -> None:
    """A poll goes on waiting for what may be shown; the cursor moves over the rest."""
    since = await start(api)
    async with waiting(node, api, since) as polling:
        await api.publish("everyone", type="system_alert", title="For operators")
        await api.publish("everyone", title="For all")
        answer = await polling
    assert [item["title"] for item in answer.json["items"]] == ["For all"]
    assert (await poll(api, answer.json["cursor"])).json["items"] == []


async def test_what_is_withdrawn_is_removed(node: Node, api: Api) -> None:
    """Named by its place, once."""
    receipt = await api.publish()
    since = await start(api)
    async with waiting(node, api, since) as polling:
        await api("DELETE", f"/v1/notifications/{receipt['id']}", user="publisher")
        answer = await polling
    assert answer.json["removed"] == [receipt["entries"][0]["id"]]
    assert (await poll(api, answer.json["cursor"])).json["removed"] == []


async def test_too_much_missed_is_not_recovered(api: Api) -> None:
    """Nothing is repeated, and the poll does not wait."""
    since = await start(api)
    for _ in range(7):
        await asyncio.gather(*(api.publish() for _ in range(43)))
    answer = await poll(api, since, LONG)
    assert (answer.json["recovered"], answer.json["items"]) == (False, [])
    assert answer.json["cursor"] == (await api.feed())["cursor"]


async def test_other_logs_are_not_recovered(node: Node, api: Api) -> None:
    """A waiting poll learns at once that its user follows a topic now."""
    since = await start(api)
    async with waiting(node, api, since) as polling:
        await api("PUT", "/v1/topics/news/subscription", user="ada")
        answer = await polling
    assert answer.json["recovered"] is False
    assert "topic:news" in answer.json["cursor"]


async def test_who_knows_the_tag_is_told_only_what_is_new(api: Api) -> None:
    """304 while entries and counts are the same, whether it waits or not."""
    first = await poll(api)
    since, known = first.json["cursor"], first.headers["ETag"]
    for wait in (0, 0.05):
        answer = await poll(api, since, wait, known=known)
        assert (answer.status, answer.text) == (304, "")
        assert answer.headers["ETag"] == known
    assert (await poll(api, since, known=f'W/"x", W/{known}')).status == 304
    await api.publish()
    answer = await poll(api, since, known=known)
    assert (answer.status, len(answer.json["items"])) == (200, 1)
    assert answer.headers["ETag"] != known


async def test_the_tag_tells_of_changes_between_two_polls(api: Api) -> None:
    """Without new entries the counts may have changed: then nobody waits."""
    receipt = await api.publish()
    first = await poll(api)
    ids = [entry["id"] for entry in receipt["entries"]]
    await api("POST", "/v1/feed/read", user="ada", json={"ids": ids})
    answer = await poll(api, first.json["cursor"], LONG, known=first.headers["ETag"])
    assert (answer.status, answer.json["unread"]) == (200, 0)


async def test_new_preferences_are_news(node: Node, api: Api) -> None:
    """Also when they change neither entries nor counts; they come with the answer."""
    answer = await poll(api)
    since, tag = answer.json["cursor"], answer.headers["ETag"]
    async with waiting(node, api, since, known=tag) as polling:
        change = {"sound": not answer.json["preferences"]["sound"]}
        changed = await api("PATCH", "/v1/preferences", user="ada", json=change)
        told = await polling
    assert told.json["preferences"] == changed.json
    later = await poll(api, since, known=tag)
    assert (later.status, later.json["preferences"]) == (200, changed.json)
    assert (await poll(api, since, known=later.headers["ETag"])).status == 304


async def test_missed_entries_are_told_whatever_the_tag(api: Api) -> None:
    """A tag speaks of the present; who stands further back still gets what lies between."""
    since = await start(api)
    await api.publish()
    tag = (await poll(api, since)).headers["ETag"]
    answer = await poll(api, since, known=tag)
    assert (answer.status, len(answer.json["items"])) == (200, 1)


async def test_the_tag_does_not_depend_on_how_a_cursor_is_written(api: Api) -> None:
    """Another order of the logs is the same place."""
    since = await start(api)
    turned = ";".join(reversed(since.split(";")))
    assert turned != since
    assert (await poll(api, since)).headers["ETag"] == (await poll(api, turned)).headers["ETag"]


async def test_a_poll_never_outlives_its_token(api: Api) -> None:
    """It is answered as expired when the token is."""
    since = await start(api)
    answer = await poll(api, since, LONG, token=token_of("ada", lifetime=2))
    assert (answer.status, answer.code) == (401, "expired")


async def test_a_node_that_leaves_answers_its_polls(node: Node, api: Api) -> None:
    """Empty, so that the next one goes to another node; new ones are refused."""
    since = await start(api)
    async with waiting(node, api, since) as polling:
        await node.drain()
        answer = await polling
    assert (answer.status, answer.json["items"]) == (200, [])
    refused = await poll(api, since, LONG)
    assert (refused.status, refused.code) == (503, "overloaded")


async def test_an_abandoned_poll_frees_everything(node: Node, api: Api) -> None:
    """As soon as the client hangs up."""
    async with waiting(node, api, await start(api)) as polling:
        polling.cancel()

        async def is_free() -> bool:
            return not node.readers.kinds and node.hub.logs == 0

        await until(is_free, what="the poll to be forgotten")


async def test_waiting_polls_count_as_connections(start_node: OpenNode, open_api: OpenApi) -> None:
    """Of their user; those that do not wait are not held and not counted."""
    node = await start_node(NOTIFIER_LIMITS__CONNECTIONS_PER_USER="1")
    api = await open_api(node.app)
    since = await start(api)
    async with waiting(node, api, since):
        refused = await poll(api, since, LONG)
        assert (refused.status, refused.code) == (503, "overloaded")
        assert (await poll(api, since)).status == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "nonsense"}, "since"),
        ({"wait": "51"}, "wait"),
        ({"wait": "-1"}, "wait"),
        ({"wait": "nan"}, "wait"),
        ({"until": "now"}, "until"),
    ],
)
async def test_bad_arguments_are_named(api: Api, query: dict[str, str], field: str) -> None:
    """As everywhere."""
    answer = await api("GET", "/v1/feed/poll", user="ada", params=query)
    assert (answer.status, list(answer.json["errors"])) == (422, [field])
