"""Polling: what a reader has missed, now or as soon as there is something. Nothing is kept between
two polls, so each may go to another node."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import ETag, web

from notifier.core.models import Cursor, Entry, Principal
from notifier.core.schemas import POLL, load
from notifier.errors import TokenExpired, Unauthenticated
from notifier.http.calls import CALLER, arguments
from notifier.http.readers import Event, Reader
from notifier.http.services import SERVICES


async def poll(request: web.Request) -> web.Response:
    """What was missed since a cursor; if nothing was, the first news within ``wait`` seconds."""
    args = load(POLL, arguments(request))
    if args["since"] is None or not args["wait"]:
        return _answer(request, await _look(request, args["since"]))
    return _answer(request, await _await_news(request, args["since"], args["wait"]))


async def _look(request: web.Request, since: Cursor | None) -> dict[str, Any]:
    services = request.app[SERVICES]
    visit = await services.feed.visit(await services.authenticator.recheck(request[CALLER]))
    return await services.feed.missed(visit, since)


async def _await_news(request: web.Request, since: Cursor, wait: float) -> dict[str, Any]:
    services = request.app[SERVICES]
    reader = Poll(request[CALLER])
    async with services.readers.admit(request, reader):
        visit = await services.readers.settle(reader)
        answer = await services.feed.missed(visit, since)
        if _is_news(request, answer) or not await reader.woken(wait):
            return answer
        return await services.feed.missed(await services.readers.settle(reader), since)


class Poll(Reader):
    """A reader who waits for the first sign of news, whatever it is: the store knows the rest."""

    kind = "poll"

    def __init__(self, principal: Principal) -> None:
        super().__init__(principal)
        self._wake = asyncio.Event()
        self._reason = ""

    def take(self, entry: Entry, event: Event) -> None:
        if self.view is None or self.view.shows(entry):
            self._wake.set()

    def told(self, name: str, data: Any) -> None:
        self._wake.set()

    def move(self) -> None:
        self._wake.set()

    def end(self, reason: str) -> None:
        self._reason = reason
        self._wake.set()

    async def woken(self, seconds: float) -> bool:
        """Wait for news; whether there may be some. Raises if the token is good no longer."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        if self._reason == "expired":
            raise TokenExpired("The token has expired; get a new one.")
        if self._reason == "revoked":
            raise Unauthenticated("The token has been revoked.")
        return not self._reason


def _answer(request: web.Request, answer: Mapping[str, Any]) -> web.Response:
    tag = ETag(_tag(answer))
    if _is_news(request, answer) or not request.if_none_match:
        response = web.Response(body=orjson.dumps(answer), content_type="application/json")
    else:
        response = web.Response(status=304)
    response.etag = tag
    return response


def _is_news(request: web.Request, answer: Mapping[str, Any]) -> bool:
    """Whether the reader should hear of it at once: entries, or other counts than it knows."""
    if answer["items"] or answer["removed"] or not answer["recovered"]:
        return True
    known = request.if_none_match
    return known is not None and not any(tag.value in (_tag(answer), "*") for tag in known)


def _tag(answer: Mapping[str, Any]) -> str:
    """Stands for the reader's place and counts; the same on every node."""
    place = sorted(Cursor.parse(answer["cursor"]).items())
    state = orjson.dumps([place, answer["unread"], answer["unseen"]])
    return hashlib.sha256(state).hexdigest()[:32]
