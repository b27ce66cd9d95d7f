"""Whatever a caller sends: a clear 4xx, nothing stored, never a 500."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.core.models import ADMIN, PUBLISH
from notifier.http.calls import Access, Call
from notifier.http.routes import CALLS
from tests.http.client import Api, token_of

JSON = {"Content-Type": "application/json"}
GOOD = {"to": "user:ada", "title": "x"}

BAD_NOTIFICATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": ({"colour": "red"}, "colour"),
    "an unknown field of the sender": ({"sender": {"id": "7", "admin": True}}, "sender.admin"),
    "an entry's own field": ({"id": "1@user:ada"}, "id"),
    "no audience": ({"to": []}, "to"),
    "a null audience": ({"to": None}, "to"),
    "an object as audience": ({"to": {"$ne": None}}, "to.0"),
    "an object among audiences": ({"to": [{"$gt": ""}]}, "to.0"),
    "an unknown kind of audience": ({"to": "group:7"}, "to.0"),
    "a name with white space": ({"to": "user:a b"}, "to.0"),
    "a name that is too long": ({"to": "user:" + "x" * 129}, "to.0"),
    "too many audiences": ({"to": [f"user:{n}" for n in range(10_001)]}, "to"),
    "a number as title": ({"title": 7}, "title"),
    "a blank title": ({"title": "  "}, "title"),
    "a long title": ({"title": "x" * 201}, "title"),
    "a control character": ({"title": "a\x00b"}, "title"),
    "an escape sequence": ({"body": "\x1b[31mred"}, "body"),
    "a line break in a title": ({"title": "a\nb"}, "title"),
    "a direction override": ({"title": "\u202egnp.exe"}, "title"),
    "a long body": ({"body": "x" * 2001}, "body"),
    "an object as body": ({"body": {"$where": "1"}}, "body"),
    "an unknown priority": ({"priority": "urgent"}, "priority"),
    "an unknown type": ({"type": "no_such_type"}, "type"),
    "a script as link": ({"url": "javascript:alert(1)"}, "url"),
    "a script in capitals": ({"url": "JaVaScRiPt:alert(1)"}, "url"),
    "a script behind a tab": ({"url": "java\tscript:alert(1)"}, "url"),
    "a data link": ({"url": "data:text/html,<script>"}, "url"),
    "another site as a path": ({"url": "//evil.example"}, "url"),
    "another site behind a backslash": ({"url": "/\\evil.example"}, "url"),
    "a link with a password": ({"url": "https://a:b@evil.example"}, "url"),
    "a link without a host": ({"url": "https://"}, "url"),
    "a script as avatar": ({"sender": {"avatar": "javascript:alert(1)"}}, "sender.avatar"),
    "a script as action": (
        {"actions": [{"label": "x", "url": "vbscript:x"}]},
        "actions.0.url",
    ),
    "too many actions": ({"actions": [{"label": "x", "url": "/"}] * 4}, "actions"),
    "a list as data": ({"data": [1]}, "data"),
    "too much data": ({"data": {"x": "y" * 4096}}, "data"),
    "data nested deeply": ({"data": {"a": orjson.loads(b"[" * 40 + b"]" * 40)}}, "data"),
    "a ttl of nothing": ({"ttl": 0}, "ttl"),
    "a negative ttl": ({"ttl": -1}, "ttl"),
    "a fraction as ttl": ({"ttl": 1.5}, "ttl"),
    "a text as ttl": ({"ttl": "60"}, "ttl"),
    "an endless ttl": ({"ttl": 10**12}, "ttl"),
    "a role left out": ({"except": ["role:admin"]}, "except"),
    "a path as icon": ({"icon": "../x"}, "icon"),
}


@pytest.mark.parametrize("what", BAD_NOTIFICATIONS)
async def test_a_bad_notification_is_refused_by_field(api: Api, what: str) -> None:
    """The field is named by its path; nothing is published."""
    change, field = BAD_NOTIFICATIONS[what]
    answer = await api("POST", "/v1/notifications", user="publisher", json={**GOOD, **change})
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert field in answer.json["errors"]
    assert (await api.feed())["items"] == []


@pytest.mark.parametrize("value", [None, 7, "text", [], [GOOD], True])
async def test_a_body_that_is_no_object_is_refused(api: Api, value: object) -> None:
    """Valid JSON of another kind, on every call that takes a body."""
    token = token_of("root", scopes=[PUBLISH, ADMIN])
    for call in CALLS:
        if call.body is not None:
            sent = {"data": json.dumps(value), "headers": JSON}
            answer = await api(call.method, call.path, token=token, **sent)
            assert (answer.status, answer.code) == (422, "invalid_request"), call.path


@pytest.mark.parametrize(
    ("size", "status"), [(1_048_577, 413), (10_485_760, 413)], ids=["1 MiB + 1", "10 MiB"]
)
async def test_a_request_has_one_mebibyte_at_most(api: Api, size: int, status: int) -> None:
    """On a real call, behind a real token."""
    body = BytesIO(b'{"to": "user:ada", "title": "' + b"x" * size + b'"}')
    answer = await api(
        "POST",
        "/v1/notifications",
        user="publisher",
        data=body,
        headers=JSON,
    )
    assert (answer.status, answer.code) == (status, "too_large")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"to": "user:ada", "title": "a", "title": "b"}', 400),
        (b'{"to": "user:ada", "title": "a", "data": {"n": 1e999}}', 400),
        (b'{"to": "user:ada", "title": "a", "data": {"n": 36893488147419103232}}', 400),
        (b'{"to": "user:ada", "title": "a", "data": ' + b'{"a":' * 2000 + b"1" + b"}" * 2001, 400),
        (b'{"to": "user:ada", "title": "\\ud83d"}', 400),
        (b'{"to": "user:ada", "title": "a"', 400),
        (b"", 400),
    ],
)
async def test_a_body_without_one_meaning_is_malformed(api: Api, body: bytes, status: int) -> None:
    """Repeated names, numbers that do not fit, depth, half a character, half a body."""
    answer = await api("POST", "/v1/notifications", user="publisher", data=body, headers=JSON)
    assert (answer.status, answer.code) == (status, "invalid_request")
    assert (await api.feed())["items"] == []


async def test_a_body_that_is_no_json_is_unsupported(api: Api) -> None:
    """Forms and plain text; the answer says what to send."""
    answer = await api("POST", "/v1/notifications", user="publisher", data={"title": "x"})
    assert (answer.status, answer.code) == (415, "invalid_request")
    assert "application/json" in answer.json["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=-1", "limit"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=2.5", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=", "limit"),
        ("before=nonsense", "before"),
        ("before=user:ada=-1", "before"),
        ("before=user:ada=99999999999999999999", "before"),
        ("before=group:x=1", "before"),
        ("before=everyone=1;;", "before"),
        ("before=%25ff=1", "before"),
        ("unread=perhaps", "unread"),
        ("type=" + "x" * 65, "type"),
        ("page=2", "page"),
        ("$where=1", "$where"),
    ],
)
async def test_a_bad_query_is_refused_by_parameter(api: Api, query: str, field: str) -> None:
    """Numbers out of bounds, cursors that are none, parameters that do not exist."""
    answer = await api("GET", f"/v1/feed?{query}", user="ada")
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert set(answer.json["errors"]) == {field}


async def test_a_parameter_that_stands_twice_is_refused(api: Api) -> None:
    """Which one would count?"""
    answer = await api("GET", "/v1/feed?limit=1&limit=2", user="ada")
    assert (answer.status, answer.code) == (400, "invalid_request")


BAD_CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "ids"),
    "no ids": ({"ids": []}, "ids"),
    "too many ids": ({"ids": ["1@user:ada"] * 501}, "ids"),
    "an id without an audience": ({"ids": ["17"]}, "ids.0"),
    "a negative number": ({"ids": ["-1@user:ada"]}, "ids.0"),
    "an object as id": ({"ids": [{"$gt": ""}]}, "ids.0"),
    "all without a cursor": ({"all": True}, "cursor"),
    "both ways": ({"ids": ["1@user:ada"], "all": True, "cursor": ""}, "ids"),
    "a cursor that is none": ({"all": True, "cursor": [1]}, "cursor"),
    "an operator as cursor": ({"all": True, "cursor": {"$gt": 1}}, "cursor"),
    "a fraction in a cursor": ({"all": True, "cursor": {"everyone": 1.5}}, "cursor"),
    "an unknown field": ({"ids": ["1@user:ada"], "user": "grace"}, "user"),
}


@pytest.mark.parametrize("what", BAD_CHANGES)
@pytest.mark.parametrize("action", ["read", "dismiss"])
async def test_a_bad_change_is_refused_by_field(api: Api, action: str, what: str) -> None:
    """Ids that are none, cursors that are none, nobody else's name."""
    body, field = BAD_CHANGES[what]
    answer = await api("POST", f"/v1/feed/{action}", user="ada", json=body)
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert field in answer.json["errors"]


