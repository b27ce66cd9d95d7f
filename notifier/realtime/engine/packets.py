"""Engine.IO packets, revision 4, as text and as WebSocket frames.

A packet is one character that says its type, then its data. A binary message is the bare bytes in
a WebSocket and `b` plus base64 in a long-polling payload, where packets are joined by U+001E.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode

from .errors import ProtocolError
from .frames import BINARY, TEXT, encode

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = "0123456"
BINARY_PREFIX = "b"
SEPARATOR = "\x1e"

# What a client may send; 0, 2 (but for the probe of an upgrade) and 5 are the server's.
FROM_CLIENT = frozenset((CLOSE, PONG, MESSAGE, NOOP))


class Frame:
    """One packet, encoded once for any number of connections.

    `packet` is its text in a long-polling payload, `websocket` the complete RFC 6455 frame.
    """

    __slots__ = ("packet", "websocket")

    def __init__(self, packet: str) -> None:
        self.packet = packet
        self.websocket = encode(TEXT, packet.encode())

    @classmethod
    def message(cls, data: str | bytes) -> Frame:
        """The frame of a message: text, or bytes for a binary one."""
        return cls(MESSAGE + data) if isinstance(data, str) else cls._binary(data)

    @classmethod
    def _binary(cls, data: bytes) -> Frame:
        frame = cls.__new__(cls)
        frame.packet = BINARY_PREFIX + b64encode(data).decode()
        frame.websocket = encode(BINARY, data)
        return frame


PING_FRAME = Frame(PING)
CLOSE_FRAME = Frame(CLOSE)
NOOP_FRAME = Frame(NOOP)
PROBE = PING + "probe"
PROBE_ANSWER = Frame(PONG + "probe")


def checked(packet: str) -> str:
    """The packet itself if a client may send it, else a ProtocolError."""
    if packet[:1] not in FROM_CLIENT:
        raise ProtocolError("invalid packet")
    return packet


def decode_payload(payload: str) -> list[str | bytes]:
    """The packets of a POST body; binary messages as bytes. ProtocolError if one is invalid."""
    return [_decode(packet) for packet in payload.split(SEPARATOR)]


def encode_payload(frames: list[Frame]) -> str:
    """The body of a poll's answer."""
    return SEPARATOR.join([frame.packet for frame in frames])


def _decode(packet: str) -> str | bytes:
    if not packet.startswith(BINARY_PREFIX):
        return checked(packet)
    try:
        return b64decode(packet[1:], validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("invalid base64") from None
