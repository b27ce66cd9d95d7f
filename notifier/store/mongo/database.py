"""The connection to MongoDB: its collections, their indexes, its deadlines and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from pymongo import ASCENDING, AsyncMongoClient, IndexModel
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from notifier.errors import ConfigurationError, StoreUnavailable

Document = dict[str, Any]

DEFAULT_NAME = "notifier"
"""The database, where the address names none."""

TIMEOUT = 1.2
"""Seconds a round trip may take, and a call wait for the one before it."""

GROUP_SECONDS = 1.6
"""Seconds all round trips of a group of appends may take: while a primary is elected each may be
late. With ``TIMEOUT``, which it may wait for the group before its own, it is the longest that an
append lasts, and must stay below 3 s on a node that is busy, too."""

POOL = 50
"""Connections of one node at most; whoever finds none within ``TIMEOUT`` is refused."""

AT_ONCE = 100_000
"""Documents in one answer, which ends at 16 MB anyway. By itself the server sends the first 101 and
waits to be asked for the rest."""

_GONE_AT_PURGE_TIME = IndexModel([("purge_at", ASCENDING)], name="purge", expireAfterSeconds=0)

ENTRY_INDEXES = (
    IndexModel([("audience", ASCENDING), ("seq", ASCENDING)], name="place", unique=True),
    # Writers who start a log in different hours pick different numbers: this makes them collide.
    IndexModel(
        [("audience", ASCENDING)],
        name="first",
        unique=True,
        partialFilterExpression={"first": True},
    ),
    _GONE_AT_PURGE_TIME,
)

INDEXES = {
    "entries": ENTRY_INDEXES,
    "idempotency_keys": (_GONE_AT_PURGE_TIME,),
    "tickets": (_GONE_AT_PURGE_TIME,),
    "jobs": (IndexModel([("due_at", ASCENDING)], name="due"),),
    "rations": (_GONE_AT_PURGE_TIME,),
    "revocations": (
        IndexModel([("user", ASCENDING), ("role", ASCENDING)], name="place", unique=True),
    ),
    "watermarks": (
        IndexModel([("user", ASCENDING), ("audience", ASCENDING)], name="log", unique=True),
    ),
    "marks": (
        IndexModel(
            [("user", ASCENDING), ("audience", ASCENDING), ("seq", ASCENDING)],
            name="place",
            unique=True,
        ),
        _GONE_AT_PURGE_TIME,
    ),
}
"""By collection. The others are found by ``_id`` alone."""


@contextmanager
def available(seconds: float = TIMEOUT) -> Iterator[None]:
    """Give what is inside so many seconds; any error of the driver is ``StoreUnavailable``.

    Also that a number is too large for it: others may be in the same query, and can try again.
    Inside another one, the earlier end holds.
    """
    try:
        with pymongo.timeout(seconds):
            yield
    except (PyMongoError, BSONError, OSError, OverflowError) as error:
        raise StoreUnavailable("The store cannot be used at the moment.") from error


@contextmanager
def duplicates() -> Iterator[dict[int, str]]:
    """Collect what an ``insert_many`` inside finds taken: index -> first field of the unique index.

    Any other error passes. A duplicate is reported once a majority has what it collided with: the
    write concern of a rejected insert waits for that too.
    """
    taken: dict[int, str] = {}
    try:
        yield taken
    except BulkWriteError as error:
        details = error.details or {}
        rejected = details["writeErrors"]
        if details["writeConcernErrors"] or any(row["code"] != _DUPLICATE for row in rejected):
            raise
        taken.update((row["index"], next(iter(row["keyPattern"]))) for row in rejected)


_DUPLICATE = 11000


class Database:
    """The collections. Writes wait for the journals of a majority.

    Reads see only what a majority has: an entry that a failover could roll back must never be read,
    as its number would be given away again. The client connects when first used and belongs to the
    event loop it is used in.
    """

    def __init__(self, url: str) -> None:
        try:
            self._client: AsyncMongoClient[Document] = AsyncMongoClient(
                url, appname="notifier", maxPoolSize=POOL, connectTimeoutMS=int(TIMEOUT * 1000)
            )
            name = self._client.get_default_database(DEFAULT_NAME).name
        except (PyMongoError, ValueError):
            # The driver's message may quote the address, and with it the password.
            raise ConfigurationError(
                ["The MongoDB address cannot be read; see mongodb://host:port/database."]
            ) from None
        self._database: AsyncDatabase[Document] = self._client.get_database(
            name,
            codec_options=CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS),
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority", j=True),
        )
        self._migrated = False

    def __getitem__(self, name: str) -> AsyncCollection[Document]:
        return self._database[name]

    async def migrate(self) -> None:
        """Create the indexes that are missing, each in its own time: a big one takes long."""
        try:
            for name, indexes in INDEXES.items():
                await self[name].create_indexes(list(indexes))
        except (PyMongoError, OSError) as error:
            raise StoreUnavailable("The indexes could not be created.") from error

    async def require_indexes(self) -> None:
        """Refuse to go on without the unique indexes: the order of the logs rests on them."""
        if self._migrated:
            return
        with available():
            present = {index["name"] async for index in await self["entries"].list_indexes()}
        if not {index.document["name"] for index in ENTRY_INDEXES} <= present:
            raise StoreUnavailable("The store has no indexes yet: run notifier migrate.")
        self._migrated = True

    async def close(self) -> None:
        await self._client.close()
