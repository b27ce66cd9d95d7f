"""The description: valid, complete, and true. That answers match it is checked by the client of
all other tests (``client.check_described``)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from notifier.app import Node
from notifier.core import schemas
from notifier.core.loading import load
from notifier.errors import InvalidRequest
from notifier.http.calls import Access
from notifier.http.middleware import OURS
from notifier.http.routes import CALLS
from tests.http.client import DESCRIPTION, Api
from tests.http.test_api import FULL
from tests.http.test_bad_input import BAD_NOTIFICATIONS
from tests.servers import REPOSITORY

BESIDE = {"/", "/docs", "/docs/{file}", "/client/{file}"}
"""Pages and files, which are no calls."""


async def test_it_is_valid_openapi(api: Api) -> None:
    """By the official schema of OpenAPI 3.1; it is what the server gives out."""
    served = (await api("GET", "/openapi.json")).json
    OpenAPIV31SpecValidator(served).validate()
    assert served == DESCRIPTION


def test_it_describes_the_table_and_nothing_else() -> None:
    """Method by method."""
    described = {
        (method.upper(), path)
        for path, operations in DESCRIPTION["paths"].items()
        for method in operations
    }
    assert described == {(call.method, call.path) for call in CALLS}


def test_every_route_is_in_the_table_or_a_file(node: Node) -> None:
    """Nothing is served that nobody described."""
    assert node.app[OURS] - BESIDE == {call.path for call in CALLS}
    methods = {
        (route.method, route.resource.canonical)
        for route in node.app.router.routes()
        if route.resource is not None and route.resource.canonical in node.app[OURS] - BESIDE
    }
    heads = {("HEAD", call.path) for call in CALLS if call.method == "GET" and not call.tickets}
    assert methods == {(call.method, call.path) for call in CALLS} | heads


def test_calls_that_need_a_token_say_so() -> None:
    """And only those."""
    for call in CALLS:
        operation = DESCRIPTION["paths"][call.path][call.method.lower()]
        assert ("security" in operation) == (call.access is not Access.PUBLIC)


def test_everything_has_words() -> None:
    """Each parameter and each field of a body is explained."""
    for operations in DESCRIPTION["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                assert parameter["description"], parameter
            if "requestBody" in operation:
                for name, field in body_of(operation)["properties"].items():
                    assert field.get("description"), name


def body_of(operation: dict[str, Any]) -> dict[str, Any]:
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    name = schema["$ref"].rpartition("/")[2]
    return dict(DESCRIPTION["components"]["schemas"][name])


def test_patterns_are_those_of_json_schema() -> None:
    """Python's own, such as \\Z, mean nothing to other languages."""
    for pattern in re.findall(r"'pattern': '([^']*)'", str(DESCRIPTION)):
        assert r"\\Z" not in pattern
        assert r"\\A" not in pattern


NOTIFICATION = Draft202012Validator(
    {"$ref": "#/components/schemas/Notification", "components": DESCRIPTION["components"]}
)


def test_what_is_accepted_matches_the_description() -> None:
    """A notification with every field."""
    NOTIFICATION.validate(FULL)
    NOTIFICATION.validate({"to": "everyone", "title": "x"})
    load(schemas.NOTIFICATION, FULL)


@pytest.mark.parametrize(
    "what",
    ["an unknown field", "no audience", "a long title", "an unknown priority", "a negative ttl"],
)
def test_what_the_description_refuses_is_refused(what: str) -> None:
    """The two do not contradict each other."""
    body = {"to": "user:ada", "title": "x", **BAD_NOTIFICATIONS[what][0]}
    assert not NOTIFICATION.is_valid(body)
    with pytest.raises(InvalidRequest):
        load(schemas.NOTIFICATION, body)


def test_the_documentation_names_every_call() -> None:
    """docs/rest.md cannot forget one."""
    text = (REPOSITORY / "docs" / "rest.md").read_text()
    for call in CALLS:
        assert f"| `{call.method} {call.path}` |" in text, call.path
