"""The services that are compared: Notifier, and one on Node that does the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.peer import PEERS
from notifier.http.tokens import TokenRules
from tests.servers import NotifierProcess, node

SECRET = "a-long-enough-secret-for-measuring"
RULES = TokenRules(secrets=(SECRET,))

UNLIMITED = {
    "NOTIFIER_JWT_SECRET": SECRET,
    "NOTIFIER_LOG__LEVEL": "warning",
    "NOTIFIER_LIMITS__PUBLISHES_PER_SECOND": "0",
    "NOTIFIER_LIMITS__BATCHED_PER_SECOND": "0",
    "NOTIFIER_LIMITS__REQUESTS_PER_MINUTE": "0",
    "NOTIFIER_LIMITS__CONNECTS_PER_ADDRESS": "0",
    "NOTIFIER_LIMITS__CONNECTIONS_PER_ADDRESS": "0",
}


class NodeService(NotifierProcess):
    """``peers/publishing.mjs``: started, reached and asked like Notifier."""

    def command(self) -> list[str]:
        return [node(), str(PEERS / "publishing.mjs")]


def notifier(folder: Path, databases: Mapping[str, str]) -> NotifierProcess:
    """A node of Notifier, not started yet."""
    return NotifierProcess(folder, {**UNLIMITED, **databases})


def on_node(folder: Path, databases: Mapping[str, str]) -> NotifierProcess:
    """The service on Node, not started yet."""
    return NodeService(folder, {"SECRET": SECRET, "NODE_ENV": "production", **databases})
