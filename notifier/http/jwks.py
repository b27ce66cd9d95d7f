"""The public keys of an identity provider, fetched from its JWKS address."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import aiohttp
import jwt
import orjson

from notifier.errors import ConfigurationError, Overloaded, Unauthenticated

REFRESH = 600.0
"""Seconds after which the keys are fetched again; a withdrawn key is believed for as long."""

COOLDOWN = 30.0
"""Seconds between fetches for an unknown key or after a failure: strangers who make up key ids must
not be able to make us call the provider at will."""

MAX_BYTES = 262_144
TIMEOUT = 5.0
MAX_KEYS = 100
MIN_RSA_BITS = 2048

logger = logging.getLogger(__name__)


class JsonWebKeys:
    """The keys at one address, cached. Concurrent callers share one fetch.

    A provider that is down does no harm while the keys fetched before are in hand. Redirects are
    not followed, and what is read is bounded in size and time.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ``ConfigurationError`` unless the address is https, or http on this machine."""
        if not _is_trustworthy(url):
            raise ConfigurationError(["NOTIFIER_JWKS_URL: must be https, or http on this machine"])
        self._url = url
        self._clock = clock
        self._keys: list[jwt.PyJWK] | None = None
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Give up a fetch that is under way."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    async def count(self) -> int:
        """How many keys can be used. Raises ``Overloaded`` when they cannot be had."""
        await self._refresh()
        if self._keys is None:
            raise _unavailable()
        return len(self._keys)

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        """The key with this id for this algorithm.

        A token without a key id will do if there is only one key for the algorithm. Raises
        ``Unauthenticated`` for a key that is not there, ``Overloaded`` when nobody can tell.
        """
        if self._clock() - self._fetched_at >= REFRESH and not self._is_refreshing:
            await self._refresh()  # one caller waits for it; the others go on with what we have
        key = self._known(kid, algorithm)
        if key is None:
            await self._refresh()
            key = self._known(kid, algorithm)
        if self._keys is None:
            raise _unavailable()
        if key is None:
            raise Unauthenticated("The token is signed with an unknown key.")
        return key

    def _known(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        fitting = [key for key in self._keys or () if key.algorithm_name == algorithm]
        if kid is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.key_id == kid), None)

    @property
    def _is_refreshing(self) -> bool:
        return self._refreshing is not None and not self._refreshing.done()

    async def _refresh(self) -> None:
        """Have the keys fetched, unless somebody has just done or tried that.

        The fetch belongs to no caller: one who hangs up would end it for all, and the cooldown
        would keep everybody out.
        """
        if self._refreshing is None or self._refreshing.done():
            if self._clock() - self._tried_at < COOLDOWN:
                return
            self._tried_at = self._clock()
            self._refreshing = asyncio.create_task(self._replace_keys())
        await asyncio.shield(self._refreshing)

    async def _replace_keys(self) -> None:
        try:
            self._keys = _read_keys(await self._fetch())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            logger.warning("JWKS not fetched: %s", type(error).__name__)
        else:
            self._fetched_at = self._clock()

    async def _fetch(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(self._url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"status {answer.status}")
            body = bytearray()
            async for chunk in answer.content.iter_chunked(16_384):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError("too long")
            return bytes(body)


def _unavailable() -> Overloaded:
    return Overloaded("The keys that verify tokens cannot be had now.", retry_after=COOLDOWN)


def _is_trustworthy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and _is_local(host)))


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_keys(text: bytes) -> list[jwt.PyJWK]:
    """The usable keys of a key set; what we cannot use is none of our business."""
    document = orjson.loads(text)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a key set")
    keys = (_read_key(row) for row in listed[:MAX_KEYS] if isinstance(row, dict))
    return [key for key in keys if key is not None]


def _read_key(row: Mapping[str, object]) -> jwt.PyJWK | None:
    """A signing key with the one algorithm that its kind stands for; None for any other key."""
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(row.get("kty")))
    if (
        algorithm is None
        or row.get("use", "sig") != "sig"
        or row.get("alg", algorithm) != algorithm
    ):
        return None
    if algorithm == "ES256" and row.get("crv") != "P-256":
        return None
    try:
        key = jwt.PyJWK(dict(row), algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    return key if algorithm == "ES256" or key.key.key_size >= MIN_RSA_BITS else None
