"""An entry meets the connections of a node once and in order, whatever the bus does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.core.models import Entry, now_ms
from notifier.core.ports import Log
from notifier.errors import Overloaded, StoreUnavailable
from notifier.realtime import hub as hub_module
from notifier.realtime.hub import REPAIR_LIMIT, REST, Channels, Hub
from notifier.store import open_store
from tests.core.domain import Clock, Domain
from tests.realtime.engine.wire import until


class Watched(Log):
    """The log of a real store: counts questions, and can be made to wait or to fail."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.questions: list[str] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.failure: Exception | None = None

    async def heads(self, audiences: Collection[str]) -> dict[str, int]:
        return await self._answer("heads", self._log.heads(list(audiences)))

    async def after(
        self, positions: Mapping[str, int], *, limit: int, now: int
    ) -> dict[str, list[Entry]]:
        return await self._answer("after", self._log.after(positions, limit=limit, now=now))

    async def _answer(self, question: str, asking: Any) -> Any:
        """What the store said at the moment of the question, as soon as answers may come."""
        self.questions.append(question)
        answer = await asking
        await self.answering.wait()
        if self.failure is not None:
            raise self.failure
        return answer


class Delivered:
    """A sink that writes down what reaches it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.told: list[tuple[str, str, Any, str | None]] = []

    def deliver(self, entry: Entry) -> None:
        self.entries.append(entry)

    def tell(self, user: str, event: str, data: Any, skip: str | None) -> None:
        self.told.append((user, event, data, skip))

    def of(self, audience: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.audience == audience]


class Wishes(Channels):
    """Channels that write down what is wanted."""

    def __init__(self) -> None:
        self.healthy = True
        self.listened: list[str] = []
        self.unlistened: list[str] = []
        self.deaf: set[str] = set()
        """What is heard only once ``hearing`` is set."""
        self.hearing = asyncio.Event()

    async def listen(self, audiences: Collection[str]) -> None:
        self.listened += audiences
        if not self.deaf.isdisjoint(audiences):
            await self.hearing.wait()

    def unlisten(self, audiences: Collection[str]) -> None:
        self.unlistened += audiences


class Stage:
    """A hub on a real store, nothing of which hints at anything by itself."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.log = Watched(domain.store)
        self.channels = Wishes()
        self.hub = Hub(self.log, self.channels)
        self.sink = Delivered()
        self.hub.sinks.append(self.sink)
        self.hub.start()

    async def store(self, audience: str, count: int = 1, **fields: Any) -> list[Entry]:
        """Store notifications without telling anybody."""
        receipts = [await self.domain.publish(audience, **fields) for _ in range(count)]
        return [receipt.entries[0] for receipt in receipts]

    async def delivered(self, count: int) -> None:
        """Wait until so many entries have been delivered."""
        await until(lambda: len(self.sink.entries) >= count)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = Clock()
    clock.now = now_ms()  # the hub asks for what lives now
    store = await open_store(f"sqlite:///{tmp_path}/notifier.db", clock=clock)
    stage = Stage(Domain(store, clock))
    yield stage
    await stage.hub.close()
    await store.close()


# In order


async def test_the_next_entry_is_delivered_at_once(stage: Stage) -> None:
    """Without asking the store; an empty log begins with its first entry."""
    await stage.hub.join(["everyone"])
    entries = await stage.store("everyone", 3)
    for entry in entries:
        stage.hub.deliver(entry)
    assert stage.sink.entries == entries
    assert stage.log.questions == ["heads"]
    assert stage.hub.position("everyone") == entries[-1].seq


async def test_what_was_delivered_is_dropped(stage: Stage) -> None:
    """Also long afterwards."""
    await stage.hub.join(["everyone"])
    entries = await stage.store("everyone", 3)
    for entry in [*entries, entries[2], entries[0]]:
        stage.hub.deliver(entry)
    assert stage.sink.entries == entries
    assert stage.hub.metrics.dropped == 2


async def test_what_was_there_before_the_first_reader_is_not_delivered(stage: Stage) -> None:
    """A log is followed from its head."""
    entries = await stage.store("everyone", 2)
    await stage.hub.join(["everyone"])
    assert stage.hub.position("everyone") == entries[-1].seq
    stage.hub.deliver(entries[0])
    stage.hub.deliver(entries[1])
    assert stage.sink.entries == []


async def test_a_gap_is_filled_from_the_store_before_the_later_entry(stage: Stage) -> None:
    """The hints of the first two were lost."""
    await stage.hub.join(["everyone"])
    entries = await stage.store("everyone", 3)
    stage.hub.deliver(entries[2])
    await stage.delivered(3)
    assert stage.sink.entries == entries
    assert stage.hub.metrics.repaired == 3


