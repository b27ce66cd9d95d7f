"""Tickets: how ``EventSource``, which can send no header, proves who is reading.

A ticket is random, good once and for a short time, on whichever node it is shown: the store keeps
its digest and the principal it stands for. What ends up in logs and histories is of no use.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from typing import Any

from notifier.core import ports
from notifier.core.models import Principal, now_ms
from notifier.errors import Forbidden, Unauthenticated

LIFETIME_SECONDS = 30
"""Long enough to open a stream with it, short enough to be of no use to who finds it later."""

PARAMETER = "ticket"

_TICKET = re.compile(r"[A-Za-z0-9_-]{43}")


class Tickets:
    """Gives out tickets and takes them back."""

    def __init__(
        self,
        store: ports.Tickets,
        authenticator: ports.Authenticator,
        *,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._store = store
        self._authenticator = authenticator
        self._clock = clock

    async def issue(self, caller: Principal) -> dict[str, Any]:
        """A ticket for this user. Raises ``Forbidden`` for a service, which has no feed."""
        if caller.is_service:
            raise Forbidden("A service key can publish; it has no feed.")
        ticket = secrets.token_urlsafe(32)
        expires_at = self._clock() + LIFETIME_SECONDS * 1000
        await self._store.add_ticket(_digest(ticket), caller, expires_at)
        return {"ticket": ticket, "expires_in": LIFETIME_SECONDS}

    async def redeem(self, ticket: str) -> Principal:
        """Whom a ticket stands for. Raises ``Unauthenticated`` if it is used, too old, or none."""
        caller = None
        if _TICKET.fullmatch(ticket):  # else the store need not be asked
            caller = await self._store.take_ticket(_digest(ticket), now=self._clock())
        if caller is None:
            raise Unauthenticated(f"A ticket is good once, for {LIFETIME_SECONDS} s.")
        return await self._authenticator.recheck(caller)


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
