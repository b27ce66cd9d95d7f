"""Which connections an entry must not reach."""

from __future__ import annotations

from itertools import product

import pytest

from notifier.core.models import Entry, Hidden, Kind, Notification, Priority
from notifier.realtime.hiding import Hiding

EVERY_ENTRY = [
    Entry(
        "everyone",
        1,
        Notification(
            id="n",
            kind=kind,
            type=type,
            priority=priority,
            publisher="p",
            created_at=0,
            expires_at=1,
            content=b"}",
        ),
    )
    for type, priority, kind in product(["info", "like"], Priority, Kind)
]

HIDDEN = {
    "nobody": Hidden(),
    "guest": Hidden(forbidden=frozenset({"info"})),
    "picky": Hidden(muted=frozenset({("like", Priority.LOW), ("info", Priority.HIGH)})),
    "patient": Hidden(digested=frozenset({"like"})),
    "all": Hidden(frozenset({"info"}), frozenset({("like", Priority.LOW)}), frozenset({"like"})),
}


def skipped(hiding: Hiding, entry: Entry) -> set[str]:
    return set(hiding.skipping(entry))


@pytest.fixture
def hiding() -> Hiding:
    """A connection for each of them."""
    hiding = Hiding()
    for sid, hidden in HIDDEN.items():
        hiding.hide(sid, hidden)
    return hiding


@pytest.mark.parametrize("entry", EVERY_ENTRY, ids=str)
def test_an_entry_skips_those_from_whom_it_is_hidden(hiding: Hiding, entry: Entry) -> None:
    """Looked up, the answer is that of each user's own rules."""
    assert skipped(hiding, entry) == {s for s, hidden in HIDDEN.items() if hidden.covers(entry)}


def test_what_is_hidden_can_change(hiding: Hiding) -> None:
    """The new rules take the place of the old ones."""
    hiding.hide("guest", HIDDEN["picky"])
    hiding.hide("all", HIDDEN["nobody"])
    for entry in EVERY_ENTRY:
        assert ("guest" in skipped(hiding, entry)) == HIDDEN["picky"].covers(entry)
        assert "all" not in skipped(hiding, entry)


def test_who_is_gone_is_forgotten(hiding: Hiding) -> None:
    """And may go twice."""
    for sid in (*HIDDEN, "guest", "stranger"):
        hiding.forget(sid)
    assert all(not hiding.skipping(entry) for entry in EVERY_ENTRY)
