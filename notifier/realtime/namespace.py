"""The Socket.IO namespace ``/notifications``: users' connections, their events and their replay."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import orjson
from socketio import exceptions

from notifier.core.feed import Feed, Replay, Visit, synced
from notifier.core.models import Cursor, Entry, Kind, Preferences, Principal, Revocation, now_ms
from notifier.core.ports import Authenticator
from notifier.core.schemas import REFRESH, TOPIC, load
from notifier.core.types import TypeCatalogue
from notifier.core.validity import remaining
from notifier.core.views import hidden_from
from notifier.errors import (
    Forbidden,
    InvalidRequest,
    MalformedRequest,
    Overloaded,
    RequestError,
    TokenExpired,
    Unauthenticated,
    UnknownEvent,
)
from notifier.realtime.engine import Connection, Frame
from notifier.realtime.hiding import Hiding
from notifier.realtime.hub import Hub
from notifier.realtime.rooms import Rooms
from notifier.realtime.server import SocketServer

logger = logging.getLogger(__name__)

NAMESPACE = "/notifications"

EXPIRY_WARNING_SECONDS = 30.0
"""How long before a token's expiry its connection is told."""

_GOODBYES = {"server shutdown": ("shutdown", 1.0), "slow reader": ("slow_reader", 0.0)}
"""The engine's reasons for closing in the words of the protocol, and seconds to stay away."""

_Handler = Callable[["_Session", object], Awaitable[object]]


