"""Authorisation follows time: connections end, or lose logs, when their user's tokens do.

The bus tells of a revocation at once. In case it does not, the rules for all users with a
connection here are read again every 20 s, in one query.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection

from notifier.core.validity import Validity
from notifier.errors import StoreUnavailable
from notifier.realtime.hub import CHECK_SECONDS, Hub

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""How soon to ask a store again that did not answer."""


class Revalidation:
    """Keeps the local connections within what is left of their tokens."""

    def __init__(self, hub: Hub, validity: Validity) -> None:
        self._hub = hub
        self._validity = validity
        self._told: set[str] = set()
        self._wake = asyncio.Event()
        hub.on_revoked = self._on_revoked

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._restrict_told()
            await self._restrict(self._hub.users)

    async def _restrict_told(self) -> None:
        """Look after those of whom the bus tells, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            told, self._told = self._told, set()
            if not await self._restrict(told):
                self._told |= told
                await asyncio.sleep(RETRY_SECONDS)
                self._wake.set()

    async def _restrict(self, users: Collection[str]) -> bool:
        """Apply the rules for these users; False if the store could not tell them."""
        try:
            found = await self._validity.read(users)
        except StoreUnavailable:
            logger.warning("revocations cannot be read: the store is not available")
            return False
        for user, revocation in found.items():
            for sink in self._hub.sinks:
                sink.restrict(user, revocation)
        return True

    def _on_revoked(self, user: str) -> None:
        self._told.add(user)
        self._wake.set()
