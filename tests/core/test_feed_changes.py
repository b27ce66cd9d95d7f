"""What users do with their feed, and whom that is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from notifier.core import feed
from notifier.core.models import MAX_TOPICS, Cursor, Preferences
from notifier.errors import InvalidRequest, NotFound
from tests.core.domain import ADA, GRACE, SERVICE, Domain, Told, counted, ids


async def three(domain: Domain) -> list[str]:
    """The entries of three notifications for Ada, oldest first."""
    return [ids(await domain.publish("user:ada", str(n)))[0] for n in range(3)]


async def states(domain: Domain) -> dict[str, tuple[bool, bool]]:
    """Whether each of Ada's entries is read and seen, by title."""
    items = (await domain.page(ADA))["items"]
    return {item["title"]: (item["read"], item["seen"]) for item in items}


# By id


async def test_reading_one_leaves_the_others_unread(domain: Domain) -> None:
    """The answer is the new counts."""
    first, *_ = await three(domain)
    assert await domain.feed.mark_read(ADA, {"ids": [first]}) == counted(2, 2)
    assert await states(domain) == {
        "0": (True, False),
        "1": (False, False),
        "2": (False, False),
    }


async def test_reading_twice_changes_nothing_more(domain: Domain) -> None:
    """A repeated call answers the same."""
    first, *_ = await three(domain)
    for _ in range(2):
        counts = await domain.feed.mark_read(ADA, {"ids": [first, first]})
        assert counts == counted(2, 2)


async def test_what_was_read_can_be_unread_again(domain: Domain) -> None:
    """Marked one by one, or below the watermark of "mark all read"."""
    entries = await three(domain)
    cursor = (await domain.page(ADA))["cursor"]
    await domain.feed.mark_read(ADA, {"ids": entries[:1]})
    assert (await domain.feed.mark_unread(ADA, {"ids": entries[:1]}))["unread"] == 3
    assert (await domain.feed.mark_read(ADA, {"all": True, "cursor": cursor}))["unread"] == 0
    assert (await domain.feed.mark_unread(ADA, {"ids": entries[1:2]}))["unread"] == 1
    assert (await states(domain))["1"] == (False, False)
    assert await domain.titles(ADA, unread=True) == ["1"]


