"""How many random histories the tests of the rules live through."""

from __future__ import annotations

import os

TIMES = int(os.environ.get("NOTIFIER_HISTORIES", "1"))


def histories(usual: int) -> range:
    """A seed for each, so that a failure can be repeated. ``make histories`` makes it many more."""
    return range(usual * TIMES)
