"""Which logs each connection follows: those its user belongs to, as of now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from notifier.core.feed import Feed, Replay
from notifier.core.models import Cursor, Preferences, Principal
from notifier.core.ports import Authenticator
from notifier.core.types import TypeCatalogue
from notifier.core.views import Visit, hidden_from
from notifier.errors import RequestError, StoreUnavailable
from notifier.realtime.ahead import Ahead
from notifier.realtime.hiding import Hiding
from notifier.realtime.hub import Hub
from notifier.realtime.messages import NAMESPACE
from notifier.realtime.rooms import Rooms
from notifier.realtime.sessions import Session, Sessions

logger = logging.getLogger(__name__)

LOOKED_UP_TOGETHER = 50
"""Users of whom something was lost: there may be many after an outage of Redis, and who arrives
meanwhile must not wait for them all."""

RETRY_SECONDS = 1.0
"""Until a store that was not available is asked for them again."""


class _Settled(NamedTuple):
    """A user as of now, and which logs the connection has joined and left to follow it.

    ``begun`` is what stands in the new logs behind where the user's view of them begins.
    """

    visit: Visit
    joined: Cursor
    begun: Replay
    left: Sequence[str]

    def moves(self, known: Collection[str]) -> dict[str, Any]:
        """What of it clients are told who know of these logs already."""
        joined = Cursor({a: seq for a, seq in self.joined.items() if a not in known})
        moves = {"joined": str(joined), "left": [a for a in self.left if a not in known]}
        return {name: value for name, value in moves.items() if value}


class Following:
    """Keeps the connections in their logs, and from each what is hidden from its user."""

    def __init__(
        self,
        sessions: Sessions,
        rooms: Rooms,
        hub: Hub,
        feed: Feed,
        authenticator: Authenticator,
        types: TypeCatalogue,
    ) -> None:
        self.hiding = Hiding()
        self.ahead = Ahead()
        self._sessions = sessions
        self._rooms = rooms
        self._hub = hub
        self._feed = feed
        self._authenticator = authenticator
        self._types = types
        self._untold: set[str] = set()
        self._looking_up: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def open(self, session: Session) -> Visit:
        """Join the logs of a new connection; the user as of then.

        What changes about the user is heard of first, then what there is is read. Raises
        ``StoreUnavailable``, or ``Unauthenticated`` for a revoked token.
        """
        async with session.settling:
            await self._enter(session, [f"user:{session.user}"])
            visit = (await self._settle(session, session.principal)).visit
            await self._enter(session, visit.view.audiences)
            session.moved = False
            return visit

    async def go_live(self, session: Session, position: Cursor) -> None:
        """The connection has got its past, up to there; join what had to wait for that."""
        self._release(session, position)
        async with session.settling:
            session.live = True
        if session.moved:
            await self.keep_up(session)

    def leave_all(self, session: Session) -> None:
        """The connection is gone."""
        self.hiding.forget(session.sid)
        self.ahead.forget(session.sid)
        self._hub.leave(session.audiences)
        session.audiences.clear()

    async def follow(
        self,
        session: Session,
        principal: Principal | None = None,
        *,
        news: Mapping[str, Any] | None = None,
        known: Collection[str] = (),
    ) -> None:
        """Go on in the logs that the user belongs to by now; tell the client which, and ``news``.

        New logs go on from where they begin. Of those ``known`` the client has heard.
        ``principal`` replaces that of the connection. Raises ``StoreUnavailable``, or
        ``Unauthenticated`` for a revoked token; then nothing has changed.
        """
        async with session.settling:
            position = Cursor()
            if session.live:
                self._sessions.hold(session)
            try:
                settled = await self._settle(session, principal or session.principal)
                if not settled.begun.recovered:
                    self._sessions.close(session, "resync")
                    return
                if state := {**settled.moves(known), **(news or {})}:
                    self._sessions.send(session, "state", state)
                await self._sessions.show(session, settled.begun.entries)
                position = settled.begun.cursor
            finally:
                if session.live:
                    self._release(session, position)

    async def keep_up(self, session: Session, **options: Any) -> None:
        """Follow, or send the client away: it comes back to the logs it belongs to."""
        try:
            await self.follow(session, **options)
        except RequestError as error:
            self._sessions.close(session, error.code)

    def keep_up_soon(self, session: Session, **options: Any) -> None:
        """Follow in a while, without making anybody wait."""
        self._spawn(self.keep_up(session, **options))

    def look_up_soon(self, user: str) -> None:
        """Have all connections of the user follow, a few users at a time."""
        self._untold.add(user)
        if self._looking_up is None or self._looking_up.done():
            self._looking_up = self._spawn(self._look_up_untold())

    async def _look_up_untold(self) -> None:
        while self._untold:
            count = min(LOOKED_UP_TOGETHER, len(self._untold))
            users = [self._untold.pop() for _ in range(count)]
            sessions = [session for user in users for session in self._sessions.of(user)]
            await asyncio.gather(*map(self._look_up, sessions))

    async def _look_up(self, session: Session) -> None:
        known = session.preferences.version
        try:
            await self.follow(session)
            if session.preferences.version > known:
                self._sessions.tell(session, "preferences", session.preferences.as_dict())
        except StoreUnavailable:  # for all of them, and they must not all be sent away
            await asyncio.sleep(RETRY_SECONDS)
            self._untold.add(session.user)
        except RequestError as error:
            self._sessions.close(session, error.code)
        except Exception:  # the others must still be looked up
            logger.exception("a user could not be looked up")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def apply_preferences(self, session: Session, preferences: Preferences) -> None:
        """Hide from now on what these preferences hide, unless there are newer ones."""
        if preferences.version >= session.preferences.version:
            session.preferences = preferences
            self._hide(session)

    async def _settle(self, session: Session, principal: Principal) -> _Settled:
        """Bring the connection into exactly the logs that its user belongs to by now."""
        principal = await self._authenticator.recheck(principal)
        visit = await self._feed.visit(principal)
        floors = visit.view.floors
        new = floors.keys() - session.audiences
        joined = Cursor({a: floors[a] for a in sorted(new)}) if session.live else Cursor()
        begun = await self._begin(session, visit, joined)
        left = sorted(session.audiences - floors.keys())
        await self._leave(session, left)
        session.moved = not session.live and bool(new)
        session.principal = principal
        self.apply_preferences(session, visit.subscriber.preferences)
        self._hide(session)
        return _Settled(visit, joined, begun, left)

    async def _begin(self, session: Session, visit: Visit, floors: Cursor) -> Replay:
        """Join these logs; what stands in them behind where the user's view of them begins."""
        await self._enter(session, floors)
        if all(self._hub.position(a) == floors[a] for a in floors.keys() & session.audiences):
            return Replay((), floors, recovered=True)
        part = replace(visit, view=replace(visit.view, floors=floors))
        try:
            return await self._feed.replay(part, floors)
        except RequestError:
            await self._leave(session, floors)
            raise

    async def _enter(self, session: Session, audiences: Collection[str]) -> None:
        """Join these logs: first the hub, so that nothing can fall between, then the rooms."""
        new = [a for a in audiences if a not in session.audiences]
        await self._hub.join(new)
        if session not in self._sessions:
            self._hub.leave(new)  # it disconnected while the hub was listening
            return
        session.audiences.update(new)
        for audience in new:
            await self._rooms.enter_room(session.sid, NAMESPACE, audience)

    async def _leave(self, session: Session, audiences: Collection[str]) -> None:
        left = session.audiences.intersection(audiences)
        session.audiences -= left
        for audience in left:
            await self._rooms.leave_room(session.sid, NAMESPACE, audience)
        self._hub.leave(left)

    def _release(self, session: Session, position: Cursor) -> None:
        """Let through what comes live behind a position, now and later."""
        logs = position.keys() & session.audiences
        ahead = {a: position[a] for a in logs if position[a] > self._hub.position(a)}
        self.ahead.note(session.sid, ahead)
        self._sessions.release(session, position)

    def _hide(self, session: Session) -> None:
        """Keep what must not reach the connection, as long as there is one."""
        if session in self._sessions:
            roles = session.principal.roles
            session.hidden = hidden_from(self._types, roles, session.preferences)
            self.hiding.hide(session.sid, session.hidden)
