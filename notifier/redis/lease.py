"""A lease in Redis: of all who ask for it, one has it at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time

from redis import asyncio as aioredis

from notifier.redis.client import FAILURES, stop

LEASE_SECONDS = 1.5

RENEW_SECONDS = 0.4
"""After the holder died, another one takes over within the sum of both."""

_RENEW = """
if redis.call('get', KEYS[1]) == ARGV[1] then
  return redis.call('pexpire', KEYS[1], ARGV[2])
end
return redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""

_RELEASE = """
if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end
"""


class Lease:
    """Asked for again and again between ``start`` and ``close``; ``held`` tells whether we have it.

    ``terms`` counts how often we got it anew. Two may believe to hold it for a moment when Redis
    lost its data or a holder was frozen: what they do must stand that.
    """

    def __init__(self, redis: aioredis.Redis, name: str, holder: str) -> None:
        self.terms = 0
        self._redis = redis
        self._name = name
        self._holder = holder
        self._renew = redis.register_script(_RENEW)
        self.confirmed = float("-inf")
        """When Redis was last asked and said that it is ours, by the monotonic clock in seconds."""
        self._resting_until = float("-inf")
        self._task: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        return time.monotonic() < self.confirmed + LEASE_SECONDS

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Let another one have it at once."""
        if self._task is not None:
            await stop([self._task])
        await self._release()

    async def pass_on(self) -> None:
        """Let another one have it, if there is one who asks for it in time."""
        self._resting_until = time.monotonic() + LEASE_SECONDS
        await self._release()

    async def _release(self) -> None:
        self.confirmed = float("-inf")
        with contextlib.suppress(*FAILURES):  # it ends by itself
            await self._redis.eval(_RELEASE, 1, self._name, self._holder)

    async def _keep(self) -> None:
        while True:
            asked = time.monotonic()
            if asked >= self._resting_until:
                await self._ask(asked)
            await asyncio.sleep(RENEW_SECONDS)

    async def _ask(self, now: float) -> None:
        try:
            milliseconds = int(LEASE_SECONDS * 1000)
            mine = await self._renew(keys=[self._name], args=[self._holder, milliseconds])
        except FAILURES:
            return  # it may still be ours; it ends when its time has passed
        if mine and not self.held:
            self.terms += 1
        self.confirmed = now if mine else float("-inf")
