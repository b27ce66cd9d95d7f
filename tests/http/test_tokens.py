"""Tokens: which are believed, and what they say. Most refusals were once somebody's advisory."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from notifier.core.models import MAX_ROLES
from notifier.errors import TokenExpired, Unauthenticated
from notifier.http import tokens
from notifier.http.tokens import KNOWN_SECONDS, MAX_TOKEN, TokenRules, TokenVerifier, sign

SECRET = "the first secret, which is long enough"
OLDER = "the older secret, which is long enough"
RULES = TokenRules(secrets=(SECRET, OLDER))


def token(secret: str = SECRET, **changes: Any) -> str:
    """A good token but for the changes; None takes a claim away."""
    claims = {"sub": "ada", "iat": int(time.time()), "exp": int(time.time()) + 600, **changes}
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, secret, algorithm="HS256")


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


async def verify(text: object, rules: TokenRules = RULES) -> Any:
    return await TokenVerifier(rules).verify(text)


async def test_says_who_somebody_is() -> None:
    """Name, roles, scopes and expiry come from the claims."""
    exp = int(time.time()) + 60
    user = await verify(
        token(exp=exp, name="Ada L.", roles=["admin", "ops"], scope="notifications:publish x")
    )
    assert (user.id, user.name, user.is_service) == ("ada", "Ada L.", False)
    assert user.roles == {"admin", "ops"}
    assert user.scopes == {"notifications:publish", "x"}
    assert user.expires_at == exp * 1000


async def test_roles_scope_and_name_are_optional() -> None:
    """A token with nothing but sub and exp is enough."""
    user = await verify(token(iat=None))
    assert (user.roles, user.scopes, user.name) == (frozenset(), frozenset(), "")


@pytest.mark.parametrize("secret", [SECRET, OLDER])
async def test_all_secrets_verify(secret: str) -> None:
    """Tokens live through a change of the secret."""
    assert (await verify(token(secret))).id == "ada"


async def test_the_first_secret_signs() -> None:
    """A token that we sign is verified by the first secret alone."""
    signed = sign(RULES, "ada", lifetime=60, roles=["b", "a"], scopes=["s"], name="Ada")
    user = await verify(signed, TokenRules(secrets=(SECRET,)))
    assert (user.id, user.roles, user.scopes, user.name) == ("ada", {"a", "b"}, {"s"}, "Ada")


async def test_signing_satisfies_the_issuer_and_audience_of_the_rules() -> None:
    """What we sign, we believe."""
    rules = TokenRules(secrets=(SECRET,), issuer="us", audience="notifier", max_lifetime=60)
    assert (await verify(sign(rules, "ada", lifetime=60), rules)).id == "ada"


def test_signing_needs_a_secret() -> None:
    """With a JWKS alone there is nothing to sign with."""
    with pytest.raises(ValueError, match="no shared secret"):
        sign(TokenRules(), "ada", lifetime=60)


@pytest.mark.parametrize("text", [None, 7, b"bytes", "", [], {"a": 1}, "x", "a.b.c", "é.é.é"])
async def test_refuses_what_is_no_token(text: object) -> None:
    """Whatever a client puts in the place of a token."""
    with pytest.raises(Unauthenticated):
        await verify(text)


async def test_refuses_a_forged_signature() -> None:
    """A token signed with a secret that is not ours."""
    with pytest.raises(Unauthenticated):
        await verify(token("a secret of somebody else, quite long"))


@pytest.mark.parametrize("alg", ["none", "None", "HS512", "PS256", "", None, 7, ["HS256"]])
async def test_refuses_any_other_algorithm(alg: object) -> None:
    """The header's algorithm chooses among ours; it cannot bring its own."""
    claims = {"sub": "ada", "exp": int(time.time()) + 600}
    for signature in ("", part(b"x" * 32)):
        forged = f"{part({'alg': alg, 'typ': 'JWT'})}.{part(claims)}.{signature}"
        with pytest.raises(Unauthenticated):
            await verify(forged)


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
async def test_without_a_jwks_no_public_key_algorithm_is_known(alg: str) -> None:
    """A secret is never tried as a public key."""
    forged = f"{part({'alg': alg})}.{part({'sub': 'ada', 'exp': 9999999999})}.{part(b'x' * 64)}"
    with pytest.raises(Unauthenticated):
        await verify(forged)


async def test_a_public_key_in_the_place_of_a_secret_verifies_nothing() -> None:
    """Everybody has the public key: with it as a secret anybody could sign."""
    public = Ed25519PrivateKey.generate().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = {"sub": "ada", "exp": int(time.time()) + 600}
    signed = f"{part({'alg': 'HS256'})}.{part(claims)}"
    forged = f"{signed}.{part(hmac.digest(pem, signed.encode(), 'sha256'))}"
    verifier = TokenVerifier(TokenRules(secrets=(pem.decode(),)))
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await verifier.verify(forged)


