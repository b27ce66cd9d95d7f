"""Keys of an identity provider: a real HTTP server on the loopback plays the provider."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from notifier.errors import ConfigurationError, Overloaded, Unauthenticated
from notifier.http import jwks
from notifier.http.jwks import COOLDOWN, MAX_BYTES, REFRESH, JsonWebKeys
from notifier.http.tokens import TokenRules, TokenVerifier

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
P384_KEY = ec.generate_private_key(ec.SECP384R1())


def rsa_row(key: rsa.RSAPrivateKey = RSA_KEY, **more: Any) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "r1", **more}


def ec_row(key: ec.EllipticCurvePrivateKey = EC_KEY, **more: Any) -> dict[str, Any]:
    return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "e1", **more}


def token(key: Any, algorithm: str, kid: str | None = None) -> str:
    claims = {"sub": "ada", "exp": int(time.time()) + 600}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


class Provider:
    """Answers with whatever a test puts into ``answer``, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = 1000.0
        self.called = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.keys: list[Any] = [rsa_row(), ec_row()]
        self.answer = self.give_keys
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        self.called.set()
        await self.open.wait()
        return self.answer()

    def give_keys(self) -> web.Response:
        return web.json_response({"keys": self.keys})

    def json_web_keys(self) -> JsonWebKeys:
        return JsonWebKeys(self.url, clock=lambda: self.now)

    def verifier(self, **rules: Any) -> TokenVerifier:
        return TokenVerifier(TokenRules(**rules), self.json_web_keys())


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    playing = Provider()
    app = web.Application()
    app.router.add_get("/keys", playing.handle)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(TestServer(app, host="127.0.0.1"))
        playing.url = str(server.make_url("/keys"))
        yield playing


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA_KEY, "RS256", "r1"), (EC_KEY, "ES256", "e1"), (RSA_KEY, "RS256", None)],
)
async def test_believes_what_a_key_of_the_set_signed(
    provider: Provider, key: Any, algorithm: str, kid: str | None
) -> None:
    """By key id, or without one where only one key can be meant."""
    assert (await provider.verifier().verify(token(key, algorithm, kid))).id == "ada"


async def test_refuses_a_token_without_key_id_if_several_keys_fit(provider: Provider) -> None:
    """We do not try keys until one fits."""
    provider.keys.append(rsa_row(kid="r2"))
    with pytest.raises(Unauthenticated):
        await provider.verifier().verify(token(RSA_KEY, "RS256"))


async def test_a_public_key_is_never_a_shared_secret(provider: Provider) -> None:
    """The classic confusion: HS256 signed with the text of the public key."""
    verifier = provider.verifier(secrets=("another secret that is long enough",))
    public = RSA_KEY.public_key()
    for text in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(rsa_row()).encode(),
    ):
        head = jwt.api_jws.base64url_encode(json.dumps({"alg": "HS256", "kid": "r1"}).encode())
        body = jwt.api_jws.base64url_encode(json.dumps({"sub": "a", "exp": 2**33}).encode())
        signature = jwt.get_algorithm_by_name("HS256").sign(head + b"." + body, text)
        forged = b".".join((head, body, jwt.api_jws.base64url_encode(signature)))
        with pytest.raises(Unauthenticated):
            await verifier.verify(forged.decode())


async def test_a_key_serves_only_its_own_algorithm(provider: Provider) -> None:
    """The id of an RSA key in a token that says ES256 leads nowhere."""
    with pytest.raises(Unauthenticated):
        await provider.verifier().verify(token(EC_KEY, "ES256", "r1"))


@pytest.mark.parametrize(
    "row",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "r1"},
        rsa_row(WEAK_RSA_KEY),
        rsa_row(use="enc"),
        rsa_row(alg="RS512"),
        {"kty": "RSA", "kid": "r1"},
        {"kty": "RSA", "kid": "r1", "n": 7, "e": []},
        ec_row(P384_KEY, kid="r1"),
        {},
        7,
        None,
    ],
)
async def test_keys_that_we_cannot_use_are_passed_over(provider: Provider, row: object) -> None:
    """Shared, weak, for encryption, for other algorithms, broken: the good ones still work."""
    provider.keys = [row, ec_row()]
    verifier = provider.verifier()
    assert (await verifier.verify(token(EC_KEY, "ES256", "e1"))).id == "ada"
    with pytest.raises(Unauthenticated):
        await verifier.verify(token(RSA_KEY, "RS256", "r1"))


async def test_the_set_is_fetched_once_for_many_at_once(provider: Provider) -> None:
    """A hundred connections after a restart are one request to the provider."""
    verifier = provider.verifier()
    provider.open.clear()
    waiting = [
        asyncio.ensure_future(verifier.verify(token(RSA_KEY, "RS256", "r1"))) for _ in range(100)
    ]
    await asyncio.sleep(0)
    provider.open.set()
    assert {user.id for user in await asyncio.gather(*waiting)} == {"ada"}
    assert provider.asked == 1