@dataclass(slots=True, eq=False)
class _Session:
    """One connection of one user."""

    sid: str
    principal: Principal
    since: Cursor | None
    preferences: Preferences = field(default_factory=Preferences)
    visit: Visit | None = None
    settling: asyncio.Lock = field(default_factory=asyncio.Lock)
    audiences: set[str] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None
    live: bool = False
    """Whether it has got its past: until then no further logs are joined."""
    moved: bool = False
    """Whether there are logs to be joined once it is live."""

    @property
    def user(self) -> str:
        return self.principal.id


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
        self._types = types
        self._connections_per_user = connections_per_user
        self._sessions: dict[str, _Session] = {}
        self._users: dict[str, set[_Session]] = defaultdict(set)
        self._hiding = Hiding()
        self._tasks: set[asyncio.Task[None]] = set()

    def register(self) -> None:
        """Take over the namespace of the server and become a sink of the hub."""
        events: dict[str, _Handler] = {
            "feed": self._page,
            "sync": self._sync,
            "mark_read": self._changer(self._feed.mark_read),
            "mark_unread": self._changer(self._feed.mark_unread),
            "dismiss": self._changer(self._feed.dismiss),
            "mark_seen": self._changer(self._feed.mark_seen),
            "get_preferences": self._get_preferences,
            "set_preferences": self._set_preferences,
            "subscribe_topic": self._subscribe_topic,
            "unsubscribe_topic": self._unsubscribe_topic,
            "refresh_token": self._refresh_token,
        }
        on = self._server.on
        on("connect", self._connect, namespace=NAMESPACE)
        on("disconnect", self._disconnect, namespace=NAMESPACE)
        for event, handler in events.items():
            on(event, self._answering(handler), namespace=NAMESPACE)
        self._server.on_connected(NAMESPACE, self._connected)
        self._server.on_unknown_event(NAMESPACE, self._unknown_event)
        self._server.eio.goodbye = _goodbye
        self._hub.sinks.append(self)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def users(self) -> int:
        """How many different users are connected to this node."""
        return len(self._users)

    # A connection opens

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: object = None) -> None:
        """Admit a user: who it is follows from the token alone, not from what the client names."""
        try:
            token, since = _credentials(auth)
            async with self._hub.arrivals:
                principal = await self._verified(token)
                self._claim(sid, principal)
                await self._open(_Session(sid, principal, since))
        except RequestError as error:
            raise _refusal(error) from None

    async def _verified(self, token: object) -> Principal:
        """The user of a token that is still valid: here the leeway for its expiry ends."""
        principal = await self._authenticator.user(token)
        if principal.expires_at is not None and principal.expires_at <= now_ms():
            raise TokenExpired("The token has expired; get a new one.")
        return principal

    def _claim(self, sid: str, principal: Principal) -> None:
        limit = self._connections_per_user
        connection = self._server.manager.eio_sid_from_sid(sid, NAMESPACE)
        if connection is None or not self._server.eio.claim(connection, principal.id, limit):
            raise Overloaded(f"At most {limit} connections for each user.", retry_after=30)

    async def _open(self, session: _Session) -> None:
        """Hear what changes about the user first, then read what there is."""
        self._sessions[session.sid] = session
        self._users[session.user].add(session)
        self._rooms.hold(NAMESPACE, session.sid)
        try:
            async with session.settling:
                await self._enter(session, [f"user:{session.user}"])
                visit = (await self._settle(session)).visit
                await self._enter(session, visit.view.audiences)
            session.visit = visit
        except BaseException:
            await self._forget(session)
            raise

    async def _connected(self, sid: str) -> None:
        """Replay what was missed, then let the live entries through that came meanwhile."""
        session = self._sessions.get(sid)
        if session is None or session.visit is None:
            return  # it has gone already
        self._watch_expiry(session)
        visit, since = session.visit, session.since
        session.visit = session.since = None
        try:
            async with self._hub.arrivals:
                replay = await self._feed.replay(visit, since)
                counts = await self._feed.counts(visit)
        except RequestError as error:
            self._close(session, error.code)
            return
        await self._show(session, replay.entries)
        self._send(sid, "synced", synced(visit, replay, counts))
        self._release(session, replay.cursor)
        async with session.settling:
            session.live = True
        if session.moved:
            await self._keep_up(session)

    async def _show(self, session: _Session, entries: Sequence[Entry]) -> None:
        """The past, at the client's pace."""
        for entry in entries:
            await self._server.drained(session.sid, NAMESPACE)
            if entry.audience in session.audiences:  # else its role was taken away meanwhile
                self._rooms.send_to(NAMESPACE, session.sid, _entry_frame(entry))

    def _release(self, session: _Session, position: Mapping[str, int]) -> None:
        """Let the live entries through that were held and stand behind a position."""

        def is_new(room: str | None, seq: object) -> bool:
            return not isinstance(seq, int) or seq > position.get(room or "", 0)

        self._rooms.release(NAMESPACE, session.sid, is_new)

    # A connection closes

    async def _disconnect(self, sid: str, reason: str) -> None:
        session = self._sessions.get(sid)
        if session is not None:
            await self._forget(session)

    async def _forget(self, session: _Session) -> None:
        self._sessions.pop(session.sid, None)
        sessions = self._users[session.user]
        sessions.discard(session)
        if not sessions:
            del self._users[session.user]
        if session.timer is not None:
            session.timer.cancel()
        self._hiding.forget(session.sid)
        self._hub.leave(session.audiences)
        session.audiences.clear()

    def _close(self, session: _Session, reason: str) -> None:
        self._server.close_transport(session.sid, NAMESPACE, reason)

    # Audiences of a connection

    async def _enter(self, session: _Session, audiences: Collection[str]) -> None:
        """Join these logs: first the hub, so that nothing can fall between, then the rooms."""
        new = [a for a in audiences if a not in session.audiences]
        await self._hub.join(new)
        if session.sid not in self._sessions:
            self._hub.leave(new)  # it disconnected while the hub was listening
            return
        session.audiences.update(new)
        for audience in new:
            await self._rooms.enter_room(session.sid, NAMESPACE, audience)

    async def _leave(self, session: _Session, audiences: Collection[str]) -> None:
        left = session.audiences.intersection(audiences)
        session.audiences -= left
        for audience in left:
            await self._rooms.leave_room(session.sid, NAMESPACE, audience)
        self._hub.leave(left)

    async def _settle(self, session: _Session, principal: Principal | None = None) -> _Settled:
        """Bring the connection into exactly the logs that its user belongs to by now.

        One at a time, under ``session.settling``. ``principal`` replaces that of the connection.
        Raises ``StoreUnavailable``, or ``Unauthenticated`` for a revoked token; then nothing has
        changed.
        """
        principal = await self._authenticator.recheck(principal or session.principal)
        visit = await self._feed.visit(principal)
        floors = visit.view.floors
        new = floors.keys() - session.audiences
        joined = Cursor({a: floors[a] for a in sorted(new)}) if session.live else Cursor()
        begun = await self._begin(session, visit, joined)
        left = sorted(session.audiences - floors.keys())
        await self._leave(session, left)
        session.moved = not session.live and bool(new)
        session.principal = principal
        self._apply_preferences(session, visit.subscriber.preferences)
        self._hide(session)
        return _Settled(visit, joined, begun, left)

    async def _begin(self, session: _Session, visit: Visit, floors: Cursor) -> Replay:
        """Join these logs; what stands in them behind where the user's view of them begins."""
        await self._enter(session, floors)
        if all(self._hub.position(a) == floors[a] for a in floors.keys() & session.audiences):
            return Replay((), floors, recovered=True)
        try:
            return await self._feed.replay(
                replace(visit, view=replace(visit.view, floors=floors)), floors
            )
        except RequestError:
            await self._leave(session, floors)
            raise

    async def _follow(
        self,
        session: _Session,
        principal: Principal | None = None,
        *,
        news: Mapping[str, Any] | None = None,
        known: Collection[str] = (),
    ) -> None:
        """Go on in the logs that the user belongs to by now; tell the client which, and ``news``.

        New logs go on from where they begin. Of those ``known`` the client has heard. Raises what
        ``_settle`` raises.
        """
        async with session.settling:
            position = Cursor()
            if session.live:
                self._rooms.hold(NAMESPACE, session.sid)
            try:
                settled = await self._settle(session, principal)
                if not settled.begun.recovered:
                    self._close(session, "resync")
                    return
                if state := {**settled.moves(known), **(news or {})}:
                    self._send(session.sid, "state", state)
                await self._show(session, settled.begun.entries)
                position = settled.begun.cursor
            finally:
                if session.live:
                    self._release(session, position)

    async def _keep_up(self, session: _Session, **options: Any) -> None:
        """Follow, or send the client away: it comes back to the logs it belongs to."""
        try:
            await self._follow(session, **options)
        except RequestError as error:
            self._close(session, error.code)

    def _hide(self, session: _Session) -> None:
        """Keep what must not reach the connection, as long as there is one."""
        if session.sid in self._sessions:
            roles = session.principal.roles
            self._hiding.hide(session.sid, hidden_from(self._types, roles, session.preferences))

    # Tokens

    def _watch_expiry(self, session: _Session) -> None:
        """Warn before the token expires, close when it does.

        The wall clock is read again each time: it may have been set.
        """
        if session.timer is not None:
            session.timer.cancel()
        expires_at = session.principal.expires_at
        if expires_at is None:
            return
        left = (expires_at - now_ms()) / 1000
        loop = asyncio.get_running_loop()
        if left > EXPIRY_WARNING_SECONDS:
            wait = left - EXPIRY_WARNING_SECONDS
            session.timer = loop.call_later(min(wait, 86_400.0), self._watch_expiry, session)
            return
        if left <= 0:
            self._close(session, "expired")
            return
        self._send(session.sid, "auth_expiring", {"expires_in": round(left, 3)})
        session.timer = loop.call_later(left, self._expire, session)

    def _expire(self, session: _Session) -> None:
        expires_at = session.principal.expires_at
        if expires_at is not None and now_ms() < expires_at:
            self._watch_expiry(session)
        else:
            self._close(session, "expired")

    async def _refresh_token(self, session: _Session, args: object) -> object:
        """Extend the connection with a fresh token of the same user; its roles take effect now."""
        principal = await self._verified(load(REFRESH, args)["token"])
        if principal.id != session.user:
            raise Forbidden("The token belongs to another user.")
        await self._follow(session, principal)
        self._watch_expiry(session)
        expires_at = principal.expires_at or 0
        return {"expires_in": max(0.0, (expires_at - now_ms()) / 1000)}

    def restrict(self, user: str, revocation: Revocation) -> None:
        """Close connections whose token is revoked; the others leave the logs of lost roles."""
        for session in list(self._users.get(user, ())):
            try:
                left = remaining(session.principal, revocation)
            except Unauthenticated:
                self._close(session, "revoked")
            else:
                if left != session.principal:
                    self._spawn(self._keep_up(session))

    # Events of the client

    def _answering(self, handler: _Handler) -> Callable[..., Awaitable[dict[str, Any]]]:
        """Acknowledge with the handler's answer, or with its error."""

        async def answer(sid: str, *args: object) -> dict[str, Any]:
            try:
                session = self._sessions.get(sid)
                if session is None:
                    raise Unauthenticated("This connection is closing.")
                return {"ok": True, "data": await handler(session, _argument(args))}
            except RequestError as error:
                return {"ok": False, "error": error.as_dict()}
            except Exception:
                request_id = uuid.uuid4().hex
                logger.exception("an event failed", extra={"request_id": request_id})
                message = f"The request failed; its id is {request_id}."
                return {"ok": False, "error": {"code": "internal", "message": message}}

        return answer

    async def _unknown_event(self, sid: str, event: str) -> dict[str, Any]:
        error = UnknownEvent("There is no such event; docs/protocol.md lists them all.")
        return {"ok": False, "error": error.as_dict()}

    async def _page(self, session: _Session, args: object) -> object:
        return await self._feed.page(session.principal, args)

    async def _sync(self, session: _Session, args: object) -> object:
        return await self._feed.sync(session.principal, args)

    def _changer(self, change: Callable[..., Awaitable[object]]) -> _Handler:
        async def changing(session: _Session, args: object) -> object:
            return await change(session.principal, args, origin=session.sid)

        return changing

    async def _get_preferences(self, session: _Session, args: object) -> object:
        return await self._feed.preferences(session.principal)

    async def _set_preferences(self, session: _Session, args: object) -> object:
        changed = await self._feed.set_preferences(session.principal, args, origin=session.sid)
        self._apply_preferences(session, Preferences.from_dict(changed))
        return changed

    async def _subscribe_topic(self, session: _Session, args: object) -> object:
        answer = await self._feed.subscribe_topic(session.principal, args, origin=session.sid)
        [audience] = Cursor.parse(answer["cursor"])
        async with session.settling:
            if audience in session.audiences:
                return {"cursor": str(Cursor({audience: self._hub.position(audience)}))}
        # What has been published since then comes behind the answer, which is sent first.
        self._spawn(self._keep_up(session, known=[audience]))
        return answer

    async def _unsubscribe_topic(self, session: _Session, args: object) -> object:
        answer = await self._feed.unsubscribe_topic(session.principal, args, origin=session.sid)
        await self._follow(session, known=[f"topic:{load(TOPIC, args)['topic']}"])
        return answer

    # What the hub delivers

    def deliver(self, entry: Entry) -> None:
        """One frame for everybody; who must not see the entry learns that its place is taken."""
        skip = self._skipping(entry)
        self._rooms.send(NAMESPACE, entry.audience, _entry_frame(entry), skip=skip, tag=entry.seq)
        if skip:
            frame = _frame("removed", {"id": str(entry.ref), "ids": []})
            self._rooms.send(NAMESPACE, entry.audience, frame, only=skip, tag=entry.seq)

    def _skipping(self, entry: Entry) -> Collection[str]:
        skip = self._hiding.skipping(entry)
        excluded = {
            session.sid
            for user in entry.notification.excluded
            for session in self._users.get(user, ())
        }
        return excluded.union(skip) if excluded else skip

    def tell(self, user: str, event: str, data: Any, skip: str | None) -> None:
        """Pass an event on to the user's connections.

        Which logs they belong to is looked up, not believed: whoever can write to the
        bus must not be able to move users between logs.
        """
        sessions = [s for s in self._users.get(user, ()) if s.sid != skip]
        if not sessions:
            return
        if event == "state" and ("joined" in data or "left" in data):
            news = {key: value for key, value in data.items() if key not in ("joined", "left")}
            for session in sessions:
                self._spawn(self._keep_up(session, news=news))
            return
        if event == "preferences":
            preferences = Preferences.from_dict(data)
            for session in sessions:
                self._apply_preferences(session, preferences)
        skipped = () if skip is None else (skip,)
        self._rooms.send(NAMESPACE, f"user:{user}", _frame(event, data), skip=skipped)

    def _apply_preferences(self, session: _Session, preferences: Preferences) -> None:
        if preferences.version >= session.preferences.version:
            session.preferences = preferences
            self._hide(session)

    def _send(self, sid: str, event: str, data: object) -> None:
        self._rooms.send_to(NAMESPACE, sid, _frame(event, data))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _frame(event: str, data: object) -> Frame:
    return Frame.message(f"2{NAMESPACE},{orjson.dumps([event, data]).decode()}")


