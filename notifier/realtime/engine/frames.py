"""RFC 6455 frames, without I/O: what a server writes and what it reads from a client.

No extension is ever negotiated: permessage-deflate costs about 130 KiB per connection.
"""

from __future__ import annotations

from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from hashlib import sha1
from struct import pack, unpack_from

from .errors import PayloadTooLarge, ProtocolError

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
DATA = frozenset((CONTINUATION, TEXT, BINARY))
CONTROL = frozenset((CLOSE, PING, PONG))

FIN = 0x80
MASKED = 0x80
RESERVED = 0x70
LARGEST_CONTROL = 125
# One byte per fragment must not buy an object per byte.
MOST_FRAGMENTS = 1024
# Codes that never travel, RFC 6455 section 7.4.
UNSENDABLE = frozenset((1004, 1005, 1006, 1015))
ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept(key: str) -> str:
    """The Sec-WebSocket-Accept for a client's key. ProtocolError if that is not 16 bytes."""
    try:
        if len(a2b_base64(key, strict_mode=True)) != 16:
            raise ProtocolError("invalid Sec-WebSocket-Key")
    except (Base64Error, ValueError):
        raise ProtocolError("invalid Sec-WebSocket-Key") from None
    digest = sha1(key.encode() + ACCEPT_SALT, usedforsecurity=False).digest()
    return b64encode(digest).decode()


def encode(opcode: int, payload: bytes) -> bytes:
    """One complete, unmasked frame."""
    size = len(payload)
    if size < 126:
        return pack("!BB", FIN | opcode, size) + payload
    if size < 65536:
        return pack("!BBH", FIN | opcode, 126, size) + payload
    return pack("!BBQ", FIN | opcode, 127, size) + payload


def encode_close(code: int, reason: str = "") -> bytes:
    """A close frame. A reason that does not fit is cut between characters."""
    text = reason.encode()[: LARGEST_CONTROL - 2].decode(errors="ignore")
    return encode(CLOSE, pack("!H", code) + text.encode())


def close_code(payload: bytes) -> int:
    """The code of a received close frame; 1000 if it has none."""
    if not payload:
        return 1000
    code = int(unpack_from("!H", payload)[0]) if len(payload) > 1 else 0
    if not 1000 <= code < 5000 or code in UNSENDABLE or 1016 <= code < 3000:
        raise ProtocolError("invalid close code")
    _text(payload[2:])
    return code


class FrameReader:
    """Turns the bytes of one client into messages and control frames.

    Bytes wait unread in here until `next` is called: this buffer is the connection's only inbox.
    """

    __slots__ = ("_buffer", "_limit", "_opcode", "_parts", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._opcode = CONTINUATION
        self._parts: list[bytes] | None = None
        self._size = 0

    @property
    def unread(self) -> int:
        """How many bytes wait to be read."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take what came from the socket."""
        self._buffer += data

    def clear(self) -> None:
        """Forget everything that waits."""
        self._buffer.clear()
        self._parts = None

    def next(self) -> tuple[int, str | bytes] | None:
        """The next message or control frame as (opcode, payload), None if none is complete.

        Text is decoded. Raises ProtocolError or PayloadTooLarge; the reader is useless afterwards.
        """
        while (frame := self._next_frame()) is not None:
            opcode, final, payload = frame
            if opcode in CONTROL:
                return opcode, payload
            if (message := self._assemble(opcode, final, payload)) is not None:
                return message
        return None

    def _next_frame(self) -> tuple[int, bool, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        opcode, final, size = self._check_head(buffer[0], buffer[1])
        start = 2
        if size == 126:
            if len(buffer) < 4:
                return None
            size, start = unpack_from("!H", buffer, 2)[0], 4
        elif size == 127:
            if len(buffer) < 10:
                return None
            size, start = unpack_from("!Q", buffer, 2)[0], 10
        # Refused by its announced size, before it is buffered.
        if self._size + size > self._limit and opcode in DATA:
            raise PayloadTooLarge(self._limit)
        end = start + 4 + size
        if len(buffer) < end:
            return None
        payload = unmask(buffer[start : start + 4], buffer[start + 4 : end])
        del buffer[:end]
        return opcode, final, payload

    def _check_head(self, first: int, second: int) -> tuple[int, bool, int]:
        opcode, final, size = first & 0x0F, bool(first & FIN), second & 0x7F
        if first & RESERVED:
            raise ProtocolError("reserved bits are set")
        if not second & MASKED:
            raise ProtocolError("a client must mask its frames")
        if opcode in CONTROL:
            if not final or size > LARGEST_CONTROL:
                raise ProtocolError("invalid control frame")
        elif opcode not in DATA:
            raise ProtocolError("unknown opcode")
        elif (opcode == CONTINUATION) != (self._parts is not None):
            raise ProtocolError("a message within a message")
        return opcode, final, size

    def _assemble(self, opcode: int, final: bool, payload: bytes) -> tuple[int, str | bytes] | None:
        if self._parts is not None:
            self._parts.append(payload)
            self._size += len(payload)
            if len(self._parts) > MOST_FRAGMENTS:
                raise ProtocolError("too many fragments", 1009)
            if not final:
                return None
            opcode, payload = self._opcode, b"".join(self._parts)
            self._parts, self._size = None, 0
        elif not final:
            self._opcode, self._parts, self._size = opcode, [payload], len(payload)
            return None
        return opcode, _text(payload) if opcode == TEXT else payload


def unmask(mask: bytes | bytearray, payload: bytes | bytearray) -> bytes:
    """The payload without its four-byte mask, as one wide exclusive or."""
    size = len(payload)
    key = (bytes(mask) * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(
        size, "little"
    )


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise ProtocolError("invalid UTF-8", 1007) from None
