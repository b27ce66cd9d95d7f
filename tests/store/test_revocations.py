"""Revocations on both stores."""

from __future__ import annotations

import asyncio

from notifier.core.models import Revocation
from notifier.core.ports import Store
from tests.store.conftest import OpenNode


async def test_only_users_with_a_revocation_are_found(store: Store) -> None:
    """Any number of users is asked for at once; names are compared exactly."""
    await store.revoke("ada", Revocation(tokens=10))
    await store.revoke("a$.b", Revocation(tokens=20))
    found = await store.revocations(["ada", "Ada", "a$.b", "grace"])
    assert found == {"ada": Revocation(tokens=10), "a$.b": Revocation(tokens=20)}
    assert await store.revocations([]) == {}


async def test_tokens_and_roles_are_kept_apart(store: Store) -> None:
    """What is taken later adds to what was taken before."""
    await store.revoke("ada", Revocation(roles={"admin": 10, "a$.b": 10}))
    await store.revoke("ada", Revocation(tokens=20))
    await store.revoke("ada", Revocation(roles={"editor": 30}))
    found = await store.revocations(["ada"])
    assert found == {"ada": Revocation(20, {"admin": 10, "a$.b": 10, "editor": 30})}


async def test_taking_nothing_back_changes_nothing(store: Store) -> None:
    """An empty rule is no error."""
    await store.revoke("ada", Revocation())
    assert await store.revocations(["ada"]) == {}


async def test_a_revocation_never_moves_back(open_node: OpenNode) -> None:
    """Whatever the order in which nodes write."""
    nodes = [await open_node() for _ in range(2)]
    times = [30, 10, 50, 20, 40]
    await asyncio.gather(
        *(
            nodes[index % 2].revoke("ada", Revocation(tokens=at, roles={"admin": at + 1}))
            for index, at in enumerate(times)
        )
    )
    assert await nodes[0].revocations(["ada"]) == {"ada": Revocation(50, {"admin": 51})}


async def test_more_users_than_one_command_takes_can_be_asked_for(store: Store) -> None:
    """All users that a full node has, with the longest names."""
    await store.revoke("u" * 128, Revocation(tokens=1))
    users = [f"{number:€>128}" for number in range(50_000)]
    assert list(await store.revocations([*users, "u" * 128])) == ["u" * 128]
