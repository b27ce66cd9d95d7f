"""What a user sees, and how much of it is new."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from notifier.core.counts import COUNT_CAP
from notifier.core.models import Cursor, Principal, View
from notifier.core.ports import Log
from notifier.errors import Forbidden, InvalidRequest, StoreUnavailable
from tests.core.domain import ADA, GRACE, SERVICE, TYPES, Domain, ids, read

LINUS = Principal("linus")


async def walk(domain: Domain, user: Principal, limit: int, **args: Any) -> list[str]:
    """The titles of all pages, newest first."""
    titles: list[str] = []
    before: str | None = None
    while True:
        page = await domain.page(user, limit=limit, before=before, **args)
        titles += [item["title"] for item in page["items"]]
        before = page["next"]
        if before is None:
            return titles
        assert len(page["items"]) == limit


# Who sees what


async def test_a_newcomer_does_not_see_what_everyone_got_before(domain: Domain) -> None:
    """The view of everyone starts with the first visit; later ones change nothing."""
    await domain.publish("everyone", "old")
    assert await domain.titles(ADA) == []
    await domain.publish("everyone", "new")
    assert await domain.titles(ADA) == ["new"]
    assert await domain.titles(GRACE) == []


async def test_a_personal_notification_waits_for_the_first_visit(domain: Domain) -> None:
    """What is addressed to a user is there when the user comes for the first time."""
    await domain.publish("user:ada", "waiting")
    assert await domain.titles(ADA) == ["waiting"]
    assert await domain.titles(GRACE) == []


async def test_roles_come_and_go_with_the_token(domain: Domain) -> None:
    """Who has a role sees its log, from the start; who lost it no longer does."""
    await domain.publish("role:admin", "for admins")
    former = replace(ADA, roles=frozenset())
    assert await domain.titles(former) == []
    assert await domain.titles(ADA) == ["for admins"]
    assert await domain.counts(ADA) == (1, 1)
    assert await domain.titles(former) == []
    assert await domain.counts(former) == (0, 0)


async def test_a_topic_is_seen_from_the_subscription_on(domain: Domain) -> None:
    """What came before it, between two of them, or after its end is not in the feed."""
    await domain.feed.visit(ADA)
    await domain.publish("topic:news", "before")
    await domain.feed.subscribe_topic(ADA, {"topic": "news"})
    await domain.publish("topic:news", "first")
    assert await domain.titles(ADA) == ["first"]
    await domain.feed.unsubscribe_topic(ADA, {"topic": "news"})
    await domain.publish("topic:news", "between")
    assert await domain.titles(ADA) == []
    await domain.feed.subscribe_topic(ADA, {"topic": "news"})
    await domain.publish("topic:news", "second")
    assert await domain.titles(ADA) == ["second"]


async def test_excluded_users_see_nothing(domain: Domain) -> None:
    """In the page and in the counts."""
    for user in (ADA, GRACE):
        await domain.feed.visit(user)
    await domain.publish("everyone", **{"except": "user:ada"})
    assert (await domain.titles(ADA), await domain.counts(ADA)) == ([], (0, 0))
    assert (await domain.titles(GRACE), await domain.counts(GRACE)) == (["Hello"], (1, 1))


async def test_a_type_for_a_role_is_hidden_from_others(domain: Domain) -> None:
    """Neither shown nor counted, even when it is addressed to the user."""
    await domain.publish(["user:ada", "user:grace"], type="alert")
    assert (await domain.titles(GRACE), await domain.counts(GRACE)) == ([], (0, 0))
    assert (await domain.titles(ADA), await domain.counts(ADA)) == (["Hello"], (1, 1))


async def test_a_muted_type_is_hidden_until_it_is_not(domain: Domain) -> None:
    """Muting hides what is there, and gives it back."""
    await domain.publish("user:ada", "liked", type="like")
    await domain.feed.set_preferences(ADA, {"types": {"like": {"bell": False}}})
    assert (await domain.titles(ADA), await domain.counts(ADA)) == ([], (0, 0))
    await domain.feed.set_preferences(ADA, {"types": {"like": {"bell": None}}})
    assert (await domain.titles(ADA), await domain.counts(ADA)) == (["liked"], (1, 1))


async def test_the_expired_and_the_withdrawn_are_gone(domain: Domain) -> None:
    """From the page and from the counts; the clock alone ends the first."""
    await domain.publish("user:ada", "short", ttl=1)
    receipt = await domain.publish("user:ada", "mistake")
    await domain.publish("user:ada", "stays")
    await domain.publisher.withdraw(receipt.notification_id, SERVICE)
    assert await domain.titles(ADA) == ["stays", "short"]
    domain.clock.pass_(1000)
    assert await domain.titles(ADA) == ["stays"]
    assert await domain.counts(ADA) == (1, 1)


@pytest.mark.parametrize(
    "call",
    ["page", "sync", "mark_read", "mark_unread", "dismiss", "mark_seen", "set_preferences",
     "subscribe_topic", "unsubscribe_topic"],
)  # fmt: skip
async def test_a_service_has_no_feed(domain: Domain, call: str) -> None:
    """A service key can publish; it reads and changes nobody's feed."""
    args = {
        "sync": {"since": ""},
        "mark_seen": {"cursor": ""},
        "subscribe_topic": {"topic": "x"},
        "unsubscribe_topic": {"topic": "x"},
        **{name: {"ids": ["1@everyone"]} for name in ("mark_read", "mark_unread", "dismiss")},
    }
    with pytest.raises(Forbidden):
        await getattr(domain.feed, call)(SERVICE, args.get(call, {}))
    with pytest.raises(Forbidden):
        await domain.feed.preferences(SERVICE)