async def test_a_late_hint_fills_its_gap_without_the_store(stage: Stage) -> None:
    """Hints that overtook each other are put in order as soon as all are there."""
    await stage.hub.join(["everyone"])
    stage.log.answering.clear()
    entries = await stage.store("everyone", 3)
    for entry in (entries[2], entries[1], entries[0]):
        stage.hub.deliver(entry)
    assert stage.sink.entries == entries
    stage.log.answering.set()


async def test_a_hint_that_arrives_while_the_store_is_asked_is_not_lost(stage: Stage) -> None:
    """It is newer than the answer, and follows it."""
    await stage.hub.join(["everyone"])
    entries = await stage.store("everyone", 2)
    stage.log.answering.clear()
    stage.hub.deliver(entries[1])
    await until(lambda: "after" in stage.log.questions)
    entries += await stage.store("everyone", 2)
    stage.hub.deliver(entries[3])
    stage.hub.deliver(entries[2])
    stage.log.answering.set()
    await stage.delivered(4)
    assert stage.sink.entries == entries


async def test_a_lost_last_hint_is_found_by_the_check(stage: Stage) -> None:
    """Nothing later would reveal it; comparing with the store does."""
    await stage.hub.join(["everyone", "user:ada"])
    entries = await stage.store("everyone") + await stage.store("user:ada")
    stage.hub.catch_up()
    await stage.delivered(2)
    assert sorted(stage.sink.entries, key=str) == sorted(entries, key=str)


async def test_while_hints_are_lost_the_store_is_asked_again_and_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, until the bus is whole again; with many logs less often."""
    monkeypatch.setattr(hub_module, "DEGRADED_CHECK_SECONDS", 0.01)
    await stage.hub.join(["everyone", "user:ada"])
    stage.channels.healthy = False
    for count in (1, 2):
        await stage.store("everyone")
        await stage.delivered(count)
    monkeypatch.setattr(hub_module, "CHECKED_PER_SECOND", 0.01)
    await asyncio.sleep(0.2)  # what was asked already is answered
    asked = len(stage.log.questions)
    await asyncio.sleep(0.2)
    assert len(stage.log.questions) == asked


async def test_a_bus_that_loses_hints_without_end_leaves_the_store_in_peace(stage: Stage) -> None:
    """After each comparison it rests for a multiple of what that took."""
    await stage.hub.join(["everyone"])
    loop = asyncio.get_running_loop()
    taken = 0.05
    began = loop.time()
    for asked in (2, 3, 4):
        stage.log.answering.clear()
        stage.hub.catch_up()
        await until(lambda asked=asked: len(stage.log.questions) == asked)
        await asyncio.sleep(taken)
        stage.log.answering.set()
    assert loop.time() - began >= 3 * taken + 2 * REST * taken


async def test_more_than_one_answer_holds_is_caught_up_with(stage: Stage) -> None:
    """The store is asked again until nothing is left, in order."""
    await stage.hub.join(["everyone"])
    publishing = (stage.domain.publish("everyone") for _ in range(REPAIR_LIMIT + 20))
    receipts = await asyncio.gather(*publishing)
    stage.hub.catch_up()
    await stage.delivered(len(receipts))
    seqs = [entry.seq for entry in stage.sink.entries]
    assert seqs == list(range(seqs[0], seqs[0] + len(receipts)))


async def test_an_expired_entry_does_not_hold_up_the_later_ones(stage: Stage) -> None:
    """What the store no longer has is not waited for, nor delivered from a hint kept for it."""
    await stage.hub.join(["everyone"])
    stage.domain.clock.pass_(-10_000)
    _, second = await stage.store("everyone", 2, ttl=1)
    stage.domain.clock.pass_(10_000)
    stage.hub.deliver(second)
    [third] = await stage.store("everyone")
    stage.hub.deliver(third)
    await stage.delivered(1)
    assert stage.sink.entries == [third]


async def test_an_announcement_of_what_was_never_stored_changes_nothing(stage: Stage) -> None:
    """A number from far ahead does not make the hub deaf to the real entries."""
    await stage.hub.join(["everyone"])
    [real] = await stage.store("everyone")
    forged = Entry("everyone", real.seq + 1_000_000, real.notification)
    stage.hub.deliver(forged)
    await stage.delivered(1)
    [following] = await stage.store("everyone")
    stage.hub.deliver(following)
    await stage.delivered(2)
    assert stage.sink.entries == [real, following]


async def test_a_log_does_not_begin_in_the_future(stage: Stage) -> None:
    """Else the real entries would look old. What claims to is looked for in the store."""
    await stage.hub.join(["everyone"])
    entries = await stage.store("everyone", 2)
    forged = Entry("everyone", entries[0].seq + 1000 * 3_600_000, entries[0].notification)
    stage.hub.deliver(forged)
    stage.hub.deliver(entries[0])
    stage.hub.deliver(entries[1])
    await stage.delivered(2)
    assert stage.sink.entries == entries


async def test_catching_up_goes_on_when_the_store_is_back(stage: Stage) -> None:
    """A failing store is asked again; the logs to compare are not forgotten."""
    await stage.hub.join(["everyone"])
    entries = await stage.store("everyone", 2)
    stage.log.failure = StoreUnavailable("away")
    stage.hub.catch_up()
    await until(lambda: stage.log.questions.count("after") >= 1)
    stage.log.failure = None
    await stage.delivered(2)
    assert stage.sink.entries == entries


async def test_catching_up_survives_whatever_fails(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a fault that nobody thought of: it is told in the log, and repair goes on."""
    monkeypatch.setattr(hub_module, "RETRY_SECONDS", 0.01)
    await stage.hub.join(["everyone"])
    entries = await stage.store("everyone", 2)
    stage.log.failure = ValueError("an entry of a later release")
    stage.hub.catch_up()
    await until(lambda: stage.log.questions.count("after") >= 2)
    stage.log.failure = None
    await stage.delivered(2)
    assert stage.sink.entries == entries


