"""What can go wrong in the engine.

EngineError
├── ProtocolError     the peer broke the protocol; its connection is closed
├── PayloadTooLarge   the peer sent more than `max_payload` in one piece
├── Refused           a new connection is not admitted; says why and when to come back
└── UnknownSession    no connection has this session id (any more)
"""

from __future__ import annotations


class EngineError(Exception):
    """The root of every error of the engine."""


class ProtocolError(EngineError):
    """The peer sent something the protocol does not allow.

    `code` is the WebSocket close code that the peer is told (1002: protocol error).
    """

    def __init__(self, reason: str, code: int = 1002) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class PayloadTooLarge(ProtocolError):
    """One message, or one request body, is larger than `max_payload` (close code 1009)."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"larger than {limit} bytes", 1009)


class Refused(EngineError):
    """A new connection is not admitted now. `retry_after` is in seconds."""

    def __init__(self, reason: str, retry_after: float) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class UnknownSession(EngineError, KeyError):
    """No connection has this session id. Also a `KeyError`, as python-engineio raises."""

    def __str__(self) -> str:
        return "Session not found"
