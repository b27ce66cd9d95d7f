"""What clients in the namespace are told, as frames; and what they say, taken apart."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from socketio import exceptions

from notifier.core.models import Cursor, Entry, Kind
from notifier.errors import InvalidRequest, MalformedRequest, RequestError, Unauthenticated
from notifier.realtime.engine import Connection, Frame

NAMESPACE = "/notifications"

_GOODBYES = {"server shutdown": ("shutdown", 1.0), "slow reader": ("slow_reader", 0.0)}
"""The engine's reasons for closing in the words of the protocol, and seconds to stay away."""


def told(event: str, data: object) -> Frame:
    """An event of the server."""
    return Frame.message(f"2{NAMESPACE},{orjson.dumps([event, data]).decode()}")


def shown(entry: Entry) -> Frame:
    """An entry for who may see it."""
    event = "removed" if entry.notification.kind is Kind.WITHDRAWAL else "notification"
    return Frame.message(f'2{NAMESPACE},["{event}",{entry.wire().decode()}]')


def withheld(entry: Entry) -> Frame:
    """An entry for who must not see it: that its place in the log is taken."""
    return told("removed", {"id": str(entry.ref), "ids": []})


def goodbye(connection: Connection, reason: str) -> Frame:
    """The last event of a connection that the server closes: why, and when to come back."""
    word, pause = _GOODBYES.get(reason, (reason, 0.0))
    return told("goodbye", {"reason": word, "reconnect_after": pause})


def refusal(error: RequestError) -> exceptions.ConnectionRefusedError:
    """Why a client is not let in."""
    data = {key: value for key, value in error.as_dict().items() if key != "message"}
    return exceptions.ConnectionRefusedError(error.detail, data)


def credentials(auth: object) -> tuple[object, Cursor | None]:
    """The token and the cursor of a connection's ``auth`` payload."""
    if not isinstance(auth, Mapping):
        raise Unauthenticated('Connect with auth: {"token": ...}.')
    since = auth.get("since")
    try:
        return auth.get("token"), None if since is None else Cursor.parse(since)
    except ValueError as error:
        raise InvalidRequest({"since": [str(error)]}) from None


def argument(args: tuple[object, ...]) -> object:
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
