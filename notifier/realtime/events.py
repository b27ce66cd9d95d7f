"""Which events of a client reach a handler: an allow-list."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import socketio

# Names with a meaning of their own in some Socket.IO library: never an event of a client.
RESERVED = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)
CATCH_ALL = "*"

Handler = Callable[..., Any]


class Events:
    """Finds the handler of an event. `functions` are those of the server, by namespace and name."""

    def __init__(self, functions: Mapping[str, Mapping[str, Handler]]) -> None:
        self._functions = functions
        self._methods: dict[str, dict[str, Handler]] = {}

    def register(self, namespace: socketio.AsyncNamespace) -> None:
        """Add a class-based namespace: the events it names in `events`, or its `on_` methods."""
        names = getattr(namespace, "events", None)
        if names is None:
            names = [name.removeprefix("on_") for name in dir(namespace) if name.startswith("on_")]
        self._methods[namespace.namespace] = {
            name: getattr(namespace, f"on_{name}") for name in names
        }

    def find(self, namespace: str, event: str, arguments: int) -> Handler | None:
        """The handler for `handler(sid, *arguments)`, None if there is none with that many."""
        if event in RESERVED:
            return None
        functions = self._functions.get(namespace, {})
        handler = functions.get(event) if event != CATCH_ALL else None
        handler = handler or self._methods.get(namespace, {}).get(event)
        if handler is not None:
            return handler if _accepts(handler, 1 + arguments) else None
        catch_all = functions.get(CATCH_ALL)
        if catch_all is None or not _accepts(catch_all, 2 + arguments):
            return None
        return functools.partial(catch_all, event)


@functools.lru_cache(maxsize=1024)
def _accepts(handler: Handler, count: int) -> bool:
    """True if the handler can be called with this many arguments: a client chooses how many."""
    try:
        inspect.signature(handler).bind(*range(count))
    except TypeError:
        return False
    return True
