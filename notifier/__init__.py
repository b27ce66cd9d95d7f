"""Notifier: a self-hosted notification server for web applications."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notifier.app import create_app
    from notifier.publisher import Publisher, SyncPublisher

__version__ = "0.1.0"

__all__ = ["Publisher", "SyncPublisher", "__version__", "create_app"]

_PLACES = {
    "Publisher": "notifier.publisher",
    "SyncPublisher": "notifier.publisher",
    "create_app": "notifier.app",
}
"""Loaded on demand: who publishes does not want the server, and who serves not the publisher."""


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