async def test_who_hangs_up_keeps_nobody_from_the_keys(provider: Provider) -> None:
    """The fetch goes on without the caller who set it off, and serves the next one."""
    verifier = provider.verifier()
    provider.open.clear()
    leaving = asyncio.ensure_future(verifier.verify(token(RSA_KEY, "RS256", "r1")))
    await provider.called.wait()
    leaving.cancel()
    await asyncio.wait([leaving])
    provider.open.set()
    assert (await verifier.verify(token(RSA_KEY, "RS256", "r1"))).id == "ada"
    assert provider.asked == 1


async def test_closing_gives_up_the_fetch_that_is_under_way(provider: Provider) -> None:
    """Nothing is left running, however long the provider takes."""
    keys = provider.json_web_keys()
    provider.open.clear()
    waiting = asyncio.ensure_future(keys.find("r1", "RS256"))
    await provider.called.wait()
    await keys.close()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    provider.open.set()


async def test_strangers_cannot_make_us_fetch_at_will(provider: Provider) -> None:
    """An unknown key id leads to one fetch per cooldown; a key added meanwhile is found then."""
    verifier = provider.verifier()
    await verifier.verify(token(EC_KEY, "ES256", "e1"))
    provider.keys.append(rsa_row(kid="new"))
    for number in range(20):
        with pytest.raises(Unauthenticated):
            await verifier.verify(token(RSA_KEY, "RS256", f"made-up-{number}"))
    assert provider.asked == 1
    provider.now += COOLDOWN
    assert (await verifier.verify(token(RSA_KEY, "RS256", "new"))).id == "ada"
    assert provider.asked == 2


async def test_a_withdrawn_key_is_no_longer_believed_after_the_refresh(provider: Provider) -> None:
    """The set is fetched anew from time to time even if every key is known."""
    verifier = provider.verifier()
    await verifier.verify(token(RSA_KEY, "RS256", "r1"))
    provider.keys = [ec_row()]
    provider.now += REFRESH
    with pytest.raises(Unauthenticated):
        await verifier.verify(token(RSA_KEY, "RS256", "r1"))


async def test_a_provider_that_is_down_does_no_harm_while_we_have_its_keys(
    provider: Provider,
) -> None:
    """Sessions go on through the outage of a login page."""
    verifier = provider.verifier()
    await verifier.verify(token(RSA_KEY, "RS256", "r1"))
    provider.answer = lambda: web.Response(status=500)
    for _ in range(3):
        provider.now += REFRESH
        assert (await verifier.verify(token(RSA_KEY, "RS256", "r1"))).id == "ada"
    assert provider.asked == 4


BAD_ANSWERS = {
    "an error": lambda: web.Response(status=503),
    "a redirect": lambda: web.Response(status=302, headers={"Location": "/keys"}),
    "no JSON": lambda: web.Response(text="<html>"),
    "no key set": lambda: web.json_response([1]),
    "keys that are no list": lambda: web.json_response({"keys": {}}),
    "too much": lambda: web.Response(body=b" " * (MAX_BYTES + 1)),
}


@pytest.mark.parametrize("kind", BAD_ANSWERS)
async def test_without_any_keys_nobody_can_tell_and_that_is_not_the_callers_fault(
    provider: Provider, kind: str
) -> None:
    """503 and not 401: the client keeps its token and comes back. One fetch per cooldown."""
    provider.answer = BAD_ANSWERS[kind]
    verifier = provider.verifier()
    for _ in range(3):
        with pytest.raises(Overloaded) as refusal:
            await verifier.verify(token(RSA_KEY, "RS256", "r1"))
        assert refusal.value.retry_after == COOLDOWN
    assert provider.asked == 1
    provider.answer = provider.give_keys
    provider.now += COOLDOWN
    assert (await verifier.verify(token(RSA_KEY, "RS256", "r1"))).id == "ada"


async def test_a_provider_that_does_not_answer_is_given_up(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting is bounded."""
    monkeypatch.setattr(jwks, "TIMEOUT", 0.05)
    provider.open.clear()
    with pytest.raises(Overloaded):
        await provider.verifier().verify(token(RSA_KEY, "RS256", "r1"))
    provider.open.set()


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example/keys",
        "http://127.0.0.1.example/keys",
        "ftp://localhost/keys",
        "file:///etc/passwd",
        "https://",
        "https://[::1",
        "",
    ],
)
def test_the_address_must_be_https_or_loopback(url: str) -> None:
    """Keys that anybody on the way could replace are no keys."""
    with pytest.raises(ConfigurationError):
        JsonWebKeys(url)


@pytest.mark.parametrize(
    "url", ["https://login.example/keys", "http://[::1]:1/keys", "http://localhost/keys"]
)
async def test_https_and_loopback_are_taken(url: str) -> None:
    """What production and a developer use."""
    JsonWebKeys(url)