@pytest.mark.parametrize(
    "body",
    [
        {"types": {"like": {"bell": "yes"}}},
        {"types": {"like": {"smoke": True}}},
        {"types": {"no_such_type": {"bell": False}}},
        {"types": {"security_alert": {"bell": False}}},
        {"types": [1]},
        {"sound": "loud"},
        {"version": 7},
    ],
)
async def test_bad_preferences_are_refused(api: Api, body: dict[str, Any]) -> None:
    """Unknown types and channels, what cannot be switched off, fields that are ours."""
    answer = await api("PATCH", "/v1/preferences", user="ada", json=body)
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert (await api("GET", "/v1/preferences", user="ada")).json["version"] == 0


@pytest.mark.parametrize("topic", ["a%20b", "x" * 129, "%00", "%E2%80%8B"])
async def test_a_bad_topic_is_refused(api: Api, topic: str) -> None:
    """The rules of names hold in paths, too."""
    answer = await api("PUT", f"/v1/topics/{topic}/subscription", user="ada")
    assert (answer.status, answer.code) == (422, "invalid_request")


async def test_every_call_but_the_public_ones_needs_a_token(api: Api) -> None:
    """Held against the table, so that a new row cannot be forgotten."""
    guarded = [call for call in CALLS if call.access is not Access.PUBLIC]
    assert {call.path for call in CALLS if call.path.startswith("/v1/")} == {
        call.path for call in guarded
    }
    for call in guarded:
        for token in (None, "x.y.z", "nk_000000000000_" + "x" * 43):
            answer = await api(call.method, call.path, token=token, json=GOOD)
            assert (answer.status, answer.code) == (401, "unauthenticated"), call.path


BAD_TOKENS = {
    "forged": token_of("ada")[:-6] + "AAAAAA",
    "for nobody": token_of("a b"),
    "with a role that is no name": token_of("ada", roles=["a b"]),
}


@pytest.mark.parametrize("what", BAD_TOKENS)
async def test_a_bad_token_opens_nothing(api: Api, what: str) -> None:
    """The rest of the ways to be bad stands in test_tokens."""
    answer = await api("GET", "/v1/feed", token=BAD_TOKENS[what])
    assert (answer.status, answer.code) == (401, "unauthenticated")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["to", "title", "ids", "all", "cursor", "types", "data", "ttl", "sender", "deliver_at"]
BODIES = st.dictionaries(st.sampled_from(FIELDS) | st.text(), JSON_VALUES, max_size=6) | JSON_VALUES


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=BODIES, call=st.sampled_from([call for call in CALLS if call.body is not None]))
async def test_no_json_is_answered_with_an_error_of_ours(
    api: Api, body: object, call: Call
) -> None:
    """Random values in the places of all fields: an answer that is described, never a 500."""
    answer = await api(
        call.method,
        call.path,
        user="publisher",
        data=json.dumps(body),
        headers=JSON,
    )
    assert answer.status < 500, answer.text
