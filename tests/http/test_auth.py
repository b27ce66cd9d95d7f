"""Bearer tokens of requests, and service keys against the real store."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from notifier.app import Node
from notifier.core.credentials import create_service_key
from notifier.core.models import PUBLISH, now_ms
from notifier.errors import Unauthenticated
from notifier.http.auth import KEY_TTL, TokenAuthenticator, bearer_of
from notifier.http.tokens import TokenVerifier
from tests.http.client import RULES, Api, token_of


class Clock:
    """A clock that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authenticator(node: Node, clock: Clock) -> TokenAuthenticator:
    return TokenAuthenticator(TokenVerifier(RULES), node.validity, node.store, clock=clock)


def headers(*values: str) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict([("authorization", value) for value in values]))


@pytest.mark.parametrize("value", ["Bearer abc.def-_~+/==", "bearer abc", "BEARER  abc"])
def test_takes_a_bearer_token(value: str) -> None:
    """The scheme's case does not matter (RFC 9110)."""
    assert bearer_of(headers(value)) == value.split()[1]


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("",),
        ("Bearer",),
        ("Bearer ",),
        ("Basic YTpi",),
        ("abc",),
        ("Bearer a b",),
        ("Bearer a, Bearer b",),
        ("Bearer é",),
        ("Bearer a\x00",),
        ("Bearer a", "Bearer a"),
    ],
)
def test_takes_nothing_else(values: tuple[str, ...]) -> None:
    """Two headers are two meanings, of which a proxy may have checked the other one."""
    with pytest.raises(Unauthenticated):
        bearer_of(headers(*values))


async def test_a_service_key_is_a_service(authenticator: TokenAuthenticator, node: Node) -> None:
    """Its principal publishes in the name of the service, with the key's scopes."""
    key, text = create_service_key("shop", [PUBLISH], now_ms())
    await node.store.add_key(key)
    caller = await authenticator.caller(text)
    assert caller.is_service
    assert caller.publisher == "service:shop"
    assert caller.scopes == {PUBLISH}


async def test_several_keys_of_one_name_are_one_service(
    authenticator: TokenAuthenticator, node: Node
) -> None:
    """During a change of keys the new one can withdraw what the old one published."""
    texts = []
    for _ in range(2):
        key, text = create_service_key("shop", [PUBLISH], now_ms())
        await node.store.add_key(key)
        texts.append(text)
    publishers = {(await authenticator.caller(text)).publisher for text in texts}
    assert publishers == {"service:shop"}


async def test_a_wrong_secret_proves_nothing(authenticator: TokenAuthenticator, node: Node) -> None:
    """Nor do keys that do not exist, or have another form."""
    key, text = create_service_key("shop", [PUBLISH], now_ms())
    await node.store.add_key(key)
    _, other = create_service_key("shop", [PUBLISH], now_ms())
    mixed = text[:16] + other[16:]
    for wrong in (mixed, other, "nk_", "nk_x_y", text[:-1], text + "x"):
        with pytest.raises(Unauthenticated):
            await authenticator.caller(wrong)


async def test_a_revoked_key_is_dead_within_seconds(
    authenticator: TokenAuthenticator, node: Node, clock: Clock
) -> None:
    """It is remembered for no longer than five seconds, well below the ten that are promised."""
    key, text = create_service_key("shop", [PUBLISH], now_ms())
    await node.store.add_key(key)
    await authenticator.caller(text)
    await node.store.revoke_key(key.id, now_ms())
    assert KEY_TTL <= 5
    clock.now += KEY_TTL
    with pytest.raises(Unauthenticated):
        await authenticator.caller(text)


async def test_a_service_key_is_no_user(authenticator: TokenAuthenticator, node: Node) -> None:
    """Where only a user will do, as on a Socket.IO connection, it is no token at all."""
    key, text = create_service_key("shop", [PUBLISH], now_ms())
    await node.store.add_key(key)
    with pytest.raises(Unauthenticated):
        await authenticator.user(text)


async def test_a_service_publishes_and_has_no_feed(api: Api, node: Node) -> None:
    """The whole way, over HTTP."""
    key, text = create_service_key("shop", [PUBLISH], now_ms())
    await node.store.add_key(key)
    body = {"to": "user:ada", "title": "Shipped"}
    answer = await api("POST", "/v1/notifications", token=text, json=body)
    assert answer.status == 201
    refused = await api("GET", "/v1/feed", token=text)
    assert (refused.status, refused.code) == (403, "forbidden")


async def test_a_refusal_tells_how_to_authenticate(api: Api) -> None:
    """401 names the scheme; an expired token has a code of its own."""
    missing = await api("GET", "/v1/feed")
    assert (missing.status, missing.code) == (401, "unauthenticated")
    assert missing.headers["WWW-Authenticate"] == "Bearer"
    expired = await api("GET", "/v1/feed", token=token_of("ada", lifetime=-3600))
    assert (expired.status, expired.code) == (401, "expired")


async def test_a_token_in_the_query_is_no_token(api: Api) -> None:
    """Addresses end up in logs."""
    answer = await api("GET", f"/v1/feed?token={token_of('ada')}")
    assert answer.status == 401