async def test_a_user_learns_of_the_types_it_may_receive(domain: Domain) -> None:
    """Types of other roles are not told; muted ones are, to be switched on again."""
    assert set(domain.feed.types(ADA)["types"]) == set(TYPES)
    assert set(domain.feed.types(GRACE)["types"]) == set(TYPES) - {"alert"}


# Pages


async def test_logs_are_merged_newest_first(domain: Domain) -> None:
    """One feed, whichever log an entry stands in."""
    await domain.feed.visit(ADA)
    await domain.feed.subscribe_topic(ADA, {"topic": "news"})
    logs = ["user:ada", "everyone", "role:admin", "topic:news"] * 3
    for n, log in enumerate(logs):
        await domain.publish(log, str(n))
    expected = [str(n) for n in reversed(range(len(logs)))]
    assert await domain.titles(ADA) == expected
    for limit in (1, 2, 5, 11):
        assert await walk(domain, ADA, limit) == expected


async def test_an_item_is_the_entry_with_the_readers_state(domain: Domain) -> None:
    """What was published, its id, and whether it is read and seen."""
    receipt = await domain.publish("user:ada", "Hello", body="Lunch?", data={"a": 1})
    page = await domain.page(ADA)
    item = page["items"][0]
    assert item["id"] == ids(receipt)[0]
    assert (item["read"], item["seen"]) == (False, False)
    assert (item["title"], item["body"], item["data"]) == ("Hello", "Lunch?", {"a": 1})
    assert (page["unread"], page["unseen"], page["next"]) == (1, 1, None)


async def test_the_cursor_of_a_page_stands_at_the_heads(domain: Domain) -> None:
    """Who shows a page has everything up to its cursor, in all the user's logs."""
    await domain.feed.visit(ADA)
    receipt = await domain.publish(["user:ada", "everyone"])
    cursor = Cursor.parse((await domain.page(ADA))["cursor"])
    heads = {entry.audience: entry.seq for entry in receipt.entries}
    assert cursor == {**heads, "role:admin": 0}


