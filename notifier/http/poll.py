"""Polling: what a reader has missed, now or as soon as there is something. Nothing is kept between
two polls, so each may go to another node."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import ETag, web

from notifier.core.feed import Replay
from notifier.core.loading import load
from notifier.core.models import Cursor, Entry, Principal
from notifier.core.schemas import POLL
from notifier.core.views import Visit
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

    async def look() -> dict[str, Any]:
        visit = await services.feed.visit(await services.authenticator.recheck(request[CALLER]))
        return _told(visit, await services.feed.missed(visit, since))

    return await services.readers.in_turn(look)


async def _await_news(request: web.Request, since: Cursor, wait: float) -> dict[str, Any]:
    services = request.app[SERVICES]
    readers, feed = services.readers, services.feed
    reader = Poll(request[CALLER])

    async def look(visit: Visit) -> tuple[Visit, dict[str, Any]]:
        return visit, _told(visit, await feed.missed(visit, since))

    async with readers.admit(request, reader):
        visit, answer = await readers.settle(reader, look)
        if _is_news(request, answer) or not await reader.woken(wait):
            return answer
        if reader.has_changed:
            return (await readers.settle(reader, look))[1]
        news = reader.behind(Cursor.parse(answer["cursor"]))
        return _told(visit, await readers.in_turn(lambda: feed.answer(visit, news)))


def _told(visit: Visit, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer with the preferences: no event tells of them to who polls."""
    return {**answer, "preferences": visit.subscriber.preferences.as_dict()}


class Poll(Reader):
    """A reader who waits for the first sign of news.

    If they are entries, they are the answer, and only the counts have to be looked up: else a
    notification to everyone would have every poll ask for the same. Whatever else happened, the
    store knows it.
    """

    kind = "poll"

    def __init__(self, principal: Principal) -> None:
        super().__init__(principal)
        self.has_changed = False
        """Whether something about the user changed meanwhile."""
        self._taken: list[Entry] = []
        self._wake = asyncio.Event()
        self._reason = ""

    def take(self, entry: Entry, event: Event) -> None:
        self._taken.append(entry)
        if self.view is None or self.view.shows(entry):
            self._wake.set()

    def behind(self, cursor: Cursor) -> Replay:
        """What was taken behind a cursor that was read after the logs had been joined."""
        new = [e for e in self._taken if e.seq > cursor.get(e.audience, e.seq)]
        reached = Cursor(cursor | {e.audience: e.seq for e in new})
        shown = [e for e in new if self.view is not None and self.view.shows(e)]
        return Replay(shown, reached, recovered=True)

    def told(self, name: str, data: Any) -> None:
        self.move()

    def move(self) -> None:
        self.has_changed = True
        self._wake.set()

    def tick(self, now: float) -> None:
        """It ends by itself."""

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
    """Whether the reader should hear of it at once: entries, or another state than it knows."""
    if answer["items"] or answer["removed"] or not answer["recovered"]:
        return True
    known = request.if_none_match
    return known is not None and not any(tag.value in (_tag(answer), "*") for tag in known)


def _tag(answer: Mapping[str, Any]) -> str:
    """Stands for the reader's place, counts and preferences; the same on every node."""
    place = sorted(Cursor.parse(answer["cursor"]).items())
    version = answer["preferences"]["version"]
    state = orjson.dumps([place, answer["unread"], answer["unseen"], version])
    return hashlib.sha256(state).hexdigest()[:32]
