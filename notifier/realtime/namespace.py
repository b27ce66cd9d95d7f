"""The Socket.IO namespace ``/notifications``: users' connections come, are told, and go."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from notifier.core.feed import Feed, synced
from notifier.core.models import Entry, Preferences, Principal, Revocation, Standing
from notifier.core.ports import Authenticator
from notifier.core.types import TypeCatalogue
from notifier.core.validity import REVOKED, remaining
from notifier.errors import Overloaded, RequestError, Unauthenticated
from notifier.realtime.commands import Commands, verified
from notifier.realtime.following import Following
from notifier.realtime.hub import Hub
from notifier.realtime.messages import (
    NAMESPACE,
    credentials,
    goodbye,
    refusal,
    shown,
    told,
    withheld,
)
from notifier.realtime.rooms import Rooms
from notifier.realtime.server import SocketServer
from notifier.realtime.sessions import Session, Sessions


class NotificationsNamespace:
    """Connects users' sockets with the feed and the hub. ``register`` puts it on a server.

    It is a ``Sink`` of the hub: what differs between users never goes into a frame; who must not
    get an entry is told only that its place in the log is taken.
    """

    def __init__(
        self,
        server: SocketServer,
        rooms: Rooms,
        hub: Hub,
        feed: Feed,
        authenticator: Authenticator,
        types: TypeCatalogue,
        *,
        connections_per_user: int,
    ) -> None:
        self._server = server
        self._rooms = rooms
        self._hub = hub
        self._feed = feed
        self._authenticator = authenticator
        self._connections_per_user = connections_per_user
        self._sessions = Sessions(server, rooms)
        self._following = Following(self._sessions, rooms, hub, feed, authenticator, types)

    def register(self) -> None:
        """Take over the namespace of the server and become a sink of the hub."""
        server = self._server
        server.on("connect", self._connect, namespace=NAMESPACE)
        server.on("disconnect", self._disconnect, namespace=NAMESPACE)
        server.on_connected(NAMESPACE, self._connected)
        server.eio.goodbye = goodbye
        Commands(
            self._sessions, self._following, self._hub, self._feed, self._authenticator
        ).register(server)
        self._hub.sinks.append(self)

    async def close(self) -> None:
        await self._following.close()

    @property
    def users(self) -> int:
        """How many different users are connected to this node."""
        return self._sessions.users

    # A connection opens and closes

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: object = None) -> None:
        """Admit a user: who it is follows from the token alone, not from what the client names."""
        try:
            token, since = credentials(auth)
            async with self._hub.arrivals:
                principal = await verified(self._authenticator, token)
                self._claim(sid, principal)
                await self._open(Session(sid, principal, since))
        except RequestError as error:
            raise refusal(error) from None

    def _claim(self, sid: str, principal: Principal) -> None:
        limit = self._connections_per_user
        connection = self._server.manager.eio_sid_from_sid(sid, NAMESPACE)
        if connection is None or not self._server.eio.claim(connection, principal.id, limit):
            raise Overloaded(f"At most {limit} connections for each user.", retry_after=30)

    async def _open(self, session: Session) -> None:
        self._sessions.add(session)
        try:
            session.visit = await self._following.open(session)
        except BaseException:
            self._forget(session)
            raise

    async def _connected(self, sid: str) -> None:
        """Replay what was missed, then let the live entries through that came meanwhile."""
        session = self._sessions.get(sid)
        if session is None or session.visit is None:
            return  # it has gone already
        self._sessions.watch_expiry(session)
        visit, since = session.visit, session.since
        session.visit = session.since = None
        try:
            async with self._hub.arrivals:
                replay = await self._feed.replay(visit, since)
                counts = await self._feed.counts(visit)
        except RequestError as error:
            self._sessions.close(session, error.code)
            return
        await self._sessions.show(session, replay.entries)
        self._sessions.send(session, "synced", synced(visit, replay, counts))
        await self._following.go_live(session, replay.cursor)

    async def _disconnect(self, sid: str, reason: str) -> None:
        session = self._sessions.get(sid)
        if session is not None:
            self._forget(session)

    def _forget(self, session: Session) -> None:
        self._sessions.remove(session)
        self._following.leave_all(session)

    # What the hub tells

    def deliver(self, entry: Entry) -> None:
        """One frame for everybody; who must not see the entry learns that its place is taken."""
        hidden, past = self._hidden(entry), self._following.ahead.past(entry)
        skip = past.union(hidden) if past else hidden
        self._rooms.send(NAMESPACE, entry.audience, shown(entry), skip=skip, tag=entry)
        if hidden:
            only = [sid for sid in hidden if sid not in past]
            self._rooms.send(NAMESPACE, entry.audience, withheld(entry), only=only, tag=entry.ref)

    def _hidden(self, entry: Entry) -> Collection[str]:
        """The connections whose users must not see the entry."""
        skip = self._following.hiding.skipping(entry)
        excluded = {
            session.sid
            for user in entry.notification.excluded
            for session in self._sessions.of(user)
        }
        return excluded.union(skip) if excluded else skip

    def tell(self, user: str, event: str, data: Any, skip: str | None) -> None:
        """Pass an event on to the user's connections.

        Which logs they belong to is looked up, not believed: whoever can write to the
        bus must not be able to move users between logs.
        """
        sessions = [s for s in self._sessions.of(user) if s.sid != skip]
        if not sessions:
            return
        if event == "state" and ("joined" in data or "left" in data):
            news = {key: value for key, value in data.items() if key not in ("joined", "left")}
            for session in sessions:
                self._following.keep_up_soon(session, news=news)
            return
        if event == "preferences":
            preferences = Preferences.from_dict(data)
            for session in sessions:
                self._following.apply_preferences(session, preferences)
        skipped = () if skip is None else (skip,)
        self._rooms.send(NAMESPACE, f"user:{user}", told(event, data), skip=skipped)

    def restrict(self, user: str, revocation: Revocation) -> None:
        """Close connections whose token is revoked; the others leave the logs of lost roles."""
        for session in self._sessions.of(user):
            try:
                left = remaining(session.principal, revocation)
            except Unauthenticated:
                self._sessions.close(session, REVOKED)
            else:
                if left != session.principal:
                    self._following.keep_up_soon(session)

    def compare(self, user: str, standing: Standing) -> None:
        """Have the user's connections follow what the store has, in their turn, if they do not."""
        if any(session.differs(standing) for session in self._sessions.of(user)):
            self._following.look_up_soon(user)
