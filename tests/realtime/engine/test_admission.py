"""Who is admitted."""

from __future__ import annotations

import pytest

from notifier.realtime.engine import EngineOptions, Refused
from notifier.realtime.engine.admission import Admission


def test_total() -> None:
    """Beyond the total nobody is admitted, until somebody leaves."""
    admission = Admission(EngineOptions(connections=2, retry_after=7))
    admission.admit("a")
    admission.admit("b")
    with pytest.raises(Refused) as refused:
        admission.admit("c")
    assert refused.value.retry_after == 7
    admission.leave("a")
    admission.admit("c")
    assert admission.total == 2


def test_per_address() -> None:
    """An address has its own cap, which does not touch others."""
    admission = Admission(EngineOptions(connections_per_address=1))
    admission.admit("a")
    with pytest.raises(Refused):
        admission.admit("a")
    admission.admit("b")
    assert admission.total == 2
    admission.leave("a")
    admission.admit("a")


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:3::1"),
        ("2001:DB8:0:0::1", "2001:db8::2", "2001:db8:0:1::1"),
        ("fe80::1%eth0", "fe80::2", "fe81::1"),
        ("::ffff:10.0.0.1", "10.0.0.1", "::ffff:10.0.0.2"),
        ("10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ("[::1]:80", "[::1]:80", "[::1]:81"),
    ],
)
def test_networks(address: str, same: str, other: str) -> None:
    """An IPv6 address counts as its network of 64 bits; whoever has one has all of it."""
    admission = Admission(EngineOptions(connections_per_address=1))
    admission.admit(address)
    with pytest.raises(Refused):
        admission.admit(same)
    admission.admit(other)
    admission.leave(other)
    admission.leave(address)
    admission.admit(same)


def test_connects_of_a_network() -> None:
    """How often a network connects is counted for all its addresses together."""
    admission = Admission(EngineOptions(connects_per_address=2))
    admission.admit("2001:db8::1")
    admission.admit("2001:db8::2")
    with pytest.raises(Refused):
        admission.admit("2001:db8::3")


def test_connects_per_minute() -> None:
    """An address may connect so many times a minute, whether it stays or not."""
    now = [120.0]
    admission = Admission(EngineOptions(connects_per_address=2), clock=lambda: now[0])
    for _ in range(2):
        admission.admit("a")
        admission.leave("a")
    now[0] = 130.0
    with pytest.raises(Refused) as refused:
        admission.admit("a")
    assert refused.value.retry_after == 50
    admission.admit("b")
    now[0] = 180.0
    admission.admit("a")


def test_claims() -> None:
    """Whatever an application counts has a cap of its own; 0 is none."""
    admission = Admission(EngineOptions())
    assert [admission.claim("ada", 2) for _ in range(3)] == [True, True, False]
    assert admission.claim("ada", 0)
    admission.release("ada")
    admission.release("ada")
    assert admission.claim("ada", 2)


def test_draining() -> None:
    """During shutdown nobody is admitted."""
    admission = Admission(EngineOptions())
    admission.draining = True
    with pytest.raises(Refused):
        admission.admit("a")
    assert admission.total == 0
