"""What a reader who comes back has missed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest

from notifier.core.feed import REPLAY_LIMIT, Replay
from notifier.core.models import Cursor, Entry, Kind, Principal
from tests.core.domain import ADA, DAY, GRACE, SERVICE, Domain, ids, read


async def position(domain: Domain, user: Principal = ADA) -> Cursor:
    """Where a reader stands who has everything."""
    return Cursor.parse((await domain.page(user))["cursor"])


async def missed(domain: Domain, since: Cursor | None, user: Principal = ADA) -> Replay:
    """What a reader who stands there is told."""
    return await domain.feed.replay(await domain.feed.visit(user), since)


def titles(entries: Sequence[Entry]) -> list[str]:
    return [orjson.loads(entry.wire())["title"] for entry in entries]


async def test_a_first_visit_replays_nothing(domain: Domain) -> None:
    """Without a cursor there is nothing to go on from: the reader starts at the heads."""
    await domain.publish("user:ada")
    replay = await missed(domain, None)
    assert (list(replay.entries), replay.recovered) == ([], True)
    assert replay.cursor == await position(domain)


async def test_who_missed_nothing_gets_nothing(domain: Domain) -> None:
    """The cursor stays where it is."""
    await domain.publish("user:ada")
    since = await position(domain)
    replay = await missed(domain, since)
    assert (list(replay.entries), replay.cursor, replay.recovered) == ([], since, True)


async def test_what_was_missed_comes_in_order(domain: Domain) -> None:
    """Oldest first over all logs, each log in its own order, everything exactly once."""
    since = await position(domain)
    logs = ["user:ada", "everyone", "role:admin"]
    receipts = [await domain.publish(logs[n % 3], str(n)) for n in range(9)]
    replay = await missed(domain, since)
    assert titles(replay.entries) == [str(n) for n in range(9)]
    assert replay.recovered
    assert replay.cursor == {r.entries[0].audience: r.entries[0].seq for r in receipts}
    assert list((await missed(domain, replay.cursor)).entries) == []


async def test_a_withdrawal_is_replayed_instead_of_what_it_took_back(domain: Domain) -> None:
    """Who has shown it learns to remove it; who has not is not shown it."""
    shown = await domain.publish("user:ada")
    since = await position(domain)
    missed_too = await domain.publish("user:ada")
    for receipt in (shown, missed_too):
        await domain.publisher.withdraw(receipt.notification_id, SERVICE)
    replay = await missed(domain, since)
    assert [entry.notification.kind for entry in replay.entries] == [Kind.WITHDRAWAL] * 2
    answer = read(await domain.feed.sync(ADA, {"since": since}))
    assert (answer["items"], answer["removed"]) == ([], [*ids(shown), *ids(missed_too)])


async def test_too_much_is_not_replayed_at_all(domain: Domain) -> None:
    """The limit of one log is still replayed; one more, and the feed must be loaded again."""
    since = await position(domain)
    await asyncio.gather(*(domain.publish("user:ada") for _ in range(REPLAY_LIMIT)))
    replay = await missed(domain, since)
    assert (len(replay.entries), replay.recovered) == (REPLAY_LIMIT, True)
    await domain.publish("user:ada")
    replay = await missed(domain, since)
    assert (len(replay.entries), replay.recovered) == (0, False)
    assert replay.cursor == await position(domain)


@pytest.mark.parametrize("ahead", [1, 2**40])
async def test_a_cursor_from_beyond_is_not_believed(domain: Domain, ahead: int) -> None:
    """A store that was restored from a backup is behind its readers: they start afresh."""
    await domain.publish("user:ada")
    since = await position(domain)
    replay = await missed(domain, Cursor({**since, "user:ada": since["user:ada"] + ahead}))
    assert (replay.recovered, replay.cursor) == (False, since)


@pytest.mark.parametrize(
    ("added", "gone"), [({"role:other": 0}, ()), ({}, ("role:admin",)), ({}, ("everyone",))]
)
async def test_a_reader_of_other_logs_starts_afresh(
    domain: Domain, added: dict[str, int], gone: tuple[str, ...]
) -> None:
    """A role or a topic more or less changes what the whole feed is."""
    since = await position(domain)
    changed = Cursor({a: seq for a, seq in {**since, **added}.items() if a not in gone})
    replay = await missed(domain, changed)
    assert (list(replay.entries), replay.recovered, replay.cursor) == ([], False, since)


async def test_a_lost_role_is_not_replayed(domain: Domain) -> None:
    """Whatever the cursor names: who is in which log follows from the token."""
    since = await position(domain)
    await domain.publish("role:admin")
    former = replace(ADA, roles=frozenset())
    replay = await missed(domain, since, former)
    assert (list(replay.entries), replay.recovered) == ([], False)
    assert "role:admin" not in replay.cursor


async def test_what_is_hidden_is_not_replayed_but_passed(domain: Domain) -> None:
    """Other roles' types, muted types and exclusions; the cursor goes on behind them."""
    await domain.feed.set_preferences(GRACE, {"types": {"like": {"bell": False}}})
    since = await position(domain, GRACE)
    for fields in ({"type": "alert"}, {"type": "like"}, {"except": ["user:grace"]}):
        receipt = await domain.publish("user:grace", **fields)
    replay = await missed(domain, since, GRACE)
    assert list(replay.entries) == []
    assert replay.cursor["user:grace"] == receipt.entries[0].seq


async def test_what_has_expired_is_not_replayed(domain: Domain) -> None:
    """Nobody is shown what is over."""
    since = await position(domain)
    await domain.publish("user:ada", "short", ttl=1)
    await domain.publish("user:ada", "long")
    domain.clock.pass_(1000)
    assert titles((await missed(domain, since)).entries) == ["long"]


async def test_a_log_that_was_purged_and_began_again_is_replayed(domain: Domain) -> None:
    """The new numbers lie above the old ones, so an old cursor misses nothing."""
    await domain.publish("user:ada", "old", ttl=1)
    since = await position(domain)
    domain.clock.pass_(DAY)
    assert await domain.store.purge(domain.clock()) == 1
    await domain.publish("user:ada", "new")
    replay = await missed(domain, since)
    assert (titles(replay.entries), replay.recovered) == (["new"], True)


async def test_sync_answers_the_replay_with_counts(domain: Domain) -> None:
    """The same for who asks by event or poll."""
    since = await position(domain)
    [entry] = ids(await domain.publish("user:ada"))
    answer = read(await domain.feed.sync(ADA, {"since": str(since)}))
    assert [item["id"] for item in answer["items"]] == [entry]
    assert (answer["removed"], answer["recovered"]) == ([], True)
    assert (answer["unread"], answer["unseen"]) == (1, 1)
    assert Cursor.parse(answer["cursor"]) == await position(domain)


async def test_replay_beside_a_publisher_that_never_stops(domain: Domain) -> None:
    """Wherever a replay ends, the next one goes on from there: together they hold every entry."""
    since = await position(domain)
    publishing = asyncio.gather(
        *(domain.publish(["user:ada", "everyone"], str(n)) for n in range(60))
    )
    found: list[Entry] = []
    while not publishing.done():
        replay = await missed(domain, since)
        assert replay.recovered
        found += replay.entries
        since = replay.cursor
    found += (await missed(domain, since)).entries
    for audience in ("user:ada", "everyone"):
        seqs = [entry.seq for entry in found if entry.audience == audience]
        assert seqs == list(range(seqs[0], seqs[0] + 60))
