"""Taking a notification back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest

from notifier.core.models import Kind
from notifier.core.ports import Store
from notifier.errors import NotFound
from tests.store.conftest import OpenNode
from tests.store.samples import DAY, HOUR, Clock, publication, view


async def test_a_withdrawal_follows_in_every_log(store: Store, clock: Clock) -> None:
    """Each names what is taken back in its log, lives as long, and is for the same users."""
    receipt = await store.append(publication(clock, "user:1", "everyone", excluded=["7"]))
    withdrawals = await store.withdraw(receipt.notification_id, publisher=None, now=clock())
    assert sorted(e.audience for e in withdrawals) == ["everyone", "user:1"]
    for entry in receipt.entries:
        (withdrawal,) = [w for w in withdrawals if w.audience == entry.audience]
        assert withdrawal.seq == entry.seq + 1
        assert withdrawal.notification.kind is Kind.WITHDRAWAL
        assert withdrawal.notification.id == receipt.notification_id
        assert withdrawal.notification.expires_at == entry.notification.expires_at
        assert withdrawal.notification.excluded == {"7"}
        assert orjson.loads(withdrawal.wire()) == {
            "id": str(withdrawal.ref),
            "ids": [str(entry.ref)],
        }


async def test_what_was_withdrawn_is_shown_to_nobody(store: Store, clock: Clock) -> None:
    """Gone from pages and counts at once; who replays the log is told of the withdrawal only."""
    receipt = await store.append(publication(clock, "everyone"))
    (withdrawal,) = await store.withdraw(receipt.notification_id, publisher=None, now=clock())
    now, seen = clock(), view("me", "everyone")
    assert await store.page(seen, {}, limit=9, now=now) == {}
    assert await store.outline(seen, {"everyone": 0}, limit=9, now=now) == {}
    assert await store.entries([receipt.entries[0].ref], now=now) == []
    assert await store.copies([receipt.notification_id], ["everyone"], now=now) == []
    assert await store.after({"everyone": 0}, limit=9, now=now) == {"everyone": [withdrawal]}


async def test_withdrawing_again_returns_the_same_entries(store: Store, clock: Clock) -> None:
    """Also later, also when it was asked for on two nodes at once."""
    receipt = await store.append(publication(clock, "user:1", "everyone"))
    first = await store.withdraw(receipt.notification_id, publisher=None, now=clock())
    clock.advance(HOUR)
    again = await store.withdraw(receipt.notification_id, publisher=None, now=clock())
    assert again == first


async def test_racing_withdrawals_are_one(open_node: OpenNode, clock: Clock) -> None:
    """Ten callers on two nodes get the same entries; each log has one withdrawal, and no hole."""
    nodes = [await open_node(), await open_node()]
    receipt = await nodes[0].append(publication(clock, "user:1", "everyone"))
    calls = [
        nodes[i % 2].withdraw(receipt.notification_id, publisher=None, now=clock())
        for i in range(10)
    ]
    others = [nodes[i % 2].append(publication(clock, "everyone")) for i in range(10)]
    answers, _ = await asyncio.gather(asyncio.gather(*calls), asyncio.gather(*others))
    assert all(answer == answers[0] for answer in answers)
    found = await nodes[0].after({"everyone": 0, "user:1": 0}, limit=99, now=clock())
    numbers = [entry.seq for entry in found["everyone"]]
    start = receipt.entries[0].seq + 1
    assert numbers == list(range(start, start + 11))
    assert len(found["user:1"]) == 1


async def test_only_its_publisher_may_withdraw(store: Store, clock: Clock) -> None:
    """For everybody else it does not exist; nobody in particular (None) is an administrator."""
    receipt = await store.append(publication(clock, "everyone", publisher="service:a"))
    for stranger in ("service:b", "user:a", "", "service:a "):
        with pytest.raises(NotFound):
            await store.withdraw(receipt.notification_id, publisher=stranger, now=clock())
    assert await store.heads(["everyone"]) == {"everyone": receipt.entries[0].seq}
    assert await store.withdraw(receipt.notification_id, publisher="service:a", now=clock())
    with pytest.raises(NotFound):
        await store.withdraw(receipt.notification_id, publisher="service:b", now=clock())


@pytest.mark.parametrize("unknown", ["", "0", "$ne", "/", "0198c0de-0000-7000-8000-000000000000"])
async def test_there_must_be_something_to_withdraw(
    store: Store, clock: Clock, unknown: str
) -> None:
    """An id that nothing has is not found, and neither is a part of one."""
    receipt = await store.append(publication(clock, "user:a/b", "everyone"))
    for wrong in (unknown, receipt.notification_id[:-1], f"{receipt.notification_id}/notification"):
        with pytest.raises(NotFound):
            await store.withdraw(wrong, publisher=None, now=clock())


async def test_what_has_expired_cannot_be_withdrawn(store: Store, clock: Clock) -> None:
    """It is gone already."""
    receipt = await store.append(publication(clock, "everyone", lifetime=HOUR))
    with pytest.raises(NotFound):
        await store.withdraw(receipt.notification_id, publisher=None, now=clock.advance(HOUR))


async def test_a_withdrawal_expires_with_what_it_takes_back(store: Store, clock: Clock) -> None:
    """Nobody needs to hear later that something expired was withdrawn."""
    receipt = await store.append(publication(clock, "everyone", lifetime=DAY))
    await store.withdraw(receipt.notification_id, publisher=None, now=clock())
    for now, there in ((clock() + DAY - 1, True), (clock() + DAY, False)):
        assert bool(await store.after({"everyone": 0}, limit=9, now=now)) is there


async def test_a_retried_publish_does_not_bring_it_back(store: Store, clock: Clock) -> None:
    """The idempotency key still leads to the first receipt, and nothing is shown."""
    first = await store.append(publication(clock, "everyone", key="k"))
    await store.withdraw(first.notification_id, publisher=None, now=clock())
    again = await store.append(publication(clock, "everyone", key="k"))
    assert [e.ref for e in again.entries] == [e.ref for e in first.entries]
    assert await store.page(view("me", "everyone"), {}, limit=9, now=clock()) == {}


async def test_who_withdraws_ends_nothing_of_others(store: Store, clock: Clock) -> None:
    """Two publishers may have used one id, in different logs."""
    one = publication(clock, "user:1")
    other = replace(
        one, audiences=("everyone",), notification=replace(one.notification, publisher="other")
    )
    for publishing in (one, other):
        await store.append(publishing)
    await store.withdraw(one.notification.id, publisher="other", now=clock())
    kept = await store.page(view("1", "user:1", "everyone"), {}, limit=9, now=clock())
    assert list(kept) == ["user:1"]
