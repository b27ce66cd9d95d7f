"""JSON Web Tokens: what must be true of one before it says who somebody is."""

from __future__ import annotations

import functools
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jwt
from jwt.algorithms import HMACAlgorithm
from jwt.utils import base64url_encode

from notifier.core.models import MAX_ROLES, Principal, is_name
from notifier.errors import TokenExpired, Unauthenticated
from notifier.http.jwks import JsonWebKeys

MAX_TOKEN = 8_192
"""Characters. About what a header line may hold; far above what an identity needs."""

MAX_DISPLAY_NAME = 128

KNOWN_SECONDS = 60.0
"""For how long a token that was verified is recognized: verifying takes 60 us, and a service sends
the same one with every call."""

MAX_KNOWN = 10_000
"""Tokens recognized, some 5 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """Which tokens are believed.

    ``secrets`` verify HS256; several may be live during a change, the first signs. ``issuer`` and
    ``audience`` are required of tokens when given. ``leeway`` (seconds) forgives clocks that
    disagree. ``max_lifetime`` (seconds, 0: any) bounds how long a stolen token is of use.
    """

    secrets: tuple[str, ...] = field(default=(), repr=False)
    issuer: str | None = None
    audience: str | None = None
    leeway: int = 30
    max_lifetime: int = 0


class _HS256(HMACAlgorithm):
    """PyJWT's, but it looks only once whether a secret is a key of another kind.

    PyJWT does so for each token, which takes as long as all the rest of verifying it.
    """

    def __init__(self) -> None:
        super().__init__(hashlib.sha256)
        self.prepare_key = functools.lru_cache(super().prepare_key)  # type: ignore[method-assign]


class _Known(NamedTuple):
    """Whom a token speaks for, by which key, and until when that need not be verified again."""

    key: jwt.PyJWK
    principal: Principal
    until: float


class TokenVerifier:
    """Turns the text of a token into a user.

    The algorithm in a token chooses between two sets of keys that never mix, and each key has one
    algorithm of its own: HS256 the shared secrets, RS256 and ES256 the keys of the JWKS. So a
    public key can never be taken for a shared secret.
    """

    def __init__(
        self,
        rules: TokenRules,
        keys: JsonWebKeys | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._keys = keys
        self._clock = clock
        self._secrets = [_secret_key(secret) for secret in rules.secrets]
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def verify(self, token: object) -> Principal:
        """The user a token speaks for. Raises ``Unauthenticated`` or ``TokenExpired``.

        ``Overloaded`` when the keys that would tell cannot be had now.
        """
        if not isinstance(token, str) or not token:
            raise Unauthenticated("Send a token.")
        if len(token) > MAX_TOKEN:
            raise Unauthenticated(f"A token must not be longer than {MAX_TOKEN} characters.")
        try:
            return await self._principal(token)
        except jwt.ExpiredSignatureError:
            raise TokenExpired("The token has expired; get a new one.") from None
        except jwt.PyJWTError:
            raise Unauthenticated("The token is not valid.") from None

    async def _principal(self, token: str) -> Principal:
        if self._keys is None:
            return self._signed_by_secret(token)
        header = jwt.get_unverified_header(token)
        match header.get("alg"):
            case "HS256":
                return self._signed_by_secret(token)
            case "RS256" | "ES256" as algorithm:
                return self._signed_by(await self._keys.find(header.get("kid"), algorithm), token)
            case _:
                raise jwt.InvalidAlgorithmError

    def _signed_by_secret(self, token: str) -> Principal:
        for secret in self._secrets:
            try:
                return self._signed_by(secret, token)
            except jwt.InvalidSignatureError:
                continue  # perhaps signed with the secret before the last change
        raise jwt.InvalidSignatureError

    def _signed_by(self, key: jwt.PyJWK, token: str) -> Principal:
        """What the token says, if this key has signed it."""
        digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        known = self._known.get(digest)
        if known is not None and known.key is key and self._clock() < known.until:
            return known.principal
        principal = _principal(self._decode(token, key), self._rules)
        self._recognize(digest, key, principal)
        return principal

    def _recognize(self, digest: bytes, key: jwt.PyJWK, principal: Principal) -> None:
        """Keep what a valid token says, never beyond its expiry."""
        until = self._clock() + KNOWN_SECONDS
        if principal.expires_at is not None:
            until = min(until, principal.expires_at / 1000)
        self._known.pop(digest, None)
        self._known[digest] = _Known(key, principal, until)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def _decode(self, token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            issuer=self._rules.issuer,
            audience=self._rules.audience,
            leeway=self._rules.leeway,
            options={
                "require": ["sub", "exp"],
                "verify_aud": self._rules.audience is not None,
                "verify_jti": False,
            },
        )


def _secret_key(secret: str) -> jwt.PyJWK:
    """A shared secret as a key that verifies HS256 and nothing else."""
    key = jwt.PyJWK({"kty": "oct", "k": base64url_encode(secret.encode()).decode()}, "HS256")
    key.Algorithm = _HS256()
    return key


def _principal(claims: Mapping[str, Any], rules: TokenRules) -> Principal:
    _check_times(claims, rules)
    return Principal(
        id=_subject(claims["sub"]),
        name=_display_name(claims.get("name")),
        roles=_roles(claims.get("roles")),
        scopes=_scopes(claims.get("scope")),
        expires_at=int(claims["exp"]) * 1000,
        issued_at=int(claims.get("iat", 0) * 1000),
    )


def _check_times(claims: Mapping[str, Any], rules: TokenRules) -> None:
    """PyJWT has compared the times with the clock; here their form and their distance count."""
    for name in ("exp", "iat", "nbf"):
        if name in claims and not _is_time(claims[name]):
            raise Unauthenticated(f"The claim {name} of the token must be a time in seconds.")
    if not rules.max_lifetime:
        return
    now = time.time()
    since = min(claims.get("iat", now), now)
    if claims["exp"] - since > rules.max_lifetime + rules.leeway:
        raise Unauthenticated(f"Tokens must not be valid for more than {rules.max_lifetime} s.")


def _is_time(value: object) -> bool:
    """Seconds since 1970, below the year 10000."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and 0 <= value < 253_402_300_800
    )


