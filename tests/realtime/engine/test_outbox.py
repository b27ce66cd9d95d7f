"""Frames that wait for a reader."""

from __future__ import annotations

from notifier.realtime.engine import EngineMetrics, Frame
from notifier.realtime.engine.outbox import Outbox

A, B = Frame.message("a"), Frame.message("bb")


def test_in_order_with_size_and_age() -> None:
    """Frames come out in order; size and age are those of what is in it."""
    metrics = EngineMetrics()
    outbox = Outbox(metrics)
    outbox.put(A, 1.0)
    outbox.put(B, 2.0)
    assert (bool(outbox), outbox.size, outbox.oldest) == (True, 9, 1.0)
    assert outbox.pop() is A
    assert (outbox.size, outbox.oldest, metrics.outbox_bytes) == (5, 2.0, 5)
    outbox.put(A, 3.0)
    assert outbox.take() == [B, A]
    assert (bool(outbox), outbox.size, outbox.oldest, metrics.outbox_bytes) == (False, 0, None, 0)


def test_the_gauge_sums_up() -> None:
    """The gauge is the sum over all outboxes, whatever happens to each."""
    metrics = EngineMetrics()
    first, second = Outbox(metrics), Outbox(metrics)
    first.put(A, 1.0)
    second.put(B, 1.0)
    assert metrics.outbox_bytes == 9
    first.clear()
    first.clear()
    assert metrics.outbox_bytes == 5