async def test_so_many_can_be_marked_as_unread(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is looked up whenever anything is counted; marking one again is no other."""
    monkeypatch.setattr(feed, "MAX_UNREAD_MARKS", 2)
    entries = await three(domain)
    for marked in (entries[:2], entries[1:2]):
        await domain.feed.mark_unread(ADA, {"ids": marked})
    with pytest.raises(InvalidRequest, match="At most 2"):
        await domain.feed.mark_unread(ADA, {"ids": entries[2:]})
    await domain.feed.mark_read(ADA, {"ids": entries[:1]})
    await domain.feed.mark_unread(ADA, {"ids": entries[2:]})


async def test_mark_all_read_takes_unread_marks_away(domain: Domain) -> None:
    """The watermark passes once more over what was marked as unread below it."""
    entries = await three(domain)
    cursor = (await domain.page(ADA))["cursor"]
    everything = {"all": True, "cursor": cursor}
    await domain.feed.mark_read(ADA, everything)
    await domain.feed.mark_unread(ADA, {"ids": entries})
    assert (await domain.feed.mark_read(ADA, everything))["unread"] == 0


async def test_dismissing_one_takes_it_out_for_good(domain: Domain) -> None:
    """Out of the page and the counts; marking it as unread does not bring it back."""
    entries = await three(domain)
    assert (await domain.feed.dismiss(ADA, {"ids": entries[1:2]}))["unread"] == 2
    assert (await domain.feed.mark_unread(ADA, {"ids": entries[1:2]}))["unread"] == 2
    assert await domain.titles(ADA) == ["2", "0"]


async def test_one_users_state_is_not_anothers(domain: Domain) -> None:
    """Each reader of a shared log has a state of their own."""
    for user in (ADA, GRACE):
        await domain.feed.visit(user)
    [entry] = ids(await domain.publish("everyone"))
    await domain.feed.mark_read(ADA, {"ids": [entry]})
    await domain.feed.dismiss(ADA, {"ids": [entry]})
    assert await domain.counts(GRACE) == (1, 1)
    assert await domain.titles(GRACE) == ["Hello"]


@pytest.mark.parametrize("copy", [0, 1, 2])
async def test_a_change_reaches_all_copies(domain: Domain, copy: int) -> None:
    """Whichever copy is named, the notification is read, unread or gone in all the user's logs."""
    await domain.feed.visit(ADA)
    entries = ids(await domain.publish(["user:ada", "everyone", "role:admin"]))
    one = {"ids": [entries[copy]]}
    assert (await domain.feed.mark_read(ADA, one))["unread"] == 0
    assert set(domain.bus.told[-1].data["read"]) == set(entries)
    assert (await domain.feed.mark_unread(ADA, one))["unread"] == 1
    assert (await domain.feed.dismiss(ADA, one))["unread"] == 0
    assert await domain.titles(ADA) == []


async def test_copies_in_logs_of_others_stay_untouched(domain: Domain) -> None:
    """A reader marks only what is in the own feed."""
    await domain.feed.visit(ADA)
    entries = ids(await domain.publish(["user:ada", "user:grace"]))
    await domain.feed.dismiss(ADA, {"ids": entries[:1]})
    assert domain.bus.told[-1].data["dismissed"] == entries[:1]
    assert await domain.titles(GRACE) == ["Hello"]


@pytest.mark.parametrize("call", ["mark_read", "mark_unread", "dismiss"])
@pytest.mark.parametrize("place", ["1@user:grace", "1@role:owner", "1@topic:news"])
async def test_somebody_elses_entry_is_not_found(domain: Domain, call: str, place: str) -> None:
    """Whether it exists or not; and nothing else of the call is carried out."""
    own = await three(domain)
    await domain.publish(["user:grace", "role:owner", "topic:news"])
    with pytest.raises(NotFound):
        await getattr(domain.feed, call)(ADA, {"ids": [own[0], place]})
    assert await domain.counts(ADA) == (3, 3)
    assert domain.bus.told == []


async def test_what_is_gone_or_never_was_is_left_out(domain: Domain) -> None:
    """A late click on something expired or withdrawn is no error, and is not told."""
    short = ids(await domain.publish("user:ada", ttl=1))
    taken = await domain.publish("user:ada")
    own = await three(domain)
    await domain.publisher.withdraw(taken.notification_id, SERVICE)
    domain.clock.pass_(1000)
    unborn = f"{int(own[-1].partition('@')[0]) + 1000}@user:ada"
    change = {"ids": [*short, *ids(taken), unborn, own[0]]}
    assert await domain.feed.mark_read(ADA, change) == counted(2, 2)
    assert domain.bus.told[-1].data["read"] == own[:1]


async def test_a_withdrawal_is_no_entry_to_mark(domain: Domain) -> None:
    """Its place in the log can be named, but means nothing."""
    taken = await domain.publish("user:ada")
    await domain.publisher.withdraw(taken.notification_id, SERVICE)
    place = str(domain.bus.announced[-1].ref)
    await domain.feed.mark_unread(ADA, {"ids": [place]})
    assert domain.bus.told[-1].data["unread"] == []
    assert await domain.counts(ADA) == (0, 0)


# All up to a cursor


@pytest.mark.parametrize(
    ("call", "left"),
    [("mark_read", (1, 1)), ("dismiss", (1, 1))],
)
async def test_all_means_up_to_the_cursor(domain: Domain, call: str, left: tuple[int, int]) -> None:
    """What came after the page that the user looked at is untouched."""
    await domain.feed.visit(ADA)
    await domain.publish(["user:ada", "everyone"], "old")
    cursor = (await domain.page(ADA))["cursor"]
    await domain.publish("everyone", "new")
    await getattr(domain.feed, call)(ADA, {"all": True, "cursor": cursor})
    assert await domain.counts(ADA) == left
    assert await domain.titles(ADA, unread=True) == ["new"]


@pytest.mark.parametrize("call", ["mark_read", "dismiss", "mark_seen"])
async def test_nobody_has_read_what_is_yet_to_come(domain: Domain, call: str) -> None:
    """A cursor beyond the head counts as the head; the answer tells where it was set."""
    [entry] = ids(await domain.publish("user:ada"))
    beyond = {"user:ada": 2**53 - 1}
    change = {"cursor": beyond} if call == "mark_seen" else {"all": True, "cursor": beyond}
    await getattr(domain.feed, call)(ADA, change)
    [through] = domain.bus.told[-1].data["through"].values()
    assert Cursor.parse(through) == {"user:ada": int(entry.partition("@")[0])}
    await domain.publish("user:ada", "next")
    assert await domain.counts(ADA) == (2 if call == "mark_seen" else 1, 1)


async def test_a_watermark_never_moves_back(domain: Domain) -> None:
    """A device that was asleep does not undo what another one has done."""
    await three(domain)
    page = await domain.page(ADA)
    await domain.feed.mark_read(ADA, {"all": True, "cursor": page["cursor"]})
    await domain.feed.mark_read(ADA, {"all": True, "cursor": {"user:ada": 1}})
    assert (await domain.counts(ADA))[0] == 0


async def test_other_peoples_logs_in_a_cursor_are_ignored(domain: Domain) -> None:
    """A cursor may name logs that one has left meanwhile."""
    await three(domain)
    cursor = Cursor.parse((await domain.page(ADA))["cursor"]) | {"user:grace": 5, "role:x": 7}
    assert (await domain.feed.mark_read(ADA, {"all": True, "cursor": cursor}))["unread"] == 0
    assert "grace" not in str(domain.bus.told[-1].data)


async def test_an_empty_cursor_changes_nothing(domain: Domain) -> None:
    """All up to nowhere."""
    await three(domain)
    assert (await domain.feed.dismiss(ADA, {"all": True, "cursor": ""}))["unread"] == 3


async def test_seen_is_not_read(domain: Domain) -> None:
    """Opening the bell takes its colour, not its number."""
    await three(domain)
    cursor = (await domain.page(ADA))["cursor"]
    assert await domain.feed.mark_seen(ADA, {"cursor": cursor}) == counted(3, 0)
    assert set((await states(domain)).values()) == {(False, True)}


# What the other connections are told


@pytest.mark.parametrize(
    ("call", "change", "told"),
    [
        ("mark_read", {"ids": ["E"]}, {"read": ["E"]}),
        ("mark_unread", {"ids": ["E"]}, {"unread": ["E"]}),
        ("dismiss", {"ids": ["E"]}, {"dismissed": ["E"]}),
        ("mark_read", {"all": True, "cursor": "C"}, {"through": {"read": "C"}}),
        ("dismiss", {"all": True, "cursor": "C"}, {"through": {"dismissed": "C"}}),
        ("mark_seen", {"cursor": "C"}, {"through": {"seen": "C"}}),
    ],
)
async def test_a_change_is_told_to_the_users_other_connections(
    domain: Domain, call: str, change: dict[str, Any], told: dict[str, Any]
) -> None:
    """What changed and the new counts, to the user alone, but not to who did it."""
    entry = ids(await domain.publish("user:ada"))[0]
    number, _, audience = entry.partition("@")
    cursor = f"{audience}={number}"

    def real(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: real(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [real(inner) for inner in value]
        return {"E": entry, "C": cursor}.get(value, value) if isinstance(value, str) else value

    counts = await getattr(domain.feed, call)(ADA, real(change), origin="me")
    assert domain.bus.told == [Told("ada", "state", {**real(told), "counts": counts}, "me")]


# Preferences


async def test_preferences_start_empty(domain: Domain) -> None:
    """Everything is on until somebody says otherwise."""
    assert await domain.feed.preferences(ADA) == Preferences().as_dict()


async def test_preferences_change_only_where_something_is_given(domain: Domain) -> None:
    """Types, channels and sound independently; null resets a channel; each change counts."""
    change = domain.feed.set_preferences
    await change(ADA, {"types": {"info": {"toast": False, "push": False}}})
    await change(ADA, {"types": {"like": {"bell": False}}, "sound": False})
    after = await change(ADA, {"types": {"info": {"push": None}, "like": {"bell": None}}})
    usual = Preferences().as_dict()
    assert after == {**usual, "types": {"info": {"toast": False}}, "sound": False, "version": 3}
    assert await domain.feed.preferences(ADA) == after


async def test_a_change_of_preferences_is_told_with_the_counts_it_makes(domain: Domain) -> None:
    """The preferences to the others, the counts to all: muting changes what is counted."""
    await domain.publish("user:ada", type="like")
    after = await domain.feed.set_preferences(ADA, {"types": {"like": {"bell": False}}}, origin="x")
    assert domain.bus.told == [
        Told("ada", "preferences", after, "x"),
        Told("ada", "state", {"counts": counted(0, 0)}, None),
    ]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"types": {"nope": {"bell": False}}}, "types.nope"),
        ({"types": {"security": {"bell": False}}}, "types.security"),
        ({"types": {"security": {"toast": False}}}, "types.security"),
        ({"types": {"info": {"modal": False}}}, "types.info.modal"),
        ({"muted_until": "9999-12-31T23:59:59-05:00"}, "muted_until"),
        ({"muted_until": "0500-01-01T00:00:00Z"}, "muted_until"),
    ],
)
async def test_impossible_preferences_are_refused(
    domain: Domain, change: dict[str, Any], path: str
) -> None:
    """Unknown types and channels, and types that must not be switched off."""
    with pytest.raises(InvalidRequest) as refusal:
        await domain.feed.set_preferences(ADA, change)
    assert list(refusal.value.errors) == [path]
    assert (await domain.feed.preferences(ADA))["version"] == 0
    assert domain.bus.told == []


