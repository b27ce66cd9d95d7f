"""Service keys in MongoDB."""

from __future__ import annotations

from pymongo.errors import DuplicateKeyError

from notifier.core.models import ServiceKey
from notifier.errors import Conflict
from notifier.store.mongo.database import Database, Document, available


class MongoKeys:
    """The ``Keys`` port."""

    def __init__(self, database: Database) -> None:
        self._service_keys = database["service_keys"]

    async def add_key(self, key: ServiceKey) -> None:
        document = {
            "_id": key.id,
            "name": key.name,
            "digest": key.digest,
            "scopes": sorted(key.scopes),
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
        }
        with available():
            try:
                await self._service_keys.insert_one(document)
            except DuplicateKeyError:
                raise Conflict("There is a service key with this id.") from None

    async def key(self, key_id: str) -> ServiceKey | None:
        with available():
            document = await self._service_keys.find_one({"_id": key_id})
        return None if document is None else _key(document)

    async def keys(self) -> list[ServiceKey]:
        with available():
            found = self._service_keys.find().sort([("created_at", 1), ("_id", 1)])
            return [_key(document) async for document in found]

    async def revoke_key(self, key_id: str, at: int) -> bool:
        with available():
            revoked = await self._service_keys.update_one(
                {"_id": key_id, "revoked_at": None}, {"$set": {"revoked_at": at}}
            )
            if revoked.matched_count:
                return True
            return await self._service_keys.find_one({"_id": key_id}) is not None


def _key(document: Document) -> ServiceKey:
    return ServiceKey(
        document["_id"],
        document["name"],
        document["digest"],
        frozenset(document["scopes"]),
        document["created_at"],
        document["revoked_at"],
    )
