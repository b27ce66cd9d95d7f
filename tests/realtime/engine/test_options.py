"""Settings of an engine."""

from __future__ import annotations

import pytest

from notifier.realtime.engine import EngineOptions


def test_every_problem_is_named() -> None:
    """All that is wrong is said at once."""
    with pytest.raises(ValueError) as error:
        EngineOptions(
            ping_interval=0, connections=-1, transports=("smoke",), origins="https://a.example"
        )
    for word in ("ping_interval", "connections", "transports", "origins"):
        assert word in str(error.value)


def test_defaults_are_valid() -> None:
    """The defaults are those of Node's server, so that clients need no change."""
    options = EngineOptions()
    assert (options.ping_interval, options.ping_timeout, options.max_payload) == (25, 20, 1_000_000)
