"""Digests: one card in place of many, complete, and nothing twice."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from notifier.core.models import Principal, rfc3339
from tests.core.domain import ADA, GRACE, OPERATOR, SERVICE
from tests.core.jobs.scene import HOUR, LEASE, MINUTE, NAMES, TYPES, WINDOW, Killed, Scene

DAY = 24 * HOUR


async def choose(scene: Scene, user: Principal = ADA, **digests: str | None) -> None:
    await scene.feed.set_preferences(user, {"digests": digests})
    await scene.run()


async def comment(scene: Scene, name: str = "Grace", to: Any = "user:ada", **fields: Any) -> str:
    sender = {"id": name.lower(), "name": name}
    given = {"type": "comment", "sender": sender, **fields}
    receipt = await scene.publish(to, f"{name} commented", **given)
    return receipt.notification_id


async def to_the_hour(scene: Scene) -> None:
    """Let time pass until just after the next full hour."""
    await scene.later(HOUR - scene.clock() % HOUR)


async def test_a_digest_comes_in_place_of_what_it_sums_up(scene: Scene) -> None:
    """One card: how many, from whom, the newest titles, since when. The rest is not shown."""
    begun = scene.clock()
    await choose(scene, comment="hourly")
    for name in NAMES:
        await comment(scene, name)
    assert await scene.items(ADA) == []
    await to_the_hour(scene)
    [card] = await scene.items(ADA)
    assert (card["type"], card["title"], card["count"]) == ("comment", "Comments: 6", 6)
    assert [sender["name"] for sender in card["senders"]] == ["Donald", "Barbara", "Edsger"]
    assert card["digest"]["since"] == rfc3339(begun)
    assert card["digest"]["titles"] == [f"{name} commented" for name in NAMES[:0:-1]]
    assert await scene.counts(ADA) == (1, 1)
    assert scene.bus.announced[-1].ref == (f"user:{ADA.id}", scene.bus.announced[-1].seq)


async def test_the_next_digest_goes_on_from_there(scene: Scene) -> None:
    """Each is summed up once; without anything new there is none."""
    await choose(scene, comment="hourly")
    for number in (2, 0, 3):
        for _ in range(number):
            await comment(scene)
        await to_the_hour(scene)
    assert [item["count"] for item in await scene.items(ADA)] == [3, 2]


async def test_a_daily_digest_comes_at_the_users_time(scene: Scene) -> None:
    """In the user's zone; what comes before waits until then."""
    change = {"digests": {"comment": "daily"}, "digest_at": "18:30", "time_zone": "Asia/Kolkata"}
    await scene.feed.set_preferences(ADA, change)
    await scene.later(DAY - scene.clock() % DAY)  # midnight in Greenwich
    before = len(await scene.items(ADA))
    await comment(scene)
    await scene.later(13 * HOUR - scene.clock() % DAY - 1)
    assert len(await scene.items(ADA)) == before
    await scene.later(1)
    [card] = await scene.items(ADA)
    assert card["created_at"].endswith("T13:00:00.000Z")


async def test_what_was_there_before_is_not_summed_up(scene: Scene) -> None:
    """The user has been shown it; the digest is about what comes from now on."""
    await comment(scene)
    await choose(scene, comment="hourly")
    await to_the_hour(scene)
    assert await scene.items(ADA) == []
    await choose(scene, comment=None)
    assert await scene.titles(ADA) == ["Grace commented"]


async def test_switching_off_brings_nothing_back(scene: Scene) -> None:
    """What was summed up stays summed up; what was not yet is shown now."""
    await choose(scene, comment="hourly")
    await comment(scene, "Grace")
    await to_the_hour(scene)
    await comment(scene, "Alan")
    await choose(scene, comment=None)
    assert await scene.titles(ADA) == ["Alan commented", "Comments: 1"]
    assert await scene.store.next_job() is None
    await comment(scene, "Barbara")
    assert len(await scene.items(ADA)) == 3


async def test_switching_on_again_starts_anew(scene: Scene) -> None:
    """What was shown in between is not summed up."""
    await choose(scene, comment="hourly")
    await choose(scene, comment=None)
    await comment(scene, "Grace")
    await choose(scene, comment="hourly")
    await comment(scene, "Alan")
    await to_the_hour(scene)
    assert [item["count"] for item in await scene.items(ADA)] == [1]


