"""Whether the node lives, and whether it should be given work."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

import orjson
from aiohttp import web

from notifier.errors import Overloaded, RequestError
from notifier.http.services import Check

CHECK_SECONDS = 3.0
"""How long a part may take to say that it is well."""

SHARED_SECONDS = 1.0
"""How long a finding holds: the path is public, and must not be a way to keep the store busy."""

logger = logging.getLogger(__name__)


class NotReady(Overloaded):
    """The node should not be given work. ``errors`` says which part is not well, and why."""

    title = "This node is not ready"

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{part}: {reason}" for part, reason in errors.items()))
        self.errors = {part: [reason] for part, reason in errors.items()}


class Readiness:
    """Asks all parts of the node at once; callers within a second share the finding."""

    def __init__(
        self, checks: Mapping[str, Check], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._checks = checks
        self._clock = clock
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._unwell: dict[str, str] = {}

    async def require(self) -> None:
        """Raise ``NotReady`` unless every part is well."""
        async with self._asking:
            if self._clock() - self._asked_at >= SHARED_SECONDS:
                reasons = await asyncio.gather(*map(_ask, self._checks.values()))
                answers = zip(self._checks, reasons, strict=True)
                self._unwell = {part: reason for part, reason in answers if reason is not None}
                self._asked_at = self._clock()
        if self._unwell:
            raise NotReady(self._unwell)


async def _ask(check: Check) -> str | None:
    """Why a part is not well; None if it is."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except RequestError as error:
        return error.detail
    except TimeoutError:
        return f"No answer within {CHECK_SECONDS:g} s."
    except Exception:
        logger.exception("a readiness check failed")
        return "The check itself failed."
    return None


READINESS = web.AppKey("readiness", Readiness)


async def healthz(request: web.Request) -> web.Response:
    """The process answers. Says nothing of the store: a restart would not heal it."""
    return _status("ok")


async def readyz(request: web.Request) -> web.Response:
    await request.app[READINESS].require()
    return _status("ready")


def _status(text: str) -> web.Response:
    return web.Response(body=orjson.dumps({"status": text}), content_type="application/json")
