"""RFC 6455 frames, without a socket."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.realtime.engine import PayloadTooLarge, ProtocolError, frames
from notifier.realtime.engine.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, FrameReader

LIMIT = 100_000


def client_frame(
    opcode: int, payload: bytes = b"", *, final: bool = True, mask: bytes = b"\x0f\xf0\x55\xaa"
) -> bytes:
    """A frame as a client sends it."""
    size = len(payload)
    head = bytes([(0x80 if final else 0) | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += pack("!BH", 0x80 | 126, size)
    else:
        head += pack("!BQ", 0x80 | 127, size)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def read(data: bytes, limit: int = LIMIT) -> list[tuple[int, str | bytes]]:
    """All messages and control frames in the data."""
    reader = FrameReader(limit)
    reader.feed(data)
    return list(iter(reader.next, None))


def test_the_accept_of_the_rfc() -> None:
    """The answer to a key is that of the RFC's own example."""
    assert frames.accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("key", ["", "short", "dGhlIHNhbXBsZSBub25jZQ=", "ééé", "AAAA"])
def test_invalid_key(key: str) -> None:
    """A key that is not 16 bytes in base64 is refused."""
    with pytest.raises(ProtocolError):
        frames.accept(key)


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_written_frame(size: int, head: bytes) -> None:
    """A server's frame is unmasked and has the shortest head that holds its size."""
    assert frames.encode(TEXT, b"a" * size) == head + b"a" * size


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, LIMIT])
def test_read_frame(size: int) -> None:
    """A client's frame is read whatever the form of its size, up to the limit."""
    assert read(client_frame(BINARY, b"x" * size)) == [(BINARY, b"x" * size)]


def test_fragments_around_a_control_frame() -> None:
    """A control frame between the fragments of a message comes first and does not disturb it."""
    data = (
        client_frame(TEXT, "ä".encode()[:1], final=False)
        + client_frame(PING, b"?")
        + client_frame(CONTINUATION, "ä".encode()[1:])
    )
    assert read(data) == [(PING, b"?"), (TEXT, "ä")]


BROKEN = {
    "not masked": b"\x81\x01a",
    "reserved bits": b"\xc1\x80\0\0\0\0",
    "unknown opcode": b"\x83\x80\0\0\0\0",
    "unknown control opcode": b"\x8b\x80\0\0\0\0",
    "fragmented control frame": b"\x09\x80\0\0\0\0",
    "long control frame": b"\x89\xfe\x00\x7e",
    "continuation of nothing": client_frame(CONTINUATION, b"a"),
    "message within a message": client_frame(TEXT, final=False) + client_frame(TEXT),
    "invalid UTF-8": client_frame(TEXT, b"\xff"),
    "too many fragments": client_frame(TEXT, final=False)
    + client_frame(CONTINUATION, final=False) * frames.MOST_FRAGMENTS,
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_broken_frame(data: bytes) -> None:
    """What the RFC forbids is a ProtocolError."""
    with pytest.raises(ProtocolError):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        client_frame(BINARY, b"x" * (LIMIT + 1))[:10],
        b"\x82\xff" + b"\xff" * 8,
        client_frame(BINARY, b"x" * LIMIT, final=False) + client_frame(CONTINUATION, b"x")[:2],
    ],
    ids=["one frame", "absurd", "in fragments"],
)
def test_too_large(data: bytes) -> None:
    """A message beyond the limit is refused as soon as its size is announced."""
    with pytest.raises(PayloadTooLarge):
        read(data)


@pytest.mark.parametrize(
    ("payload", "code"), [(b"", 1000), (pack("!H", 1001) + b"bye", 1001), (pack("!H", 4999), 4999)]
)
def test_close_code(payload: bytes, code: int) -> None:
    """A close frame has a code, or none, which means 1000."""
    assert frames.close_code(payload) == code


@pytest.mark.parametrize(
    "payload", [b"\x03", *(pack("!H", c) for c in (0, 999, 1005, 1006, 2999, 5000))]
)
def test_invalid_close_code(payload: bytes) -> None:
    """Codes that must not travel are refused."""
    with pytest.raises(ProtocolError):
        frames.close_code(payload)


def test_long_close_reason() -> None:
    """A reason that does not fit into a control frame is cut between characters."""
    frame = frames.encode_close(1001, "ä" * 100)
    assert frame[1] <= frames.LARGEST_CONTROL
    assert frame[4:].decode() == "ä" * 61


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_unmask(payload: bytes, mask: bytes) -> None:
    """Unmasking is its own inverse and equals the byte-wise definition."""
    masked = frames.unmask(mask, payload)
    assert masked == bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    assert frames.unmask(mask, masked) == payload


MESSAGES = st.lists(st.one_of(st.text(max_size=200), st.binary(max_size=200)), max_size=8)


@given(MESSAGES, st.integers(1, 50), st.integers(1, 90))
def test_any_split(messages: list[str | bytes], chunk: int, fragment: int) -> None:
    """However messages are fragmented and wherever the network cuts, they are read as sent."""
    data = b"".join(_fragments(message, fragment) for message in messages)
    reader, seen = FrameReader(LIMIT), []
    for start in range(0, len(data), chunk):
        reader.feed(data[start : start + chunk])
        seen += [payload for _, payload in iter(reader.next, None)]
    assert seen == messages
    assert reader.unread == 0


def _fragments(message: str | bytes, size: int) -> bytes:
    payload = message.encode() if isinstance(message, str) else message
    parts = [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]
    opcodes = [TEXT if isinstance(message, str) else BINARY] + [CONTINUATION] * (len(parts) - 1)
    last = len(parts) - 1
    return b"".join(
        client_frame(opcode, part, final=index == last)
        for index, (opcode, part) in enumerate(zip(opcodes, parts, strict=True))
    )


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    """Whatever bytes come, they are frames, an incomplete frame or a ProtocolError."""
    reader = FrameReader(1000)
    reader.feed(data)
    try:
        while (frame := reader.next()) is not None:
            assert frame[0] in {TEXT, BINARY, CLOSE, PING, 0xA}
    except ProtocolError:
        pass