def _entry_frame(entry: Entry) -> Frame:
    event = "removed" if entry.notification.kind is Kind.WITHDRAWAL else "notification"
    return Frame.message(f'2{NAMESPACE},["{event}",{entry.wire().decode()}]')


def _goodbye(connection: Connection, reason: str) -> Frame:
    """The last event of a connection that the server closes: why, and when to come back."""
    word, pause = _GOODBYES.get(reason, (reason, 0.0))
    return _frame("goodbye", {"reason": word, "reconnect_after": pause})


def _credentials(auth: object) -> tuple[object, Cursor | None]:
    """The token and the cursor of a connection's ``auth`` payload."""
    if not isinstance(auth, Mapping):
        raise Unauthenticated('Connect with auth: {"token": ...}.')
    since = auth.get("since")
    try:
        return auth.get("token"), None if since is None else Cursor.parse(since)
    except ValueError as error:
        raise InvalidRequest({"since": [str(error)]}) from None


def _refusal(error: RequestError) -> exceptions.ConnectionRefusedError:
    data = {key: value for key, value in error.as_dict().items() if key != "message"}
    return exceptions.ConnectionRefusedError(error.detail, data)


def _argument(args: tuple[object, ...]) -> object:
    """The one JSON argument of an event; none is an empty object."""
    if len(args) > 1:
        raise MalformedRequest("An event takes one argument.")
    if not args:
        return {}
    if _has_bytes(args[0]):
        raise MalformedRequest("Binary arguments are not accepted here.")
    return args[0]


def _has_bytes(value: object) -> bool:
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, bytes | bytearray):
            return True
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return False
