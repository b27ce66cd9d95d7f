"""What may come from outside, and how everything else is refused."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import Schema

from notifier.core import schemas
from notifier.core.loading import load
from notifier.errors import InvalidRequest


def notification(**fields: Any) -> dict[str, Any]:
    return {"to": "user:42", "title": "Hello", **fields}


def refused(schema: Schema, data: object) -> dict[str, list[str]]:
    """The errors of data that must be refused."""
    with pytest.raises(InvalidRequest) as refusal:
        load(schema, data)
    return refusal.value.errors


def nested(levels: int) -> Any:
    """An object so many levels deep."""
    return {"a": 1} if levels == 1 else {"a": nested(levels - 1)}


@pytest.mark.parametrize("data", [None, [], "text", 5, True, [notification()]])
def test_a_request_is_a_json_object(data: object) -> None:
    """Anything else is refused without a field to blame."""
    assert refused(schemas.NOTIFICATION, data) == {"": ["Must be a JSON object."]}


def test_only_to_and_title_are_required() -> None:
    """What is absent stays absent: the type supplies it."""
    assert load(schemas.NOTIFICATION, notification()) == {
        "to": ["user:42"],
        "title": "Hello",
        "excluded": [],
    }
    assert set(refused(schemas.NOTIFICATION, {})) == {"to", "title"}


AT_THE_LIMIT = {
    "title": {"title": "x" * 200},
    "body": {"body": "x" * 2000},
    "lines of a body": {"body": "a\n\tb"},
    "title in another script": {"title": "مرحبا 👋🏽"},
    "sender": {"sender": {"id": "x" * 128, "name": "x" * 100, "avatar": "/a.png"}},
    "sender's name with marks": {"sender": {"name": "O'Brien <b>"}},
    "icon": {"icon": "a" + "-" * 31},
    "url": {"url": "/" + "x" * 2047},
    "url with a fragment": {"url": "https://a.example:8443/b?c=d#e"},
    "url upper case": {"url": "HTTPS://A.example/"},
    "url of an address": {"url": "http://[::1]:8080/"},
    "url path only": {"url": "/"},
    "data of 4 KiB": {"data": {"a": "x" * 4088}},
    "data 16 deep": {"data": nested(16)},
    "data with odd keys": {"data": {"$where": 1, "a.b": 2, "": 3, "__proto__": {"x": 1}}},
    "data with a large number": {"data": {"n": 2**64 - 1}},
    "actions": {"actions": [{"label": "x" * 40, "url": "/a"}] * 3},
    "ttl of a second": {"ttl": 1},
    "ttl of a year": {"ttl": 366 * 86_400},
    "collapse key": {"collapse_key": "x" * 128},
    "10,000 audiences": {"to": [f"user:{n}" for n in range(10_000)]},
    "1,000 excluded": {"except": [f"user:{n}" for n in range(1_000)]},
    "not set": dict.fromkeys(("body", "sender", "icon", "url", "data", "actions", "ttl")),
}


@pytest.mark.parametrize("fields", AT_THE_LIMIT.values(), ids=AT_THE_LIMIT.keys())
def test_everything_up_to_its_limit_is_accepted(fields: dict[str, Any]) -> None:
    """The limits themselves are inside, and what is accepted is passed on as it came."""
    loaded = load(schemas.NOTIFICATION, notification(**fields))
    for name, value in fields.items():
        assert loaded["excluded" if name == "except" else name] == value


BAD = {
    "unknown field": ({"colour": "red"}, "colour"),
    "no audience": ({"to": []}, "to"),
    "10,001 audiences": ({"to": [f"user:{n}" for n in range(10_001)]}, "to"),
    "to null": ({"to": None}, "to"),
    "to an object": ({"to": {"user": 1}}, "to.0"),
    "to a number among audiences": ({"to": ["everyone", 5]}, "to.1"),
    "to an unknown audience": ({"to": ["everyone", "all"]}, "to.1"),
    "title a number": ({"title": 5}, "title"),
    "title null": ({"title": None}, "title"),
    "title empty": ({"title": ""}, "title"),
    "title of spaces": ({"title": " \u00a0\u3000"}, "title"),
    "title of what draws nothing": ({"title": "\u200b\u2060\ufeff"}, "title"),
    "title of 201": ({"title": "x" * 201}, "title"),
    "title with a newline": ({"title": "a\nb"}, "title"),
    "title with nul": ({"title": "a\0"}, "title"),
    "title with an escape": ({"title": "\x1b[31mred"}, "title"),
    "title with a C1 control": ({"title": "a\x9b"}, "title"),
    "title with an override": ({"title": "user\u202egpj.exe"}, "title"),
    "title with a line separator": ({"title": "a\u2028b"}, "title"),
    "title with half a character": ({"title": "a\ud83d"}, "title"),
    "body of 2,001": ({"body": "x" * 2001}, "body"),
    "body blank": ({"body": "\n\t "}, "body"),
    "body with a carriage return": ({"body": "a\rb"}, "body"),
    "body a list": ({"body": ["a"]}, "body"),
    "type a list": ({"type": ["info"]}, "type"),
    "type null": ({"type": None}, "type"),
    "unknown priority": ({"priority": "urgent"}, "priority"),
    "priority a number": ({"priority": 1}, "priority"),
    "priority a list": ({"priority": ["low"]}, "priority"),
    "sender a text": ({"sender": "Ada"}, "sender"),
    "sender unknown field": ({"sender": {"email": "a@b"}}, "sender.email"),
    "sender id with a space": ({"sender": {"id": "a b"}}, "sender.id"),
    "sender id a number": ({"sender": {"id": 7}}, "sender.id"),
    "sender name of 101": ({"sender": {"name": "x" * 101}}, "sender.name"),
    "sender avatar of a script": ({"sender": {"avatar": "javascript:1"}}, "sender.avatar"),
    "icon with a path": ({"icon": "../x"}, "icon"),
    "icon with a newline": ({"icon": "info\n"}, "icon"),
    "icon of 33": ({"icon": "a" * 33}, "icon"),
    "data a list": ({"data": []}, "data"),
    "data a text": ({"data": "{}"}, "data"),
    "data 17 deep": ({"data": nested(17)}, "data"),
    "data 17 lists deep": ({"data": {"a": [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}}, "data"),
    "data 900 deep": ({"data": nested(900)}, "data"),
    "data above 4 KiB": ({"data": {"a": "x" * 4089}}, "data"),
    "data above 4 KiB of UTF-8": ({"data": {"a": "é" * 2045}}, "data"),
    "data with a number too large": ({"data": {"n": 2**64}}, "data"),
    "data with half a character": ({"data": {"a": "\ud83d"}}, "data"),
    "actions an object": ({"actions": {}}, "actions"),
    "4 actions": ({"actions": [{"label": "x", "url": "/"}] * 4}, "actions"),
    "action of a script": ({"actions": [{"label": "x", "url": "javascript:1"}]}, "actions.0.url"),
    "second action without label": (
        {"actions": [{"label": "x", "url": "/"}, {"url": "/"}]},
        "actions.1.label",
    ),
    "action label of 41": ({"actions": [{"label": "x" * 41, "url": "/"}]}, "actions.0.label"),
    "action a text": ({"actions": ["x"]}, "actions.0"),
    "ttl 0": ({"ttl": 0}, "ttl"),
    "ttl negative": ({"ttl": -1}, "ttl"),
    "ttl above a year": ({"ttl": 366 * 86_400 + 1}, "ttl"),
    "ttl a fraction": ({"ttl": 1.5}, "ttl"),
    "ttl a text": ({"ttl": "60"}, "ttl"),
    "ttl a truth": ({"ttl": True}, "ttl"),
    "deliver_at a number": ({"deliver_at": 5}, "deliver_at"),
    "deliver_at without a zone": ({"deliver_at": "2026-01-01T00:00:00"}, "deliver_at"),
    "collapse key of 129": ({"collapse_key": "x" * 129}, "collapse_key"),
    "except a role": ({"except": ["user:1", "role:admin"]}, "except"),
    "except everyone": ({"except": "everyone"}, "except"),
    "1,001 excluded": ({"except": [f"user:{n}" for n in range(1_001)]}, "except"),
    "except null": ({"except": None}, "except"),
}


@pytest.mark.parametrize(("fields", "path"), BAD.values(), ids=BAD.keys())
def test_a_wrong_field_is_named_by_its_path(fields: dict[str, Any], path: str) -> None:
    """One flat path from the top, steps joined by dots, and a sentence: nothing else is wrong."""
    errors = refused(schemas.NOTIFICATION, notification(**fields))
    assert list(errors) == [path]
    assert all(isinstance(message, str) and message for message in errors[path])


DANGEROUS = {
    "script": "javascript:alert(1)",
    "script in capitals": "JaVaScRiPt:alert(1)",
    "script behind a space": " javascript:alert(1)",
    "script behind a control": "\x01javascript:alert(1)",
    "script with a tab": "java\tscript:alert(1)",
    "data": "data:text/html,<script>",
    "file": "file:///etc/passwd",
    "other host": "//evil.example/",
    "other host by backslash": "/\\evil.example/",
    "other host by backslashes": "\\\\evil.example/",
    "scheme with backslashes": "https:\\\\evil.example",
    "no host": "https:///path",
    "only a scheme": "https://",
    "userinfo": "https://bank.example@evil.example/",
    "empty userinfo": "https://@evil.example/",
    "password": "https://a:b@evil.example/",
    "broken address": "http://[::1",
    "relative": "chat/7",
    "query only": "?a=b",
    "empty": "",
    "newline": "/a\nb",
    "space": "/a b",
    "override": "/a\u202eb",
    "of 2,049": "/" + "x" * 2048,
    "null byte": "/a\0",
}


@pytest.mark.parametrize("url", DANGEROUS.values(), ids=DANGEROUS.keys())
def test_a_url_is_a_web_address_or_a_path_of_the_same_site(url: str) -> None:
    """Nothing that a browser would execute, or take for another site than it looks like."""
    assert set(refused(schemas.NOTIFICATION, notification(url=url))) == {"url"}


def test_all_wrong_fields_are_named_at_once() -> None:
    """Nobody mends a request one refusal at a time."""
    errors = refused(schemas.NOTIFICATION, {"to": "all", "title": "", "ttl": 0, "extra": 1})
    assert set(errors) == {"to.0", "title", "ttl", "extra"}


def test_audiences_lose_their_repetitions_and_keep_their_order() -> None:
    """Nobody gets a notification twice for being named twice."""
    loaded = load(schemas.NOTIFICATION, notification(to=["user:2", "everyone", "user:2"]))
    assert loaded["to"] == ["user:2", "everyone"]


@pytest.mark.parametrize(
    ("args", "path"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"before": "nonsense"}, "before"),
        ({"before": 5}, "before"),
        ({"unread": "perhaps"}, "unread"),
        ({"type": ""}, "type"),
        ({"page": 2}, "page"),
    ],
)
def test_a_page_that_cannot_be_is_refused(args: dict[str, Any], path: str) -> None:
    """1 to 100 entries before a cursor."""
    assert list(refused(schemas.PAGE, args)) == [path]


def test_a_page_may_be_asked_for_in_texts() -> None:
    """A query string has nothing but texts."""
    args = {"limit": "100", "before": "everyone=5", "unread": "true", "type": "info"}
    assert load(schemas.PAGE, args) == {
        "limit": 100, "before": {"everyone": 5}, "unread": True, "type": "info",
    }  # fmt: skip


IDS = [f"{n}@user:42" for n in range(1, 502)]
CURSOR = {"everyone": 5}


@pytest.mark.parametrize(
    ("args", "path"),
    [
        ({}, "ids"),
        ({"ids": []}, "ids"),
        ({"ids": None}, "ids"),
        ({"ids": "1@user:42"}, "ids"),
        ({"ids": IDS}, "ids"),
        ({"ids": ["1@user:42", "x"]}, "ids.1"),
        ({"ids": [1]}, "ids.0"),
        ({"ids": IDS[:1], "all": True}, "ids"),
        ({"ids": IDS[:1], "all": False}, "ids"),
        ({"ids": IDS[:1], "cursor": CURSOR}, "ids"),
        ({"all": True}, "cursor"),
        ({"all": False}, "ids"),
        ({"all": False, "cursor": CURSOR}, "ids"),
        ({"cursor": CURSOR}, "ids"),
        ({"all": True, "cursor": "x"}, "cursor"),
        ({"all": True, "cursor": None}, "cursor"),
    ],
)
def test_a_change_names_ids_or_all_up_to_a_cursor(args: dict[str, Any], path: str) -> None:
    """Exactly one of both ways; "all" without a cursor would take what nobody has seen."""
    assert list(refused(schemas.CHANGE, args)) == [path]


def test_up_to_500_entries_change_at_once() -> None:
    """The limit itself is inside."""
    assert len(load(schemas.CHANGE, {"ids": IDS[:500]})["ids"]) == 500
    assert len(load(schemas.UNREAD, {"ids": IDS[:500]})["ids"]) == 500


@pytest.mark.parametrize(
    ("schema", "args", "path"),
    [
        (schemas.UNREAD, {}, "ids"),
        (schemas.UNREAD, {"ids": IDS[:1], "all": True}, "all"),
        (schemas.UNREAD, {"ids": IDS}, "ids"),
        (schemas.SYNC, {}, "since"),
        (schemas.SYNC, {"since": None}, "since"),
        (schemas.SEEN, {}, "cursor"),
        (schemas.SEEN, {"cursor": "everyone"}, "cursor"),
        (schemas.TOPIC, {}, "topic"),
        (schemas.TOPIC, {"topic": "two words"}, "topic"),
        (schemas.TOPIC, {"topic": ""}, "topic"),
        (schemas.REFRESH, {}, "token"),
        (schemas.REFRESH, {"token": ""}, "token"),
        (schemas.REFRESH, {"token": "x" * 8193}, "token"),
        (schemas.REFRESH, {"token": ["x"]}, "token"),
        (schemas.PREFERENCES, {"version": 3}, "version"),
        (schemas.PREFERENCES, {"sound": "loud"}, "sound"),
        (schemas.PREFERENCES, {"sound": None}, "sound"),
        (schemas.PREFERENCES, {"types": []}, "types"),
        (schemas.PREFERENCES, {"types": {"info": True}}, "types.info"),
        (schemas.PREFERENCES, {"types": {"info": {"smoke": True}}}, "types.info.smoke"),
        (schemas.PREFERENCES, {"types": {"info": {"bell": "yes"}}}, "types.info.bell"),
        (schemas.PREFERENCES, {"types": {"value": {"bell": "yes"}}}, "types.value.bell"),
        (schemas.PREFERENCES, {"types": {"": {"bell": True}}}, "types."),
    ],
)
def test_other_requests_name_what_is_wrong_too(
    schema: Schema, args: dict[str, Any], path: str
) -> None:
    """The path is that of the client's own JSON."""
    assert list(refused(schema, args)) == [path]


def test_a_channel_can_be_switched_on_off_and_reset() -> None:
    """True, false and null are three different wishes."""
    wishes = {"types": {"info": {"bell": False, "toast": True, "push": None}}, "sound": False}
    assert load(schemas.PREFERENCES, wishes) == wishes
