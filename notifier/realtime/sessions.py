"""The connections in the namespace, by user, and the way to write to each."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from notifier.core.models import (
    Cursor,
    Entry,
    Hidden,
    Preferences,
    Principal,
    Ref,
    Standing,
    now_ms,
    topics_among,
)
from notifier.core.validity import REVOKED
from notifier.core.views import Visit
from notifier.realtime.messages import NAMESPACE, shown, told
from notifier.realtime.rooms import Rooms
from notifier.realtime.server import SocketServer

EXPIRY_WARNING_SECONDS = 30.0
"""How long before a token's expiry its connection is told."""

_LONGEST_TIMER = 86_400.0
"""Seconds. The wall clock may be set: it is read again at least so often."""


@dataclass(slots=True, eq=False)
class Session:
    """One connection of one user."""

    sid: str
    principal: Principal
    since: Cursor | None
    preferences: Preferences = field(default_factory=Preferences)
    hidden: Hidden = field(default_factory=Hidden)
    """What its user is not shown."""
    visit: Visit | None = None
    settling: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the logs of the connection change."""
    audiences: set[str] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None
    live: bool = False
    """Whether it has got its past: until then no further logs are joined."""
    moved: bool = False
    """Whether there are logs to be joined once it is live."""

    @property
    def user(self) -> str:
        return self.principal.id

    def differs(self, standing: Standing) -> bool:
        """Whether something of its user has not been heard of here. Who is only arriving is not
        behind: the user is read once everything that changes is heard of."""
        is_behind = self.preferences.version < standing.version
        return self.live and (is_behind or topics_among(self.audiences) != standing.topics)

    def may_see(self, entry: Entry) -> bool:
        """Whether its user may still be shown what was on its way here."""
        return entry.audience in self.audiences and not self.hidden.covers(entry)


class Sessions:
    """Who is connected to this node."""

    def __init__(self, server: SocketServer, rooms: Rooms) -> None:
        self._server = server
        self._rooms = rooms
        self._by_sid: dict[str, Session] = {}
        self._by_user: dict[str, set[Session]] = defaultdict(set)

    def __contains__(self, session: Session) -> bool:
        return session.sid in self._by_sid

    @property
    def users(self) -> int:
        """How many different users are connected."""
        return len(self._by_user)

    def get(self, sid: str) -> Session | None:
        return self._by_sid.get(sid)

    def of(self, user: str) -> Collection[Session]:
        """All connections of a user."""
        return tuple(self._by_user.get(user, ()))

    def add(self, session: Session) -> None:
        """A user connects; what comes live waits until ``release``."""
        self._by_sid[session.sid] = session
        self._by_user[session.user].add(session)
        self.hold(session)

    def remove(self, session: Session) -> None:
        """The connection is gone."""
        self._by_sid.pop(session.sid, None)
        sessions = self._by_user[session.user]
        sessions.discard(session)
        if not sessions:
            del self._by_user[session.user]
        if session.timer is not None:
            session.timer.cancel()

    # Writing to one of them

    def send(self, session: Session, event: str, data: object) -> None:
        """Write an event, also while what comes live is held."""
        self._rooms.send_to(NAMESPACE, session.sid, told(event, data))

    def tell(self, session: Session, event: str, data: object) -> None:
        """Write an event behind what is held."""
        self._rooms.send_to(NAMESPACE, session.sid, told(event, data), tag=event)

    async def show(self, session: Session, entries: Sequence[Entry]) -> None:
        """Write what is past, at the client's pace."""
        for entry in entries:
            await self._server.drained(session.sid, NAMESPACE)
            if session.may_see(entry):  # else a role was taken away meanwhile
                self._rooms.send_to(NAMESPACE, session.sid, shown(entry))

    def hold(self, session: Session) -> None:
        """Keep what comes live until ``release``."""
        self._rooms.hold(NAMESPACE, session.sid)

    def release(self, session: Session, position: Mapping[str, int]) -> None:
        """Let the live entries through that were held, stand behind a position and may still be
        seen. Where one is left out that may not, the client finds a gap, and nothing in it."""

        def is_wanted(room: str | None, tag: object) -> bool:
            if isinstance(tag, Ref):
                return tag.audience in session.audiences and is_new(tag)
            return not isinstance(tag, Entry) or (session.may_see(tag) and is_new(tag))

        def is_new(place: Entry | Ref) -> bool:
            return place.seq > position.get(place.audience, 0)

        self._rooms.release(NAMESPACE, session.sid, is_wanted)

    def close(self, session: Session, reason: str) -> None:
        """Say goodbye; the client comes back, if its token lets it."""
        # What waits for a reader whose token was revoked must not be seen.
        self._server.close_transport(session.sid, NAMESPACE, reason, drop=reason == REVOKED)

    # Tokens

    def watch_expiry(self, session: Session) -> None:
        """Warn before the token of the connection expires, close when it does."""
        if session.timer is not None:
            session.timer.cancel()
        expires_at = session.principal.expires_at
        if expires_at is None:
            return
        left = (expires_at - now_ms()) / 1000
        loop = asyncio.get_running_loop()
        if left > EXPIRY_WARNING_SECONDS:
            wait = min(left - EXPIRY_WARNING_SECONDS, _LONGEST_TIMER)
            session.timer = loop.call_later(wait, self.watch_expiry, session)
            return
        if left <= 0:
            self.close(session, "expired")
            return
        self.send(session, "auth_expiring", {"expires_in": round(left, 3)})
        session.timer = loop.call_later(left, self._expire, session)

    def _expire(self, session: Session) -> None:
        expires_at = session.principal.expires_at
        if expires_at is not None and now_ms() < expires_at:
            self.watch_expiry(session)
        else:
            self.close(session, "expired")