async def test_paging_neither_skips_nor_repeats_while_publishing_goes_on(domain: Domain) -> None:
    """The pages hold what was there at the first one, each once, whatever comes meanwhile."""
    await domain.feed.visit(ADA)
    logs = ["user:ada", "everyone", "role:admin"]
    for n in range(30):
        await domain.publish(logs[n * n % 3], str(n))
    seen: list[str] = []
    before = None
    while True:
        page = await domain.page(ADA, limit=4, before=before)
        seen += [item["title"] for item in page["items"]]
        await asyncio.gather(*(domain.publish(log, "late") for log in logs))
        before = page["next"]
        if before is None:
            break
    assert seen == [str(n) for n in reversed(range(30))]


async def test_a_notification_in_several_logs_is_shown_once(domain: Domain) -> None:
    """Whoever belongs to several of its audiences reads it once, and it counts once."""
    await domain.feed.visit(ADA)
    for n in range(6):
        await domain.publish(["user:ada", "everyone", "role:admin"], str(n))
    expected = ["5", "4", "3", "2", "1", "0"]
    assert await domain.counts(ADA) == (6, 6)
    for limit in (1, 2, 4, 6, 100):
        assert await walk(domain, ADA, limit) == expected


async def test_a_page_boundary_between_copies_repeats_nothing(domain: Domain) -> None:
    """Also when others of the same moment stand between the copies."""
    await domain.feed.visit(ADA)
    audiences = [["user:ada", "everyone", "role:admin"], ["role:admin"], ["everyone", "user:ada"]]
    for n in range(9):
        await domain.publish(audiences[n % 3], str(n), after=0)
    for limit in (1, 2, 3, 4):
        assert sorted(await walk(domain, ADA, limit)) == [str(n) for n in range(9)]


async def test_only_the_unread_on_request(domain: Domain) -> None:
    """Pages are as long as asked for, however many read ones lie between."""
    receipts = [await domain.publish("user:ada", str(n)) for n in range(12)]
    read = [ids(receipt)[0] for n, receipt in enumerate(receipts) if n % 4]
    await domain.feed.mark_read(ADA, {"ids": read})
    assert await walk(domain, ADA, 2, unread=True) == ["8", "4", "0"]


async def test_only_one_type_on_request(domain: Domain) -> None:
    """The filter does not bring back what is hidden."""
    for n in range(6):
        await domain.publish("user:grace", str(n), type=["info", "like", "alert"][n % 3])
    assert await walk(domain, GRACE, 1, type="like") == ["4", "1"]
    assert await domain.titles(GRACE, type="alert") == []
    assert await domain.titles(GRACE, type="nope") == []


async def test_dismissed_ones_do_not_shorten_a_page(domain: Domain) -> None:
    """Pages are as long as asked for, however many dismissed ones lie between."""
    receipts = [await domain.publish("user:ada", str(n)) for n in range(12)]
    gone = [ids(receipt)[0] for n, receipt in enumerate(receipts) if n % 4]
    await domain.feed.dismiss(ADA, {"ids": gone})
    assert await walk(domain, ADA, 2) == ["8", "4", "0"]


async def test_a_page_without_arguments_has_20(domain: Domain) -> None:
    """The default of the protocol."""
    for _ in range(21):
        await domain.publish("user:ada")
    page = await domain.page(ADA)
    assert len(page["items"]) == 20
    assert page["next"] is not None


async def test_a_wrong_page_is_refused(domain: Domain) -> None:
    """Bad arguments reach no store."""
    with pytest.raises(InvalidRequest):
        await domain.feed.page(ADA, {"limit": -1})
    with pytest.raises(InvalidRequest):
        await domain.feed.page(ADA, {"before": "everyone=x"})


class CountingPages(Log):
    """How often a page of the logs was read."""

    def __init__(self, log: Log) -> None:
        self._page = log.page
        self.pages = 0

    async def page(self, view: View, before: Any, **options: Any) -> Any:
        self.pages += 1
        return await self._page(view, before, **options)


