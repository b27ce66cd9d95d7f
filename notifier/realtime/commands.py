"""What clients in the namespace may ask for: the REST calls of their user's feed, as events."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from notifier.core.feed import Feed
from notifier.core.loading import load
from notifier.core.models import Cursor, Preferences, Principal, now_ms
from notifier.core.ports import Authenticator
from notifier.core.schemas import REFRESH, TOPIC
from notifier.errors import Forbidden, RequestError, TokenExpired, Unauthenticated, UnknownEvent
from notifier.realtime.following import Following
from notifier.realtime.hub import Hub
from notifier.realtime.messages import NAMESPACE, argument
from notifier.realtime.server import SocketServer
from notifier.realtime.sessions import Session, Sessions

logger = logging.getLogger(__name__)

Handler = Callable[[Session, object], Awaitable[object]]


class Commands:
    """Each event is acknowledged with the answer, or with the error."""

    def __init__(
        self,
        sessions: Sessions,
        following: Following,
        hub: Hub,
        feed: Feed,
        authenticator: Authenticator,
    ) -> None:
        self._sessions = sessions
        self._following = following
        self._hub = hub
        self._feed = feed
        self._authenticator = authenticator

    def register(self, server: SocketServer) -> None:
        """Take the events of the namespace's clients."""
        events: dict[str, Handler] = {
            "feed": self._page,
            "sync": self._sync,
            "mark_read": _changer(self._feed.mark_read),
            "mark_unread": _changer(self._feed.mark_unread),
            "dismiss": _changer(self._feed.dismiss),
            "mark_seen": _changer(self._feed.mark_seen),
            "get_preferences": self._get_preferences,
            "set_preferences": self._set_preferences,
            "subscribe_topic": self._subscribe_topic,
            "unsubscribe_topic": self._unsubscribe_topic,
            "refresh_token": self._refresh_token,
        }
        for event, handler in events.items():
            server.on(event, self._answering(handler), namespace=NAMESPACE)
        server.on_unknown_event(NAMESPACE, _unknown_event)

    def _answering(self, handler: Handler) -> Callable[..., Awaitable[dict[str, Any]]]:
        async def answer(sid: str, *args: object) -> dict[str, Any]:
            try:
                session = self._sessions.get(sid)
                if session is None:
                    raise Unauthenticated("This connection is closing.")
                return {"ok": True, "data": await handler(session, argument(args))}
            except RequestError as error:
                return {"ok": False, "error": error.as_dict()}
            except Exception:
                request_id = uuid.uuid4().hex
                logger.exception("an event failed", extra={"request_id": request_id})
                message = f"The request failed; its id is {request_id}."
                return {"ok": False, "error": {"code": "internal", "message": message}}

        return answer

    async def _page(self, session: Session, args: object) -> object:
        return await self._feed.page(session.principal, args)

    async def _sync(self, session: Session, args: object) -> object:
        return await self._feed.sync(session.principal, args)

    async def _get_preferences(self, session: Session, args: object) -> object:
        return await self._feed.preferences(session.principal)

    async def _set_preferences(self, session: Session, args: object) -> object:
        changed = await self._feed.set_preferences(session.principal, args, origin=session.sid)
        self._following.apply_preferences(session, Preferences.from_dict(changed))
        return changed

    async def _subscribe_topic(self, session: Session, args: object) -> object:
        answer = await self._feed.subscribe_topic(session.principal, args, origin=session.sid)
        [audience] = Cursor.parse(answer["cursor"])
        async with session.settling:
            if audience in session.audiences:
                return {"cursor": str(Cursor({audience: self._hub.position(audience)}))}
        # What has been published since then comes behind the answer, which is sent first.
        self._following.keep_up_soon(session, known=[audience])
        return answer

    async def _unsubscribe_topic(self, session: Session, args: object) -> object:
        answer = await self._feed.unsubscribe_topic(session.principal, args, origin=session.sid)
        await self._following.follow(session, known=[f"topic:{load(TOPIC, args)['topic']}"])
        return answer

    async def _refresh_token(self, session: Session, args: object) -> object:
        """Extend the connection with a fresh token of the same user; its roles take effect now."""
        principal = await verified(self._authenticator, load(REFRESH, args)["token"])
        if principal.id != session.user:
            raise Forbidden("The token belongs to another user.")
        await self._following.follow(session, principal)
        self._sessions.watch_expiry(session)
        expires_at = principal.expires_at or 0
        return {"expires_in": max(0.0, (expires_at - now_ms()) / 1000)}


async def verified(authenticator: Authenticator, token: object) -> Principal:
    """The user of a token that is still valid: here the leeway for its expiry ends."""
    principal = await authenticator.user(token)
    if principal.expires_at is not None and principal.expires_at <= now_ms():
        raise TokenExpired("The token has expired; get a new one.")
    return principal


def _changer(change: Callable[..., Awaitable[object]]) -> Handler:
    async def changing(session: Session, args: object) -> object:
        return await change(session.principal, args, origin=session.sid)

    return changing


async def _unknown_event(sid: str, event: str) -> dict[str, Any]:
    error = UnknownEvent("There is no such event; docs/protocol.md lists them all.")
    return {"ok": False, "error": error.as_dict()}
