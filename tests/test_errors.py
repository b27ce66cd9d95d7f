"""Every error says what to do next, and the tree at the top of its module is true."""

from __future__ import annotations

import inspect
import re

import pytest

from notifier import errors
from notifier.errors import (
    InvalidRequest,
    NotifierError,
    Overloaded,
    QueueUnavailable,
    RateLimited,
    RequestError,
    StoreUnavailable,
)

TREE = re.compile(r"^[│├└─ ]*(?P<name>\w+)(?: +(?P<status>\d{3}))?  ", re.MULTILINE)


def kinds(root: type[NotifierError]) -> list[type[NotifierError]]:
    """A class and all that are derived from it, in this module."""
    below = [kind for child in root.__subclasses__() for kind in kinds(child)]
    return [kind for kind in [root, *below] if kind.__module__ == errors.__name__]


REFUSALS = [kind for kind in kinds(RequestError) if kind is not RequestError]

CODES = {
    "invalid_request": {400, 422},
    "unauthenticated": {401},
    "expired": {401},
    "forbidden": {403},
    "not_found": {404},
    "unknown_event": {404},
    "conflict": {409},
    "too_large": {413},
    "rate_limited": {429},
    "store_unavailable": {503},
    "overloaded": {503},
    "queue_unavailable": {503},
}
"""The codes of the protocol and their statuses."""


def error(kind: type[RequestError]) -> RequestError:
    return InvalidRequest({"title": ["Wrong."]}) if kind is InvalidRequest else kind("Wrong.")


def test_the_tree_in_the_documentation_is_the_tree_of_classes() -> None:
    """Each error is drawn there, with its status."""
    tree = errors.__doc__ or ""
    drawn = {found["name"]: found["status"] for found in TREE.finditer(tree) if found["name"]}
    for kind in kinds(NotifierError)[1:]:
        assert kind.__name__ in drawn, kind
        if kind in REFUSALS:
            assert drawn[kind.__name__] == str(kind.status)  # type: ignore[attr-defined]


def test_the_codes_are_those_of_the_protocol() -> None:
    """Programs rely on them: none is missing, none is new."""
    found: dict[str, set[int]] = {}
    for kind in REFUSALS:
        assert issubclass(kind, RequestError)
        found.setdefault(kind.code, set()).add(kind.status)
    assert found == CODES


@pytest.mark.parametrize("kind", REFUSALS)
def test_an_error_is_a_sentence_and_a_code(kind: type[RequestError]) -> None:
    """What people read and what programs read; both are in the acknowledgement."""
    one = error(kind)
    answer = one.as_dict()
    assert answer["code"] == kind.code
    assert answer["message"] == one.detail == str(one)
    assert inspect.getdoc(kind)
    assert kind.title


@pytest.mark.parametrize("kind", REFUSALS)
def test_whoever_may_try_again_is_told_when(kind: type[RequestError]) -> None:
    """Errors that pass by themselves say after how many seconds; the others do not."""
    passing = {StoreUnavailable, RateLimited, Overloaded, QueueUnavailable}
    waiting = error(kind).as_dict().get("retry_after")
    assert (waiting is not None) == (kind in passing)
    assert waiting is None or waiting > 0
    if kind is not InvalidRequest:
        assert kind("Wrong.", retry_after=7).as_dict()["retry_after"] == 7


def test_wrong_fields_are_in_the_error_and_in_its_sentence() -> None:
    """By their path, each with its messages."""
    one = InvalidRequest({"title": ("Too long.", "Blank."), "to.1": ["No audience."]})
    assert one.as_dict()["errors"] == {"title": ["Too long.", "Blank."], "to.1": ["No audience."]}
    assert str(one) == "title: Too long. Blank.; to.1: No audience."


def test_all_problems_of_a_configuration_come_together() -> None:
    """One sentence for each thing to change."""
    one = errors.ConfigurationError(["PORT: wrong", "REDIS_URL: wrong"])
    assert one.problems == ("PORT: wrong", "REDIS_URL: wrong")
    assert str(one) == "PORT: wrong; REDIS_URL: wrong"
