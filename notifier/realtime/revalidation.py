"""Authorisation follows time: connections end, or lose logs, when their user's tokens do.

The bus tells of a revocation at once, and of new topics and preferences. In case it does not, the
rules for all users with a connection here are read again every 20 s, and where they stand, in one
query each.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection

from notifier.core.models import Revocation
from notifier.core.ports import Subscribers
from notifier.core.validity import Validity
from notifier.errors import StoreUnavailable
from notifier.realtime.hub import CHECK_SECONDS, Hub

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""How soon to try again what failed."""


class Revalidation:
    """Keeps the local connections within what is left of their tokens, and in their users' logs."""

    def __init__(self, hub: Hub, validity: Validity, subscribers: Subscribers) -> None:
        self._hub = hub
        self._validity = validity
        self._subscribers = subscribers
        self._due: set[str] = set()
        """Whose rules are to be read; a user stays here until that has been done."""
        self._wake = asyncio.Event()
        hub.on_revoked = self._on_revoked

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(checked + CHECK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            if loop.time() >= checked + CHECK_SECONDS:
                checked = loop.time()
                self._due.update(self._hub.users)
                await self._compare(self._hub.users)
            due, self._due = self._due, set()
            if left := await self._restrict(due):
                self._due.update(left)
                self._wake.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def _restrict(self, users: Collection[str]) -> Collection[str]:
        """Apply the rules for these users; for whom that is still to be done."""
        try:
            found = await self._validity.read(users)
        except StoreUnavailable:
            logger.warning("revocations cannot be read: the store is not available")
            return users
        except Exception:  # whatever it is, nobody must go unchecked from here on
            logger.exception("revocations cannot be read; trying again")
            return users
        return [user for user, revocation in found.items() if not self._apply(user, revocation)]

    async def _compare(self, users: Collection[str]) -> None:
        """Find those of whom something was told that did not arrive; if not now, next time."""
        try:
            for user, standing in (await self._subscribers.standings(users)).items():
                for sink in self._hub.sinks:
                    sink.compare(user, standing)
        except StoreUnavailable:
            logger.warning("users cannot be looked up: the store is not available")
        except Exception:  # tokens must not go unchecked for that
            logger.exception("users could not be looked up")

    def _apply(self, user: str, revocation: Revocation) -> bool:
        """Hand the rule to all kinds of connections; whether all of them took it."""
        try:
            for sink in self._hub.sinks:
                sink.restrict(user, revocation)
        except Exception:  # the connections of other users must not go unchecked for that
            logger.exception("a revocation could not be applied; trying again")
            return False
        return True

    def _on_revoked(self, user: str) -> None:
        self._due.add(user)
        self._wake.set()