async def test_a_sink_that_fails_does_not_cost_others_their_entries(stage: Stage) -> None:
    """Neither those delivered by a hint nor those supplied by the store."""

    class Broken(Delivered):
        def deliver(self, entry: Entry) -> None:
            raise RuntimeError

    stage.hub.sinks.insert(0, Broken())
    await stage.hub.join(["everyone"])
    entries = await stage.store("everyone", 3)
    stage.hub.deliver(entries[0])
    stage.hub.deliver(entries[2])
    await stage.delivered(3)
    assert stage.sink.entries == entries


# Readers


async def test_an_entry_without_readers_is_not_delivered(stage: Stage) -> None:
    """Neither before the first reader came nor after the last one left."""
    [one] = await stage.store("everyone")
    stage.hub.deliver(one)
    await stage.hub.join(["everyone"])
    stage.hub.leave(["everyone"])
    [two] = await stage.store("everyone")
    stage.hub.deliver(two)
    assert stage.sink.entries == []
    assert stage.hub.logs == 0


async def test_readers_are_counted(stage: Stage) -> None:
    """A log is followed from its first reader to its last, and asked for once."""
    await stage.hub.join(["everyone", "user:ada"])
    await stage.hub.join(["everyone"])
    stage.hub.leave(["everyone", "user:ada"])
    assert (stage.hub.logs, stage.channels.unlistened) == (1, ["user:ada"])
    [entry] = await stage.store("everyone")
    stage.hub.deliver(entry)
    assert stage.sink.entries == [entry]
    stage.hub.leave(["everyone"])
    assert stage.hub.logs == 0
    assert stage.channels.listened == ["everyone", "user:ada"]
    assert stage.channels.unlistened == ["user:ada", "everyone"]


async def test_leaving_what_nobody_joined_is_no_error(stage: Stage) -> None:
    """It has been left already."""
    stage.hub.leave(["everyone"])
    assert stage.channels.unlistened == []


async def test_many_logs_cost_one_question(stage: Stage) -> None:
    """When they are joined, and when they are compared with the store."""
    audiences = [f"user:{n}" for n in range(200)]
    await stage.hub.join(audiences)
    for audience in audiences[:3]:
        await stage.store(audience)
    stage.hub.catch_up()
    await stage.delivered(3)
    assert stage.log.questions == ["heads", "after"]


async def test_concurrent_joins_share_one_opening(stage: Stage) -> None:
    """A thousand who connect at once ask the store once."""
    await asyncio.gather(*(stage.hub.join(["everyone"]) for _ in range(1000)))
    assert stage.log.questions == ["heads"]
    assert stage.channels.listened == ["everyone"]
    for _ in range(999):
        stage.hub.leave(["everyone"])
    assert stage.hub.logs == 1


async def test_the_bus_is_heard_before_the_store_is_asked(stage: Stage) -> None:
    """The other way round something would fall between."""
    stage.channels.deaf = {"everyone"}
    joining = asyncio.create_task(stage.hub.join(["everyone"]))
    await until(lambda: stage.channels.listened == ["everyone"])
    assert stage.log.questions == []
    stage.channels.hearing.set()
    await joining
    assert stage.log.questions == ["heads"]