async def test_switching_quickly_loses_nothing(scene: Scene) -> None:
    """On, off and on again before any job was run."""
    for digests in ("hourly", None, "hourly"):
        await scene.feed.set_preferences(ADA, {"digests": {"comment": digests}})
    await comment(scene)
    await to_the_hour(scene)
    assert [item["count"] for item in await scene.items(ADA)] == [1]


async def test_a_change_of_times_is_followed_at_once(scene: Scene) -> None:
    """From daily to hourly, and of the time of day."""
    await choose(scene, comment="daily")
    await comment(scene)
    await choose(scene, comment="hourly")
    await to_the_hour(scene)
    assert len(await scene.items(ADA)) == 1
    await choose(scene, comment="daily")
    await comment(scene)
    await to_the_hour(scene)
    assert len(await scene.items(ADA)) == 1
    minutes = scene.clock() % DAY // MINUTE + 5
    clock = f"{minutes // 60 % 24:02}:{minutes % 60:02}"
    await scene.feed.set_preferences(ADA, {"digest_at": clock})
    await scene.later(0)
    await scene.later(6 * MINUTE)
    assert len(await scene.items(ADA)) == 2


async def test_types_and_users_have_digests_of_their_own(scene: Scene) -> None:
    """One for each type; nobody else's feed changes."""
    await scene.feed.visit(GRACE)
    await choose(scene, comment="hourly", info="hourly")
    await comment(scene, to=["user:ada", "user:grace"])
    await scene.publish("user:ada")
    await to_the_hour(scene)
    assert sorted(item["title"] for item in await scene.items(ADA)) == [
        "Comments: 1",
        "Information: 1",
    ]
    assert await scene.titles(GRACE) == ["Grace commented"]


async def test_all_of_the_users_logs_are_summed_up_each_notification_once(scene: Scene) -> None:
    """Own, roles, topics, everyone; one that came through several counts once, for ever."""
    await scene.feed.subscribe_topic(ADA, {"topic": "news"})
    await choose(scene, comment="hourly")
    await comment(scene, to="role:admin")
    await comment(scene, to="topic:news")
    await comment(scene, to="everyone")
    await comment(scene, to=["user:ada", "role:admin", "topic:news", "everyone"])
    await to_the_hour(scene)
    assert [item["count"] for item in await scene.items(ADA)] == [4]
    await to_the_hour(scene)
    await choose(scene, comment=None)
    assert len(await scene.items(ADA)) == 1


async def test_a_topic_joined_meanwhile_counts_from_then_on(scene: Scene) -> None:
    """What its log held before is not the user's."""
    await choose(scene, comment="hourly")
    await comment(scene, to="topic:news")
    await scene.feed.subscribe_topic(ADA, {"topic": "news"})
    await comment(scene, to="topic:news")
    await to_the_hour(scene)
    assert [item["count"] for item in await scene.items(ADA)] == [1]


async def test_only_what_the_user_would_see_is_summed_up(scene: Scene) -> None:
    """Not what excludes the user, was withdrawn, has expired or was dismissed with all others."""
    await choose(scene, comment="hourly")
    await comment(scene, to="everyone", **{"except": ["user:ada"]})
    await comment(scene, ttl=60)
    await scene.publisher.withdraw(await comment(scene), SERVICE)
    await comment(scene)
    cursor = (await scene.page(ADA))["cursor"]
    await scene.feed.dismiss(ADA, {"all": True, "cursor": cursor})
    await comment(scene, "Alan")
    await to_the_hour(scene)
    [card] = await scene.items(ADA)
    assert (card["count"], card["digest"]["titles"]) == (1, ["Alan commented"])


async def test_what_is_for_other_roles_is_not_summed_up(scene: Scene) -> None:
    """With the roles that the user came with last."""
    for user in (ADA, GRACE):
        await choose(scene, user, alert="hourly")
    await scene.publish("everyone", type="alert")
    await to_the_hour(scene)
    assert [item["title"] for item in await scene.items(ADA)] == ["Alerts: 1"]
    assert await scene.items(GRACE) == []