async def test_racing_devices_lose_no_preference(domain: Domain) -> None:
    """Each change is made to what the other has left; versions number them all."""
    types = ["info", "like", "alert"]
    changes = [{"types": {t: {c: False}}} for t in types for c in ("bell", "toast", "push")]
    answers = await asyncio.gather(*(domain.feed.set_preferences(ADA, one) for one in changes))
    assert sorted(answer["version"] for answer in answers) == list(range(1, 10))
    everything_off = {"bell": False, "toast": False, "push": False}
    assert (await domain.feed.preferences(ADA))["types"] == dict.fromkeys(types, everything_off)


# Topics


async def test_a_subscription_answers_where_the_topic_stands(domain: Domain) -> None:
    """And tells the user's other connections to join as well."""
    receipt = await domain.publish("topic:news;1")
    answer = await domain.feed.subscribe_topic(ADA, {"topic": "news;1"}, origin="x")
    assert Cursor.parse(answer["cursor"]) == {"topic:news;1": receipt.entries[0].seq}
    assert domain.bus.told == [Told("ada", "state", {"joined": answer["cursor"]}, "x")]


async def test_subscribing_again_keeps_the_beginning(domain: Domain) -> None:
    """What came since the first subscription stays in the feed."""
    await domain.feed.subscribe_topic(ADA, {"topic": "news"})
    await domain.publish("topic:news")
    await domain.feed.subscribe_topic(ADA, {"topic": "news"})
    assert await domain.titles(ADA) == ["Hello"]