async def test_refuses_a_token_without_a_secret_to_check_it() -> None:
    """No secret configured: no HS256 token is believed, whatever it is signed with."""
    with pytest.raises(Unauthenticated):
        await verify(token(), TokenRules())


@pytest.mark.parametrize("claim", ["sub", "exp"])
async def test_refuses_a_token_that_lacks_a_claim(claim: str) -> None:
    """A token that never expires would be a password."""
    with pytest.raises(Unauthenticated):
        await verify(token(**{claim: None}))


async def test_expiry_is_told_apart_and_forgives_a_slow_clock() -> None:
    """Past the leeway the client learns that a fresh token will do."""
    now = int(time.time())
    assert (await verify(token(exp=now - 10))).id == "ada"
    with pytest.raises(TokenExpired):
        await verify(token(exp=now - 60))


async def test_a_token_of_the_future_is_refused_beyond_the_leeway() -> None:
    """Issued or valid only later."""
    now = int(time.time())
    assert (await verify(token(iat=now + 10, nbf=now + 10))).id == "ada"
    for claim in ("iat", "nbf"):
        with pytest.raises(Unauthenticated):
            await verify(token(**{claim: now + 90}))


@pytest.mark.parametrize(
    "exp", ["9999999999", True, 1e300, 253402300800, -1, [], {}, float("inf"), float("nan")]
)
async def test_refuses_an_expiry_that_is_no_time(exp: object) -> None:
    """Text, logic, infinity, the far future: a time is a number of seconds."""
    with pytest.raises(Unauthenticated):
        await verify(token(exp=exp))


@pytest.mark.parametrize("exp", ["sub", "iat", "nbf"])
async def test_refuses_odd_times_everywhere(exp: str) -> None:
    """Other claims are held to their form, too."""
    with pytest.raises(Unauthenticated):
        await verify(token(**{exp: True}))


async def test_refuses_a_lifetime_beyond_the_configured_one() -> None:
    """Also when the token is old: what counts is how long it is good for in all."""
    rules = TokenRules(secrets=(SECRET,), max_lifetime=3600)
    now = int(time.time())
    assert (await verify(token(exp=now + 3500), rules)).id == "ada"
    for claims in ({"exp": now + 4000}, {"iat": now - 4000, "exp": now + 600}, {"exp": 2**37}):
        with pytest.raises(Unauthenticated):
            await verify(token(**claims), rules)
    with pytest.raises(Unauthenticated):
        await verify(token(iat=None, exp=now + 4000), rules)


@pytest.mark.parametrize("aud", [None, "another", ["another"], 7, ["notifier", 7]])
async def test_refuses_another_audience(aud: object) -> None:
    """A token for another service of the same provider is not for us."""
    rules = TokenRules(secrets=(SECRET,), audience="notifier")
    assert (await verify(token(aud=["x", "notifier"]), rules)).id == "ada"
    with pytest.raises(Unauthenticated):
        await verify(token(aud=aud), rules)


@pytest.mark.parametrize("iss", [None, "another", 7, ["us"]])
async def test_refuses_another_issuer(iss: object) -> None:
    """Nor one that somebody else issued."""
    rules = TokenRules(secrets=(SECRET,), issuer="us")
    assert (await verify(jwt.encode({"sub": "a", "exp": 2**33, "iss": "us"}, SECRET), rules)).id
    claims = {"sub": "ada", "exp": int(time.time()) + 60, "iss": iss}
    forged = f"{part({'alg': 'HS256'})}.{part(claims)}"
    signature = jwt.get_algorithm_by_name("HS256").sign(forged.encode(), SECRET.encode())
    with pytest.raises(Unauthenticated):
        await verify(f"{forged}.{part(signature)}", rules)


async def test_an_audience_that_nobody_asked_for_is_no_reason_to_refuse() -> None:
    """Providers put one in; without a configured one it is not ours to judge."""
    assert (await verify(token(aud="whatever"))).id == "ada"


@pytest.mark.parametrize("sub", ["", "a b", "a\n", "a" * 129, "\x00", "a\u200bb", 7, ["ada"]])
async def test_refuses_a_sub_that_cannot_name_a_user(sub: object) -> None:
    """The user's log bears that name."""
    with pytest.raises(Unauthenticated):
        await verify(token(sub=sub))


