"""Socket.IO packets, without a socket."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.realtime.engine import ProtocolError
from notifier.realtime.packet import Packet


@pytest.mark.parametrize(
    ("text", "kind", "namespace", "id_", "data"),
    [
        ("0", 0, "/", None, None),
        ("0/a", 0, "/a", None, None),
        ('0/a,{"token":1}', 0, "/a", None, {"token": 1}),
        ("0/a?x=1,", 0, "/a", None, None),
        ("1/a,", 1, "/a", None, None),
        ('2["e",1]', 2, "/", None, ["e", 1]),
        ('2/a,12["e"]', 2, "/a", 12, ["e"]),
        ("3/a,0[]", 3, "/a", 0, []),
        ('50-["e"]', 5, "/", None, ["e"]),
        ("62-/a,7[1]", 6, "/a", 7, [1]),
    ],
)
def test_read(text: str, kind: int, namespace: str, id_: int | None, data: Any) -> None:
    """Every part of a packet is read."""
    packet = Packet.read(text, 10)
    assert (packet.packet_type, packet.namespace, packet.id, packet.data) == (
        kind, namespace, id_, data,
    )  # fmt: skip


def test_attachments() -> None:
    """A packet is complete with its last attachment, which replaces its placeholder."""
    packet = Packet.read('52-["e",{"a":[{"_placeholder":true,"num":1}],"b":{"num":0}}]', 10)
    assert not packet.complete
    packet.attachments += [b"zero", b"one"]
    assert packet.complete
    assert packet.arguments == ["e", {"a": [b"one"], "b": {"num": 0}}]


def test_deep_data() -> None:
    """Data that is nested too deep is refused, not a stack overflow."""
    deep = "[" * 900 + "]" * 900
    packet = Packet.read(f'51-["e",{deep}]', 10)
    packet.attachments.append(b"")
    with pytest.raises(ProtocolError):
        _ = packet.arguments


def test_what_is_written() -> None:
    """Keys that are not text are written as text; spaces are not."""
    assert (
        Packet(2, data=["e", {1: [1, "ä"]}], namespace="/a", id=3).encode()
        == '2/a,3["e",{"1":[1,"ä"]}]'
    )


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.lists(VALUES, max_size=3),
    st.sampled_from(["/", "/notifications"]),
    st.none() | st.integers(0, 2**53),
)
def test_what_is_written_is_read(arguments: list[Any], namespace: str, id_: int | None) -> None:
    """A packet that is written and read is the same."""
    data = ["event", *arguments]
    packet = Packet.read(Packet(2, data=data, namespace=namespace, id=id_).encode(), 10)
    assert (packet.namespace, packet.id, packet.data) == (namespace, id_, data)


@given(st.text() | st.from_regex(r"[0-6](\d-)?(/a,)?\d?[\[{\"].{0,30}", fullmatch=True))
def test_any_text(text: str) -> None:
    """Whatever text comes, it is a packet or a ProtocolError."""
    try:
        packet = Packet.read(text, 10)
    except ProtocolError:
        return
    assert packet.packet_type in range(7)
    assert packet.attachment_count <= 10
