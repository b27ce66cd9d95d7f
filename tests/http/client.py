"""A client of the REST interface that holds every answer against the description of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from jsonschema import Draft202012Validator
from multidict import CIMultiDictProxy

from notifier.core.models import PUBLISH
from notifier.http.openapi import describe
from notifier.http.routes import API_VERSION, CALLS
from notifier.http.tokens import TokenRules, sign

SECRET = "a secret of the tests that is long enough"
RULES = TokenRules(secrets=(SECRET,))
DESCRIPTION = describe(CALLS, API_VERSION)


@dataclass(frozen=True)
class Answer:
    """What came back. ``json`` is None if the body is no JSON."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str
    json: Any

    @property
    def code(self) -> str:
        """The code of a problem document."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self.text
        assert self.json["status"] == self.status
        return str(self.json["code"])


class Api:
    """Calls on behalf of users: ``await api("GET", "/v1/feed", user="ada")``."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self.client = client

    async def __call__(
        self,
        method: str,
        path: str,
        *,
        user: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        sent = dict(headers or {})
        if user is not None:
            token = token_of(user)
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        options.setdefault("allow_redirects", False)
        async with self.client.request(method, path, headers=sent, **options) as response:
            answer = await _answer(response)
        check_described(method, path.partition("?")[0], answer)
        return answer

    async def publish(self, to: object = "user:ada", **fields: Any) -> dict[str, Any]:
        """Publish a notification that is accepted; return the receipt."""
        body = {"to": to, "title": "Hello", **fields}
        answer = await self("POST", "/v1/notifications", user="publisher", json=body)
        assert answer.status == 201, answer.text
        return dict(answer.json)

    async def feed(self, user: str = "ada", query: str = "") -> dict[str, Any]:
        answer = await self("GET", f"/v1/feed{query}", user=user)
        assert answer.status == 200, answer.text
        return dict(answer.json)


def token_of(user: str, **claims: Any) -> str:
    """A token for a user; the user ``publisher`` may publish."""
    scopes = [PUBLISH] if user == "publisher" else []
    return sign(RULES, user, **{"lifetime": 3600, "scopes": scopes, **claims})


async def _answer(response: ClientResponse) -> Answer:
    text = await response.text()
    is_json = response.content_type.endswith("json") and text
    return Answer(response.status, response.headers, text, orjson.loads(text) if is_json else None)


def check_described(method: str, path: str, answer: Answer) -> None:
    """Fail if the description of a call knows nothing of such an answer."""
    operation = _operation(method, path)
    if operation is None:
        return
    described = _described(operation["responses"], answer.status)
    if "content" not in described:
        assert not answer.text, f"{method} {path}: content that is not described"
        return
    [(media, content)] = described["content"].items()
    assert answer.headers["Content-Type"].startswith(media)
    if answer.json is not None:
        shape = {**content["schema"], "components": DESCRIPTION["components"]}
        Draft202012Validator(shape).validate(answer.json)


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for template, operations in DESCRIPTION["paths"].items():
        pattern = re.sub(r"{\w+}", "[^/]+", template)
        if re.fullmatch(pattern, path) and method.lower() in operations:
            return dict(operations[method.lower()])
    return None


def _described(responses: Mapping[str, Any], status: int) -> dict[str, Any]:
    found = responses.get(str(status)) or responses.get(f"{status // 100}XX")
    assert found is not None, f"status {status} is not described"
    if "$ref" in found:
        return dict(DESCRIPTION["components"]["responses"][found["$ref"].rpartition("/")[2]])
    return dict(found)
