"""Which store an address opens, and what is said about addresses that open none."""

from __future__ import annotations

from pathlib import Path

import pytest

from notifier.core.ports import Store
from notifier.errors import ConfigurationError, StoreUnavailable
from notifier.store import open_store
from tests.store.conftest import OpenNode
from tests.store.samples import Clock, publication


async def test_what_was_stored_is_there_after_reopening(open_node: OpenNode, clock: Clock) -> None:
    """Closing and opening again changes nothing."""
    store = await open_node()
    receipt = await store.append(publication(clock, "everyone", "user:1", key="k"))
    await store.welcome("me", {"everyone": 1})
    await store.mark("me", [receipt.entries[1].ref], read=True)
    subscriber = await store.subscriber("me")
    assert subscriber is not None
    assert subscriber.marks
    await store.close()
    again = await open_node()
    found = await again.after({"everyone": 0, "user:1": 0}, limit=9, now=clock())
    assert found == {entry.audience: [entry] for entry in receipt.entries}
    assert await again.subscriber("me") == subscriber
    assert (await again.append(publication(clock, "everyone", "user:1", key="k"))).repeated


async def test_migrating_again_changes_nothing(store: Store, clock: Clock) -> None:
    """Safe beside live nodes, as often as anybody likes."""
    receipt = await store.append(publication(clock, "everyone"))
    await store.migrate()
    await store.migrate()
    assert await store.entries([receipt.entries[0].ref], now=clock())


async def test_a_store_that_works_answers_a_ping(store: Store) -> None:
    """As often as it is asked."""
    await store.ping()
    await store.ping()


async def test_a_closed_store_refuses_everything(store: Store, clock: Clock) -> None:
    """Reads and writes alike, as a store that is away; closing again is harmless."""
    await store.close()
    for call in (
        store.append(publication(clock, "everyone")),
        store.heads(["everyone"]),
        store.subscriber("me"),
        store.revoke_key("k", 0),
        store.ping(),
    ):
        with pytest.raises(StoreUnavailable):
            await call
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "notifier.db",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite://var/notifier.db",
        "sqlite:///notifier.db?mode=ro",
        "postgresql://localhost/notifier",
        "mongodb://",
        "mongodb://user:hunter2@host:port/name",
        "mongodb://host/?w=x&unknown",
    ],
)
async def test_an_address_of_no_store_is_a_configuration_error(url: str) -> None:
    """It says what an address looks like, and repeats nothing of one that may hold a password."""
    with pytest.raises(ConfigurationError) as raised:
        await open_store(url)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert "://" in raised.value.problems[0]


async def test_a_relative_path_starts_where_the_program_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three slashes are relative, four are absolute; escapes are resolved."""
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///a/b%20c.db", f"sqlite:///{tmp_path}/d/e.db"):
        await (await open_store(url)).close()
    assert (tmp_path / "a" / "b c.db").exists()
    assert (tmp_path / "d" / "e.db").exists()
