"""Who is calling: the bearer token of a request, and what it proves."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from multidict import CIMultiDictProxy

from notifier.core.credentials import PREFIX, matches, parse_service_key
from notifier.core.models import Principal, ServiceKey
from notifier.core.ports import Authenticator, Keys
from notifier.core.validity import Validity
from notifier.errors import Unauthenticated
from notifier.http.tokens import TokenVerifier

KEY_TTL = 5.0
"""Seconds for which a service key is believed without asking the store: a revoked one works no
longer than that."""

KEY_CACHE = 1_000
"""Service keys remembered: more than anybody has, and only keys that exist are."""

_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)


def bearer_of(headers: CIMultiDictProxy[str]) -> str:
    """The token of the one ``Authorization: Bearer`` header. Raises ``Unauthenticated``."""
    match headers.getall("Authorization", ()):
        case [value] if found := _BEARER.fullmatch(value):
            return found[1]
        case _:
            raise Unauthenticated("Send exactly one header Authorization: Bearer and a token.")


class _Known(NamedTuple):
    key: ServiceKey
    read_at: float


class TokenAuthenticator(Authenticator):
    """Users by JSON Web Token, as far as it is still valid; services by API key."""

    def __init__(
        self,
        verifier: TokenVerifier,
        validity: Validity,
        keys: Keys,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verifier = verifier
        self._validity = validity
        self._keys = keys
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def user(self, token: object) -> Principal:
        return await self._validity.check(await self._verifier.verify(token))

    async def recheck(self, caller: Principal) -> Principal:
        return await self._validity.recheck(caller)

    async def caller(self, bearer: str) -> Principal:
        if bearer.startswith(PREFIX):
            return await self._service(bearer)
        return await self.user(bearer)

    async def _service(self, bearer: str) -> Principal:
        """The service behind an API key: all keys of one name are one service, so that a new key
        can withdraw and repeat what was published with the old one."""
        parsed = parse_service_key(bearer)
        key = await self._key(parsed.id) if parsed is not None else None
        if parsed is None or key is None or not matches(key, parsed.secret):
            raise Unauthenticated("The service key is not valid.")
        return Principal(id=key.name, is_service=True, name=key.name, scopes=key.scopes)

    async def _key(self, key_id: str) -> ServiceKey | None:
        """The key as the store has it, or had it a moment ago."""
        known = self._known.get(key_id)
        if known is not None and self._clock() - known.read_at < KEY_TTL:
            return known.key
        asked_at = self._clock()
        key = await self._keys.key(key_id)
        self._known.pop(key_id, None)
        if key is not None:
            self._known[key_id] = _Known(key, asked_at)
            if len(self._known) > KEY_CACHE:
                self._known.popitem(last=False)
        return key