async def test_what_was_cleared_is_not_read_again(domain: Domain) -> None:
    """After "clear all" the next page costs one query at most, however much was cleared."""
    for _ in range(50):
        await domain.publish("user:ada")
    cursor = (await domain.page(ADA, limit=1))["cursor"]
    await domain.feed.dismiss(ADA, {"all": True, "cursor": cursor})
    await domain.publish("user:ada", "new")
    counting = CountingPages(domain.store)
    domain.store.page = counting.page  # type: ignore[method-assign]
    assert await domain.titles(ADA, limit=5) == ["new"]
    assert counting.pages <= 1


async def test_a_closed_store_fails_the_page(domain: Domain) -> None:
    """With the error that tells the caller to try again."""
    await domain.store.close()
    with pytest.raises(StoreUnavailable) as refusal:
        await domain.feed.page(ADA, {})
    assert refusal.value.retry_after


# Counts


async def test_counts_stop_at_the_cap(domain: Domain) -> None:
    """People see 99+, and counting stays bounded."""
    for _ in range(COUNT_CAP + 20):
        await domain.publish("user:ada")
    assert await domain.counts(ADA) == (COUNT_CAP, COUNT_CAP)


async def test_one_unseen_is_counted_behind_many_unread(domain: Domain) -> None:
    """The bell lights up for the newest, however many older ones are unread but seen."""
    for _ in range(COUNT_CAP + 20):
        await domain.publish("user:ada")
    cursor = (await domain.page(ADA, limit=1))["cursor"]
    await domain.feed.mark_seen(ADA, {"cursor": cursor})
    assert await domain.counts(ADA) == (COUNT_CAP, 0)
    await domain.publish("user:ada")
    assert await domain.counts(ADA) == (COUNT_CAP, 1)


async def test_unseen_ones_are_counted_in_every_log(domain: Domain) -> None:
    """Whichever log holds so many unread ones that the others need not be looked at."""
    await domain.feed.visit(ADA)
    for full, other in (("user:ada", "everyone"), ("everyone", "user:ada")):
        for _ in range(COUNT_CAP + 20):
            await domain.publish(full)
        cursor = (await domain.page(ADA, limit=1))["cursor"]
        await domain.feed.mark_seen(ADA, {"cursor": cursor})
        await domain.publish([other])
        assert await domain.counts(ADA) == (COUNT_CAP, 1)


async def test_copies_count_once_also_at_the_cap(domain: Domain) -> None:
    """Half as many notifications as it takes, each twice; then more than it takes."""
    await domain.feed.visit(ADA)
    few = COUNT_CAP // 2 + 5
    for _ in range(few):
        await domain.publish(["user:ada", "everyone"])
    assert await domain.counts(ADA) == (few, few)
    for _ in range(COUNT_CAP):
        await domain.publish(["user:ada", "everyone"])
    assert await domain.counts(ADA) == (COUNT_CAP, COUNT_CAP)


async def test_counts_are_exact_below_the_cap_however_many_are_marked(domain: Domain) -> None:
    """Read and dismissed ones do not push unread ones out of the count."""
    receipts = [await domain.publish("user:ada", str(n)) for n in range(COUNT_CAP + 30)]
    marked = [ids(receipt)[0] for receipt in receipts]
    await domain.feed.mark_read(ADA, {"ids": marked[:60]})
    await domain.feed.dismiss(ADA, {"ids": marked[60:-7]})
    assert await domain.counts(ADA) == (7, 7)


async def test_the_counts_of_a_page_are_those_of_the_whole_feed(domain: Domain) -> None:
    """Not of the page, nor of the filter."""
    for n in range(5):
        await domain.publish("user:ada", type=["info", "like"][n % 2])
    page = read(await domain.feed.page(ADA, {"limit": 1, "type": "like"}))
    assert (page["unread"], page["unseen"]) == (5, 5)
