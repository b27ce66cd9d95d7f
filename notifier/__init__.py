"""Notifier: a self-hosted notification server for web applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notifier.app import create_app

__version__ = "0.1.0"

__all__ = ["__version__", "create_app"]


def __getattr__(name: str) -> Any:
    # Loaded on demand: most who import a part of the package do not want the whole server.
    if name == "create_app":
        from notifier.app import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