async def test_a_hint_that_arrives_while_a_log_is_opened_is_not_lost(stage: Stage) -> None:
    """The store was asked before the entry was stored: the hint is newer than the answer."""
    stage.log.answering.clear()
    joining = asyncio.create_task(stage.hub.join(["everyone"]))
    await until(lambda: stage.log.questions == ["heads"])
    old, new = await stage.store("everyone", 2)
    stage.hub.deliver(old)
    stage.hub.deliver(new)
    stage.log.answering.set()
    await joining
    await stage.delivered(2)
    assert stage.sink.entries == [old, new]


async def test_a_store_that_is_away_refuses_readers_and_leaves_nothing(stage: Stage) -> None:
    """Nothing is joined and nothing listened to; when the store is back, all is well."""
    stage.log.failure = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        await stage.hub.join(["everyone", "user:ada"])
    assert stage.hub.logs == 0
    assert sorted(stage.channels.unlistened) == sorted(stage.channels.listened)
    stage.log.failure = None
    await stage.hub.join(["everyone"])
    [entry] = await stage.store("everyone")
    stage.hub.deliver(entry)
    assert stage.sink.entries == [entry]


async def test_who_fails_to_join_takes_nobody_elses_place(stage: Stage) -> None:
    """A log that failed may have been joined anew before the first one notices."""
    stage.channels.deaf = {"user:slow"}
    waiting = asyncio.create_task(stage.hub.join(["user:slow"]))
    await until(lambda: stage.channels.listened == ["user:slow"])
    stage.log.failure = StoreUnavailable("away")
    failing = asyncio.create_task(stage.hub.join(["user:slow", "everyone"]))
    await until(lambda: stage.channels.unlistened == ["everyone"])
    stage.log.failure = None
    await stage.hub.join(["everyone"])
    stage.channels.hearing.set()
    with pytest.raises(StoreUnavailable):
        await failing
    await waiting
    [entry] = await stage.store("everyone")
    stage.hub.deliver(entry)
    assert stage.sink.entries == [entry]


async def test_a_failed_log_takes_its_place_in_the_others_back(stage: Stage) -> None:
    """Who joins several logs joins all of them or none."""
    await stage.hub.join(["user:ada"])
    stage.log.failure = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        await stage.hub.join(["user:ada", "everyone"])
    stage.hub.leave(["user:ada"])
    assert stage.hub.logs == 0


async def test_who_gives_up_while_joining_leaves_nothing(stage: Stage) -> None:
    """A client that hung up is not a reader; others who wait for the same log still become it."""
    stage.log.answering.clear()
    giving_up = asyncio.create_task(stage.hub.join(["everyone", "user:ada"]))
    staying = asyncio.create_task(stage.hub.join(["everyone"]))
    await until(lambda: stage.log.questions == ["heads"])
    giving_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await giving_up
    stage.log.answering.set()
    await staying
    assert stage.hub.logs == 1
    stage.hub.leave(["everyone"])
    assert sorted(stage.channels.unlistened) == sorted(stage.channels.listened)


async def test_a_hub_that_closes_keeps_nobody_waiting(stage: Stage) -> None:
    """Who is joining is told to go elsewhere."""
    stage.log.answering.clear()
    joining = asyncio.create_task(stage.hub.join(["everyone"]))
    await until(lambda: stage.log.questions == ["heads"])
    await stage.hub.close()
    with pytest.raises(Overloaded):
        await asyncio.wait_for(joining, 10)


async def test_events_for_a_user_reach_every_sink(stage: Stage) -> None:
    """With the connection that is to be left out."""
    other = Delivered()
    stage.hub.sinks.append(other)
    stage.hub.tell("ada", "state", {"read": []}, "sid")
    assert stage.sink.told == other.told == [("ada", "state", {"read": []}, "sid")]


# Whatever the bus does

moves = st.lists(st.one_of(st.none(), st.integers(0, 7), st.just("check"), st.just("wait")))
"""None: store the next entry. A number: hint at that entry, if it is stored. The rest: compare with
the store; let the hub work for a moment."""


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(moves=moves)
async def test_any_hints_and_a_check_deliver_every_entry_once(stage: Stage, moves: list) -> None:
    """Lost, repeated or overtaken: in the end every entry came exactly once and in order."""
    audience = f"user:{uuid4()}"
    await stage.hub.join([audience])
    stored: list[Entry] = []
    for move in moves:
        if move is None:
            stored += await stage.store(audience)
        elif move == "check":
            stage.hub.catch_up()
        elif move == "wait":
            await asyncio.sleep(0)
        elif move < len(stored):
            stage.hub.deliver(stored[move])
    stored += await stage.store(audience)
    stage.hub.catch_up()
    await until(lambda: len(stage.sink.of(audience)) >= len(stored))
    assert stage.sink.of(audience) == stored
