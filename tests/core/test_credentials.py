"""Service keys can be checked and never be read back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from notifier.core.credentials import create_service_key, matches, parse_service_key


def test_a_new_key_matches_its_text() -> None:
    """The text given out once parses into the id and a secret that matches."""
    key, text = create_service_key("billing", {"notifications:publish"}, now=5)
    parsed = parse_service_key(text)
    assert parsed is not None
    assert parsed.id == key.id
    assert matches(key, parsed.secret)
    assert (key.name, key.scopes, key.created_at) == ("billing", {"notifications:publish"}, 5)


def test_the_secret_is_not_kept() -> None:
    """Nothing that is stored contains the secret."""
    key, text = create_service_key("billing", (), now=0)
    parsed = parse_service_key(text)
    assert parsed is not None
    assert parsed.secret not in repr(key)


def test_another_secret_does_not_match() -> None:
    """A secret of another key proves nothing, nor does an altered one."""
    key, text = create_service_key("billing", (), now=0)
    _, other = create_service_key("billing", (), now=0)
    foreign, own = parse_service_key(other), parse_service_key(text)
    assert foreign is not None
    assert own is not None
    assert not matches(key, foreign.secret)
    assert not matches(key, own.secret[:-1] + ("A" if own.secret[-1] != "A" else "B"))


def test_a_revoked_key_does_not_match() -> None:
    """Revoking wins over the right secret."""
    key, text = create_service_key("billing", (), now=0)
    parsed = parse_service_key(text)
    assert parsed is not None
    assert not matches(replace(key, revoked_at=1), parsed.secret)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nk_",
        "nk_0123456789ab_short",
        "nk_0123456789AB_" + "a" * 43,
        "nk_0123456789ab_" + "a" * 44,
        " nk_0123456789ab_" + "a" * 43,
        "nk_0123456789ab_" + "a" * 43 + "\n",
        "nk_0123456789ab_" + "ä" * 43,
    ],
)
def test_what_is_no_key_is_not_parsed(text: str) -> None:
    """Only the exact form is a key."""
    assert parse_service_key(text) is None