async def test_a_muted_type_has_no_digest(scene: Scene) -> None:
    """Muted is muted."""
    await choose(scene, comment="hourly")
    await scene.feed.set_preferences(ADA, {"types": {"comment": {"bell": False}}})
    await comment(scene)
    await to_the_hour(scene)
    assert len(scene.bus.announced) == 1


async def test_what_is_critical_does_not_wait(scene: Scene) -> None:
    """It is shown at once, and not again in the digest."""
    await choose(scene, comment="hourly")
    await comment(scene, priority="critical")
    await comment(scene, "Alan")
    assert len(await scene.items(ADA)) == 1
    await to_the_hour(scene)
    assert [item.get("count") for item in await scene.items(ADA)] == [1, None]


async def test_very_many_come_in_several_digests(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded each, complete together."""
    monkeypatch.setattr("notifier.core.jobs.digests.PAGE", 3)
    await choose(scene, comment="hourly")
    for _ in range(8):
        await comment(scene)
        await scene.publish("user:ada")
    for _ in range(4):
        await to_the_hour(scene)
    counts = [item["count"] for item in await scene.items(ADA) if "digest" in item]
    assert counts == [2, 3, 3]


async def test_collapsed_ones_count_as_many_as_they_stand_for(scene: Scene) -> None:
    """In one group after the other."""
    await choose(scene, like="hourly")
    for number in (4, 1, 6):
        for name in NAMES[:number]:
            await scene.like(name)
        await scene.later(WINDOW)
        await to_the_hour(scene)
    assert [item["count"] for item in await scene.items(ADA)] == [6, 1, 4]


async def test_a_group_that_grows_over_several_digests_is_counted_once(scene: Scene) -> None:
    """Its card replaces what an earlier digest has counted."""
    await choose(scene, like="hourly")
    published = 0
    for _ in range(40):
        await scene.like(NAMES[published % 6])
        published += 1
        await scene.later(WINDOW - MINUTE)
    await scene.later(WINDOW)
    await to_the_hour(scene)
    digests = [item["count"] for item in await scene.items(ADA)]
    assert len(digests) > 2
    assert sum(digests) == published


async def test_a_digest_is_withdrawn_by_nobody_and_dismissed_by_its_user(scene: Scene) -> None:
    """It is an entry of the user's log like any other."""
    await choose(scene, comment="hourly")
    await comment(scene)
    await to_the_hour(scene)
    [card] = await scene.items(ADA)
    await scene.feed.dismiss(ADA, {"ids": [card["id"]]})
    await to_the_hour(scene)
    assert await scene.items(ADA) == []


async def test_nothing_is_hidden_without_a_job_that_would_show_it(scene: Scene) -> None:
    """Whoever changes preferences and dies at any step leaves a user who misses nothing."""
    store: Any = scene.store
    for step in range(4):
        store.left = step
        with contextlib.suppress(Killed):
            await scene.feed.set_preferences(ADA, {"digests": {"comment": "hourly"}})
        store.left = None
        await comment(scene)
        await to_the_hour(scene)
        await scene.later(LEASE)
        await to_the_hour(scene)
        await choose(scene, comment=None)
        shown = sum(item.get("count", 1) for item in await scene.items(ADA))
        assert shown == step + 1


async def test_a_release_that_does_not_know_the_type_leaves_its_digest_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While old and new runners are there together: without the job nothing would ever be shown."""
    await choose(scene, comment="hourly")
    await comment(scene)
    known = {name: kind for name, kind in TYPES.items() if name != "comment"}
    with monkeypatch.context() as older:
        older.setattr(scene, "runner", scene.another_runner(known))
        await to_the_hour(scene)
        assert await scene.items(ADA) == []
    await to_the_hour(scene)
    [card] = await scene.items(ADA)
    assert card["count"] == 1


async def test_what_came_after_a_role_was_revoked_is_not_summed_up(scene: Scene) -> None:
    """Also for who is away, and came with the role last."""
    eve = Principal("eve", roles=frozenset({"admin", "editor"}))
    await choose(scene, eve, comment="hourly")
    await scene.validity.revoke(eve.id, {"roles": ["admin"]}, OPERATOR)
    for role in eve.roles:
        await comment(scene, to=[f"role:{role}"])
    await to_the_hour(scene)
    [card] = await scene.items(Principal("eve"))
    assert card["count"] == 1
