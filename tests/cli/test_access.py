"""``notifier token`` and ``notifier keys``, run as people run them."""

from __future__ import annotations

import jwt
import pytest

from notifier.core.credentials import parse_service_key
from tests.cli.command_line import CommandLine
from tests.cli.reader import titles
from tests.servers import NotifierProcess

SECRET = "0123456789abcdef0123456789abcdef"


async def test_a_token_says_what_was_asked_for(notifier: CommandLine) -> None:
    """User, roles, scopes, name and time of the token are those of the options."""
    outcome = await notifier(
        *("token", "ada", "--role", "admin", "--role", "ops", "--name", "Ada L."),
        *("--scope", "notifications:publish:like:user", "--scope", "notifications:topics"),
        *("--ttl", "2h"),
        NOTIFIER_JWT_SECRET=SECRET,
    )
    claims = jwt.decode(outcome.output.strip(), SECRET, algorithms=["HS256"])
    assert claims["sub"] == "ada"
    assert claims["roles"] == ["admin", "ops"]
    assert claims["scope"] == "notifications:publish:like:user notifications:topics"
    assert claims["name"] == "Ada L."
    assert claims["exp"] - claims["iat"] == 7200


async def test_a_token_is_believed_by_the_server(
    node: NotifierProcess, at_node: CommandLine
) -> None:
    """In the server's folder the made secret signs."""
    assert await titles(node, at_node, "nobody-wrote-to-me") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("token", "a b"),
        ("token", "ada", "--ttl", "soon"),
        ("token", "ada", "--role", ""),
        ("token", "ada", "--scope", "notifications:publish:lkie"),
        ("keys", "create", "shop", "--scope", "notifications:publish:like:users"),
        ("keys", "create", "shop", "--scope", "notifications:subscribe"),
    ],
)
async def test_a_wrong_token_request_is_refused(
    notifier: CommandLine, arguments: tuple[str, ...]
) -> None:
    """Names with white space, odd times, and scopes that mean nothing are told."""
    outcome = await notifier(*arguments)
    assert outcome.status == 2
    assert "Invalid value" in outcome.errors


async def test_without_a_shared_secret_there_are_no_tokens(notifier: CommandLine) -> None:
    """With a JWKS URL somebody else signs."""
    outcome = await notifier(
        *("token", "ada"),
        NOTIFIER_ENV="production",
        NOTIFIER_JWKS_URL="https://id.example/keys",
        NOTIFIER_JWT_AUDIENCE="app",
        NOTIFIER_ALLOWED_ORIGINS="https://app.example",
    )
    assert outcome.status == 1
    assert "no shared secret" in outcome.errors


@pytest.mark.parametrize("name", ["two words", "", "line\nbreak", "\x1b[31mred", "x" * 129])
async def test_a_service_needs_a_name_that_can_be_read(notifier: CommandLine, name: str) -> None:
    """As over the queue: it stands in lists, logs and idempotency keys. Nothing is made."""
    outcome = await notifier("keys", "create", name)
    assert outcome.status == 2
    assert "printable characters without white space" in outcome.errors
    assert (await notifier("keys", "list")).output == ""


async def test_a_key_can_be_made_used_listed_and_revoked(
    node: NotifierProcess, at_node: CommandLine
) -> None:
    """The whole life of a service key."""
    key = (await at_node("keys", "create", "billing")).output.strip()
    parsed = parse_service_key(key)
    assert parsed is not None
    send = ("send", "--to", "user:k", "--title", "Invoice")
    assert (await at_node(*send, NOTIFIER_KEY=key)).status == 0
    listed = (await at_node("keys", "list")).output
    assert parsed.id in listed
    assert "billing" in listed
    assert parsed.secret not in listed
    assert (await at_node("keys", "revoke", parsed.id)).status == 0
    assert "revoked" in (await at_node("keys", "list")).output
    assert (await at_node("keys", "revoke", "0123456789ab")).status == 1
