"""Services decide for users which topics they follow."""

from __future__ import annotations

import pytest

from notifier.core.models import MAX_TOPICS, TOPICS, Cursor, Principal
from notifier.core.topics import Topics
from notifier.errors import Forbidden, InvalidRequest
from tests.core.domain import ADA, GRACE, OPERATOR, SERVICE, TYPES, Domain

CRM = Principal("crm", is_service=True, scopes=frozenset({TOPICS}))


def topics(domain: Domain) -> Topics:
    return Topics(domain.store, domain.bus, TYPES, clock=domain.clock)


async def test_a_user_is_subscribed_from_now_on(domain: Domain) -> None:
    """As if the user had done it; every device is told."""
    await domain.feed.visit(ADA)
    await domain.publish("topic:news", "before")
    await topics(domain).subscribe("ada", "news", CRM)
    await domain.publish("topic:news", "after")
    assert await domain.titles(ADA) == ["after"]
    told = domain.bus.told[-1]
    assert (told.user, told.event, told.skip) == ("ada", "state", None)
    assert list(Cursor.parse(told.data["joined"])) == ["topic:news"]


async def test_subscribing_again_changes_nothing(domain: Domain) -> None:
    """What came in between stays."""
    await topics(domain).subscribe("ada", "news", CRM)
    await domain.publish("topic:news", "between")
    await topics(domain).subscribe("ada", "news", OPERATOR)
    assert await domain.titles(ADA) == ["between"]


async def test_who_never_came_finds_the_topic_but_no_former_broadcast(domain: Domain) -> None:
    """Being subscribed is no visit: the view of everyone starts with the first one."""
    await domain.publish("everyone", "long ago")
    await topics(domain).subscribe("grace", "news", CRM)
    await domain.publish("everyone", "before the visit")
    await domain.publish("topic:news", "for you")
    assert await domain.titles(GRACE) == ["for you"]
    await domain.publish("everyone", "after the visit")
    assert await domain.titles(GRACE) == ["after the visit", "for you"]


async def test_a_subscription_is_ended(domain: Domain) -> None:
    """Its notifications leave the feed; the devices get the new counts, by the last known roles."""
    await domain.feed.visit(ADA)
    await topics(domain).subscribe("ada", "news", CRM)
    await domain.publish("topic:news", "gone")
    await domain.publish("role:admin", "stays")
    domain.bus.told.clear()
    await topics(domain).unsubscribe("ada", "news", CRM)
    [told] = domain.bus.told
    assert told.data["left"] == ["topic:news"]
    assert told.data["counts"]["unread"] == 1
    assert await domain.titles(ADA) == ["stays"]
    await topics(domain).unsubscribe("ada", "news", CRM)
    await topics(domain).unsubscribe("nobody", "news", CRM)
    assert domain.bus.told == [told]


async def test_it_needs_a_scope(domain: Domain) -> None:
    """Publishing is another matter, and users decide for themselves in another way."""
    for caller in (SERVICE, ADA):
        with pytest.raises(Forbidden):
            await topics(domain).subscribe("ada", "news", caller)
        with pytest.raises(Forbidden):
            await topics(domain).unsubscribe("ada", "news", caller)


@pytest.mark.parametrize(
    ("user", "topic", "field"), [("a b", "news", "user"), ("ada", "", "topic")]
)
async def test_names_are_checked(domain: Domain, user: str, topic: str, field: str) -> None:
    """Like everywhere."""
    with pytest.raises(InvalidRequest) as refusal:
        await topics(domain).subscribe(user, topic, CRM)
    assert list(refusal.value.errors) == [field]


async def test_nobody_follows_more_topics_than_agreed(domain: Domain) -> None:
    """Whoever decides."""
    for number in range(MAX_TOPICS):
        await topics(domain).subscribe("ada", str(number), CRM)
    with pytest.raises(InvalidRequest):
        await topics(domain).subscribe("ada", "more", CRM)
    await topics(domain).subscribe("ada", "0", CRM)