def _subject(value: object) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise Unauthenticated(
            "The claim sub of the token must be 1 to 128 printable characters without white space."
        )
    return value


def _roles(value: object) -> frozenset[str]:
    if value is None:
        return frozenset()
    if not isinstance(value, list) or not all(isinstance(r, str) and is_name(r) for r in value):
        raise Unauthenticated("The claim roles of the token must be a list of names.")
    if len(value) > MAX_ROLES:
        raise Unauthenticated(f"A token must not name more than {MAX_ROLES} roles.")
    return frozenset(value)


def _scopes(value: object) -> frozenset[str]:
    if value is None:
        return frozenset()
    if not isinstance(value, str):
        raise Unauthenticated("The claim scope of the token must be a text.")
    return frozenset(value.split())


def _display_name(value: object) -> str:
    """The name if it can be shown. An odd one is no reason to lock somebody out."""
    usable = isinstance(value, str) and value.isprintable() and len(value) <= MAX_DISPLAY_NAME
    return str(value) if usable else ""


def sign(
    rules: TokenRules,
    user: str,
    *,
    lifetime: int,
    roles: Collection[str] = (),
    scopes: Collection[str] = (),
    name: str = "",
) -> str:
    """A token for a user that verifiers with these rules believe for ``lifetime`` seconds.

    Raises ``ValueError`` when there is no secret to sign with.
    """
    if not rules.secrets:
        raise ValueError("There is no shared secret to sign tokens with.")
    now = int(time.time())
    optional = {
        "iss": rules.issuer,
        "aud": rules.audience,
        "name": name,
        "roles": sorted(roles),
        "scope": " ".join(sorted(scopes)),
    }
    claims = {
        "sub": user,
        "iat": now,
        "exp": now + lifetime,
        **{claim: value for claim, value in optional.items() if value},
    }
    return jwt.encode(claims, rules.secrets[0], algorithm="HS256")
