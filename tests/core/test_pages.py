"""A page looks through a bounded part of the logs, and the next one goes on from there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from notifier.core import pages
from notifier.core.models import Principal
from tests.core.domain import ADA, Domain, remember


@pytest.fixture(autouse=True)
def small_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if logs of some dozen entries were long ones."""
    monkeypatch.setattr(pages, "SCAN_LIMIT", 5)
    monkeypatch.setattr(pages, "BATCH", 4)
    remember(monkeypatch, 3)


async def walk(domain: Domain, user: Principal, **args: Any) -> AsyncIterator[list[str]]:
    """The titles of each page."""
    before: str | None = None
    while True:
        page = await domain.page(user, **args, before=before)
        yield [item["title"] for item in page["items"]]
        if page["next"] is None:
            return
        assert page["next"] != before
        before = page["next"]


async def titles(domain: Domain, user: Principal, **args: Any) -> list[str]:
    return [title async for page in walk(domain, user, **args) for title in page]


async def test_a_rare_type_is_found_far_below(domain: Domain) -> None:
    """In order over all logs, though most pages are short or empty."""
    await domain.feed.visit(ADA)
    for number in range(60):
        to = ["everyone", "user:ada", "role:admin"][number % 3]
        type = "like" if number % 29 == 0 else "info"
        await domain.publish(to, str(number), type=type)
    found = [page async for page in walk(domain, ADA, type="like", limit=2)]
    assert [title for page in found for title in page] == ["58", "29", "0"]
    assert all(len(page) <= 2 for page in found)


async def test_one_page_asks_a_few_times_only(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the logs are in which nothing is to be found."""
    await domain.feed.visit(ADA)
    for number in range(60):
        await domain.publish("everyone", str(number))
    queries = 0
    read = domain.store.page

    async def counted(*args: Any, **options: Any) -> Any:
        nonlocal queries
        queries += 1
        return await read(*args, **options)

    monkeypatch.setattr(domain.store, "page", counted)
    page = await domain.page(ADA, type="like")
    assert (page["items"], queries) == ([], pages.SCANS)
    assert page["next"] is not None
    assert await titles(domain, ADA, type="like") == []


async def test_a_full_page_asks_once(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everything is visible, however long the logs are, one look is enough."""
    await domain.feed.visit(ADA)
    for number in range(30):
        await domain.publish("everyone", str(number))
    looks = []
    page = domain.store.page

    async def noted(*args: Any, **options: Any) -> Any:
        looks.append(args)
        return await page(*args, **options)

    monkeypatch.setattr(domain.store, "page", noted)
    assert await domain.titles(ADA, limit=3) == ["29", "28", "27"]
    assert len(looks) == 1


async def test_unread_ones_are_found_among_those_read(domain: Domain) -> None:
    """In order, though there are few."""
    await domain.feed.visit(ADA)
    refs = []
    for number in range(40):
        receipt = await domain.publish(["everyone", "user:ada"][number % 2], str(number))
        refs.append(str(receipt.entries[0].ref))
    read = [ref for number, ref in enumerate(refs) if number not in (3, 20, 38)]
    await domain.feed.mark_read(ADA, {"ids": read})
    assert await titles(domain, ADA, unread=True, limit=2) == ["38", "20", "3"]


async def test_muted_ones_in_between_do_not_end_the_feed(domain: Domain) -> None:
    """What lies below a long stretch of what the user does not want is found."""
    await domain.feed.visit(ADA)
    await domain.publish("everyone", "first")
    for number in range(40):
        await domain.publish("everyone", str(number), type="like")
    await domain.feed.set_preferences(ADA, {"types": {"like": {"bell": False}}})
    assert await titles(domain, ADA) == ["first"]


async def test_expired_ones_in_between_do_not_end_the_feed(domain: Domain) -> None:
    """Neither before nor after they were removed."""
    await domain.feed.visit(ADA)
    await domain.publish("everyone", "first")
    for number in range(20):
        await domain.publish("everyone", str(number), ttl=1)
    await domain.publish("user:ada", "last", after=1_000)
    assert await titles(domain, ADA) == ["last", "first"]
    domain.clock.pass_(3 * 3_600_000)
    await domain.store.purge(domain.clock())
    assert await titles(domain, ADA) == ["last", "first"]
