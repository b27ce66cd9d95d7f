"""The ``Keys`` port: the API keys of services, the same on every store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from notifier.core.models import ServiceKey
from notifier.core.ports import Store
from notifier.errors import Conflict

SHOP = ServiceKey("k1", "shop $. ünï", "ab" * 32, frozenset({"notifications:publish"}), 1_000)
CRM = ServiceKey("k2", "crm", "cd" * 32, frozenset(), 500, revoked_at=900)


async def test_a_key_is_kept_as_it_was_made(store: Store) -> None:
    """Revoked ones too; an unknown one is None."""
    await store.add_key(SHOP)
    await store.add_key(CRM)
    assert await store.key("k1") == SHOP
    assert await store.key("k2") == CRM
    assert await store.key("k3") is None


async def test_keys_are_listed_oldest_first(store: Store) -> None:
    """All of them, revoked or not."""
    assert await store.keys() == []
    await store.add_key(SHOP)
    await store.add_key(CRM)
    assert await store.keys() == [CRM, SHOP]


async def test_an_id_is_given_once(store: Store) -> None:
    """A second key with the same id is a conflict; the first stays."""
    await store.add_key(SHOP)
    with pytest.raises(Conflict):
        await store.add_key(replace(CRM, id="k1"))
    assert await store.keys() == [SHOP]


async def test_revoking_keeps_the_first_time(store: Store) -> None:
    """Revoking twice is no error and changes nothing; what is not there cannot be revoked."""
    await store.add_key(SHOP)
    assert await store.revoke_key("k1", 2_000)
    assert await store.revoke_key("k1", 3_000)
    assert await store.key("k1") == replace(SHOP, revoked_at=2_000)
    assert not await store.revoke_key("k2", 2_000)
