"""What is left of a token since it was issued: all of it, unless it was revoked or lost a role.

A token is a promise of the past. What has been taken back since is kept per user as a rule over the
time of issue, so that a fresh token is good again without anything being undone.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import NamedTuple

from notifier.core import policy
from notifier.core.loading import load
from notifier.core.models import Principal, Revocation, is_name, now_ms
from notifier.core.ports import Bus, Store
from notifier.core.schemas import REVOKE
from notifier.errors import Forbidden, InvalidRequest, Unauthenticated

RULE_TTL = 5.0
"""Seconds for which a rule is believed without asking the store, by calls that end at once."""

RULE_CACHE = 10_000
"""Users whose rule, or whose having none, is remembered."""

REVOKED = "revoked"
"""What the bus is told. Only a hint: whoever hears it reads the rule from the store."""

NOTHING_REVOKED = Revocation()


class _Known(NamedTuple):
    revocation: Revocation
    read_at: float


def remaining(caller: Principal, revocation: Revocation) -> Principal:
    """The caller without the roles that were taken back. Raises ``Unauthenticated`` if revoked."""
    decision = policy.is_revoked(caller, revocation)
    if decision.allowed:
        raise Unauthenticated(decision.reason)
    roles = policy.roles_left(caller, revocation)
    return caller if roles == caller.roles else replace(caller, roles=roles)


def _revocation(roles: Collection[str] | None, until: int) -> Revocation:
    if roles is None:
        return Revocation(tokens=until)
    return Revocation(roles=dict.fromkeys(roles, until))


class Validity:
    """Revokes tokens, and tells what is left of one."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        *,
        clock: Callable[[], int] = now_ms,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._timer = timer
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def revoke(self, user: str, args: object, caller: Principal) -> None:
        """``RevokeSchema``: take back all tokens of a user issued until now, or roles from them.

        Raises ``Forbidden``, ``InvalidRequest`` or ``StoreUnavailable``.
        """
        decision = policy.may_administer(caller)
        if not decision.allowed:
            raise Forbidden(decision.reason)
        if not is_name(user):
            raise InvalidRequest({"user": ["Not the name of a user."]})
        roles = load(REVOKE, args).get("roles")
        await self._store.revoke(user, _revocation(roles, self._clock()))
        self._known.pop(user, None)
        self._bus.tell(user, REVOKED, {})
        await self._take_roles(user, roles)

    async def _take_roles(self, user: str, roles: Collection[str] | None) -> None:
        """Who is away came last with roles that digests go by; None: all of them are gone."""
        subscriber = await self._store.subscriber(user)
        if subscriber is None:
            return
        left = frozenset() if roles is None else subscriber.roles - set(roles)
        if left != subscriber.roles:
            await self._store.set_roles(user, left)

    async def check(self, caller: Principal) -> Principal:
        """What is left of the caller, as known a few seconds ago at most.

        Raises ``Unauthenticated`` if that is nothing.
        """
        if caller.is_service:
            return caller
        known = self._known.get(caller.id)
        if known is None or self._timer() - known.read_at >= RULE_TTL:
            return await self.recheck(caller)
        return remaining(caller, known.revocation)

    async def recheck(self, caller: Principal) -> Principal:
        """The same, by what the store says now."""
        asked_at = self._timer()
        found = await self.read([caller.id])
        if caller.id not in found:
            self._remember(caller.id, _Known(NOTHING_REVOKED, asked_at))
        return remaining(caller, found.get(caller.id, NOTHING_REVOKED))

    async def read(self, users: Collection[str]) -> dict[str, Revocation]:
        """What the store has about these users; those without a rule are absent. One query."""
        asked_at = self._timer()
        found = await self._store.revocations(users)
        for user, revocation in found.items():
            self._remember(user, _Known(revocation, asked_at))
        return found

    def _remember(self, user: str, known: _Known) -> None:
        """Keep what was read last; an answer that was overtaken by another one is out of date."""
        former = self._known.pop(user, known)
        self._known[user] = known if known.read_at >= former.read_at else former
        if len(self._known) > RULE_CACHE:
            self._known.popitem(last=False)