@pytest.mark.parametrize(
    "roles", ["admin", {"admin": 1}, [1], [None], ["a b"], [""], [["a"]], ["r"] * (MAX_ROLES + 1)]
)
async def test_refuses_roles_that_are_no_list_of_names(roles: object) -> None:
    """Each role is a log, and their number is bounded."""
    with pytest.raises(Unauthenticated):
        await verify(token(roles=roles))


@pytest.mark.parametrize("scope", [["notifications:publish"], 7, {}])
async def test_refuses_a_scope_that_is_no_text(scope: object) -> None:
    """RFC 8693: scopes are one text, separated by spaces."""
    with pytest.raises(Unauthenticated):
        await verify(token(scope=scope))


@pytest.mark.parametrize("name", ["x" * 129, "a\x07b", 7, ["Ada"]])
async def test_an_odd_display_name_is_left_out(name: object) -> None:
    """It locks nobody out, and is shown to nobody."""
    assert (await verify(token(name=name))).name == ""


async def test_refuses_a_huge_token() -> None:
    """Before anything of it is read."""
    with pytest.raises(Unauthenticated, match=str(MAX_TOKEN)):
        await verify(token(filler="x" * MAX_TOKEN))


@pytest.mark.parametrize(
    "text",
    [
        f"{part(b'[' * 4000)}.{part({})}.{part(b'x')}",
        f"{part({'alg': 'HS256', 'crit': ['x'], 'x': 1})}.{part({})}.{part(b'x')}",
        f"{part({'alg': 'HS256', 'b64': False})}.{part({})}.{part(b'x')}",
        f"{part({'alg': 'HS256', 'kid': 7})}.{part({})}.{part(b'x')}",
    ],
)
async def test_refuses_headers_that_are_traps(text: str) -> None:
    """Deep nesting, critical extensions, an unencoded payload, odd key ids."""
    with pytest.raises(Unauthenticated):
        await verify(text)


async def test_refuses_a_payload_that_is_nested_deeply_or_no_object() -> None:
    """Also when it is signed well: a service that we trust may still have a bug."""
    algorithm = jwt.get_algorithm_by_name("HS256")
    for payload in (b"[" * 4000, b"[]", b"7", b"\xff"):
        head = f"{part({'alg': 'HS256'})}.{part(payload)}"
        signature = algorithm.sign(head.encode(), SECRET.encode())
        with pytest.raises(Unauthenticated):
            await verify(f"{head}.{part(signature)}")


def test_secrets_do_not_show() -> None:
    """Rules end up in tracebacks."""
    assert SECRET not in repr(RULES)


# Tokens that are known


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def refuse(*_: object) -> None:
    """In the place of verifying."""
    raise jwt.InvalidSignatureError


@pytest.mark.parametrize(("lifetime", "seconds"), [(600, KNOWN_SECONDS), (30, 30)])
async def test_a_token_is_verified_once_in_a_while(
    lifetime: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a minute it is recognized, and never after it has expired."""
    clock = Clock()
    verifier = TokenVerifier(RULES, clock=clock)
    text = token(exp=int(clock.now) + lifetime)
    first = await verifier.verify(text)
    monkeypatch.setattr(verifier, "_decode", refuse)
    assert await verifier.verify(text) is first
    clock.now += seconds - 2
    assert await verifier.verify(text) is first
    clock.now += 2
    with pytest.raises(Unauthenticated):
        await verifier.verify(text)


async def test_only_the_whole_token_is_recognized() -> None:
    """Neither another signature below the same claims nor other claims above the same signature."""
    verifier = TokenVerifier(RULES)
    good, other = token(), token(sub="grace")
    await verifier.verify(good)
    head, _, signature = good.rpartition(".")
    for forged in (
        f"{head}.{other.rpartition('.')[2]}",
        f"{other.rpartition('.')[0]}.{signature}",
    ):
        with pytest.raises(Unauthenticated):
            await verifier.verify(forged)


async def test_a_token_is_recognized_by_its_key_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a key is replaced, what it has signed goes with it."""
    verifier = TokenVerifier(RULES)
    text = token()
    await verifier.verify(text)
    verifier._secrets = TokenVerifier(RULES)._secrets
    monkeypatch.setattr(verifier, "_decode", refuse)
    with pytest.raises(Unauthenticated):
        await verifier.verify(text)


async def test_what_is_refused_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """And of what is believed only so much."""
    monkeypatch.setattr(tokens, "MAX_KNOWN", 3)
    verifier = TokenVerifier(RULES)
    with pytest.raises(TokenExpired):
        await verifier.verify(token(exp=int(time.time()) - 100))
    assert not verifier._known
    for name in ("a", "b", "c", "d"):
        await verifier.verify(token(sub=name))
    assert [entry.principal.id for entry in verifier._known.values()] == ["b", "c", "d"]
