"""What services and administrators may do for and ask about other users."""

from __future__ import annotations

import pytest

from notifier.core.models import ADMIN, PUBLISH, TOPICS
from tests.http.client import Api, token_of

CRM = token_of("crm", scopes=[TOPICS])
OPERATOR = token_of("operator", scopes=[ADMIN])


async def test_a_service_subscribes_users_to_topics(api: Api) -> None:
    """Also those who have never come; names in the path are percent-encoded."""
    path = "/v1/users/ada%2F1/topics/a%2Fb"
    assert (await api("PUT", path, token=CRM)).status == 204
    await api.publish("topic:a/b", title="For followers")
    assert [i["title"] for i in (await api.feed("ada/1"))["items"]] == ["For followers"]
    assert (await api("DELETE", path, token=CRM)).status == 204
    assert (await api.feed("ada/1"))["items"] == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_others_subscribe_nobody(api: Api, method: str) -> None:
    """It takes a scope, and names that are some."""
    path = "/v1/users/grace/topics/news"
    assert (await api(method, path, user="ada")).code == "forbidden"
    assert (await api(method, path, token=token_of("shop", scopes=[PUBLISH]))).status == 403
    assert (await api(method, "/v1/users/a%20b/topics/news", token=CRM)).code == "invalid_request"


async def test_an_administrator_asks_why(api: Api) -> None:
    """Every rule with its reason, every channel."""
    await api.feed("ada")
    receipt = await api.publish("user:ada")
    query = {"entry": receipt["entries"][0]["id"], "user": "ada"}
    answer = await api("GET", "/v1/admin/explain", token=OPERATOR, params=query)
    assert answer.status == 200
    assert answer.json["shown"] is True
    assert answer.json["channels"]["toast"]["allowed"] is True
    await api("PATCH", "/v1/preferences", user="ada", json={"types": {"info": {"bell": False}}})
    answer = await api("GET", "/v1/admin/explain", token=OPERATOR, params=query)
    assert [rule["rule"] for rule in answer.json["rules"] if not rule["passed"]] == ["muted"]


async def test_only_administrators_ask_why(api: Api) -> None:
    """And about what there is."""
    query = {"entry": "1@user:ada", "user": "ada"}
    assert (await api("GET", "/v1/admin/explain", user="ada", params=query)).code == "forbidden"
    found = await api("GET", "/v1/admin/explain", token=OPERATOR, params=query)
    assert found.code == "not_found"
    wrong = await api("GET", "/v1/admin/explain", token=OPERATOR, params={"entry": "x"})
    assert set(wrong.json["errors"]) == {"entry", "user"}
