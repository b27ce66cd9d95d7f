"""Checking against a schema, field by field and as marshmallow does it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from notifier.core.loading import load
from notifier.core.schemas import NOTIFICATION
from notifier.errors import InvalidRequest

VALUES = st.one_of(
    st.none(),
    st.sampled_from(["user:42", "everyone", "Hello", "high", "https://a.example/b", "/orders", ""]),
    st.integers(-1, 3),
    st.lists(st.sampled_from(["user:1", "role:a", "nobody"]), max_size=3),
    st.dictionaries(st.sampled_from(["id", "name", "label", "url"]), st.just("a"), max_size=3),
)

BODIES = st.dictionaries(
    st.sampled_from([*NOTIFICATION._named, "excluded", "unknown"]), VALUES, max_size=8
)


@given(BODIES, st.booleans())
def test_field_by_field_is_the_same(body: dict[str, Any], addressed: bool) -> None:
    """What marshmallow accepts is accepted with the same result, and nothing else."""
    if addressed:
        body = {"to": "user:42", "title": "Hello"} | body
    try:
        expected: dict[str, Any] | None = NOTIFICATION.load(body)
    except ValidationError:
        expected = None
    assert NOTIFICATION.check(body) == expected


def test_defaults_are_nobodys_but_ones_own() -> None:
    """A list that one caller changes is not the next caller's."""
    body = {"to": "everyone", "title": "Hello"}
    load(NOTIFICATION, body)["excluded"].append("user:42")
    assert load(NOTIFICATION, body)["excluded"] == []


def test_every_wrong_field_is_named() -> None:
    """Also where the first one would be enough to refuse."""
    with pytest.raises(InvalidRequest) as refused:
        load(NOTIFICATION, {"to": "nobody", "sender": {"name": ""}, "colour": "red"})
    assert refused.value.errors.keys() == {"to.0", "title", "sender.name", "colour"}
