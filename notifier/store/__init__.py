"""The stores: SQLite for one host, MongoDB for many nodes, one contract for both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from notifier.core.models import now_ms
from notifier.core.ports import Store
from notifier.errors import ConfigurationError
from notifier.store.mongo import MongoStore
from notifier.store.mongo.database import Database
from notifier.store.sqlite import SqliteStore

__all__ = ["open_store"]


async def open_store(url: str, *, clock: Callable[[], int] = now_ms) -> Store:
    """Open the store at an address.

    ``sqlite:///relative/path.db``, ``sqlite:////absolute/path.db``, or
    ``mongodb://host:port/database`` (by default the database ``notifier``; ``mongodb+srv`` too).
    SQLite creates its file and tables; MongoDB is first asked when it is first needed, and wants
    ``migrate`` once.

    ``clock`` gives the time in milliseconds since 1970: tests move it by hand. Raises
    ``ConfigurationError`` for a URL that names no store and ``StoreUnavailable`` for an SQLite file
    that cannot be used.
    """
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        return await SqliteStore.open(_path(url), clock)
    if scheme in ("mongodb", "mongodb+srv"):
        return MongoStore(Database(url), clock)
    raise ConfigurationError(
        ["The store must be an address such as sqlite:///var/notifier.db or mongodb://host/name."]
    )


def _path(url: str) -> Path:
    parts = urlsplit(url)
    path = unquote(parts.path)[1:]
    if parts.netloc or parts.query or not path:
        raise ConfigurationError(
            ["An SQLite store is sqlite:///relative/path.db or sqlite:////absolute/path.db."]
        )
    return Path(path)
