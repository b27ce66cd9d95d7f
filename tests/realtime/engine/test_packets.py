"""Engine.IO packets and payloads, without a socket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.realtime.engine import Frame, ProtocolError
from notifier.realtime.engine.packets import decode_payload, encode_payload

NO_SEPARATOR = st.text(st.characters(blacklist_characters="\x1e", blacklist_categories=["Cs"]))


def test_a_text_message() -> None:
    """A text message is a `4` and the text, in both encodings."""
    frame = Frame.message("hello ä")
    assert frame.packet == "4hello ä"
    assert frame.websocket == b"\x81\x09" + "4hello ä".encode()


def test_a_binary_message() -> None:
    """A binary message is base64 in a payload and a bare binary frame in a WebSocket."""
    frame = Frame.message(b"\1\2\3\4")
    assert frame.packet == "bAQIDBA=="
    assert frame.websocket == b"\x82\x04\1\2\3\4"


@given(st.lists(st.one_of(NO_SEPARATOR, st.binary()), min_size=1))
def test_a_payload_survives(messages: list[str | bytes]) -> None:
    """What is encoded into a payload is decoded from it."""
    payload = encode_payload([Frame.message(message) for message in messages])
    expected = [f"4{message}" if isinstance(message, str) else message for message in messages]
    assert decode_payload(payload) == expected


@pytest.mark.parametrize("payload", ["", "x", "4a\x1e\x1e4b", "b=", "bAQ", "bäää", "0", "2", "5"])
def test_invalid_payload(payload: str) -> None:
    """Empty, unknown and server-only packets and broken base64 are refused."""
    with pytest.raises(ProtocolError):
        decode_payload(payload)


@given(st.text())
def test_any_payload(payload: str) -> None:
    """Whatever text comes, it is packets a client may send, or a ProtocolError."""
    try:
        packets = decode_payload(payload)
    except ProtocolError:
        return
    assert all(isinstance(packet, bytes) or packet[0] in "1346" for packet in packets)