async def test_the_end_of_a_subscription_is_told_with_the_counts(domain: Domain) -> None:
    """Other connections leave the topic; its notifications no longer count."""
    await domain.feed.subscribe_topic(ADA, {"topic": "news"})
    await domain.publish("topic:news")
    counts = await domain.feed.unsubscribe_topic(ADA, {"topic": "news"}, origin="x")
    assert counts == counted(0, 0)
    assert domain.bus.told[-1] == Told(
        "ada", "state", {"left": ["topic:news"], "counts": counts}, "x"
    )


async def test_ending_what_never_began_is_no_error(domain: Domain) -> None:
    """The wish is fulfilled already."""
    counts = await domain.feed.unsubscribe_topic(ADA, {"topic": "news"})
    assert counts == counted(0, 0)


async def test_nobody_follows_more_topics_than_the_limit(domain: Domain) -> None:
    """Each is a log to merge; those followed already can be subscribed to again."""
    for n in range(MAX_TOPICS):
        await domain.feed.subscribe_topic(ADA, {"topic": str(n)})
    await domain.feed.subscribe_topic(ADA, {"topic": "0"})
    with pytest.raises(InvalidRequest, match=str(MAX_TOPICS)):
        await domain.feed.subscribe_topic(ADA, {"topic": "another"})
