"""Every rule that can keep an entry from a user is named, in the words of the rule that decided."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from notifier.core.explain import Explainer, Explanation
from notifier.core.models import Entry, Kind, Principal, Publication, Ref, rfc3339
from notifier.core.topics import Topics
from notifier.errors import Forbidden, InvalidRequest, NotFound
from tests.core.domain import ADA, GRACE, OPERATOR, SERVICE, TYPES, Domain

RULES = [
    *("stored", "visited", "audience", "since", "except", "role"),
    *("muted", "digest", "withdrawn", "expired", "dismissed"),
]


def explainer(domain: Domain) -> Explainer:
    return Explainer(domain.store, TYPES, clock=domain.clock)


async def explain(domain: Domain, entry: Entry, user: Principal = ADA) -> Explanation:
    return await explainer(domain).explain(entry.ref, user.id)


async def one(domain: Domain, to: str = "user:ada", **fields: object) -> Entry:
    [entry] = (await domain.publish(to, **fields)).entries
    return entry


async def prefer(domain: Domain, user: Principal = ADA, **change: object) -> None:
    await domain.feed.set_preferences(user, change)


async def test_what_is_shown_has_passed_every_rule(domain: Domain) -> None:
    """In order, and each channel has its reason."""
    await domain.feed.visit(ADA)
    found = await explain(domain, await one(domain))
    assert found.shown
    assert [rule.rule for rule in found.rules] == RULES
    assert all(rule.passed and rule.reason.endswith(".") for rule in found.rules)
    assert {channel for channel, (allowed, _) in found.channels.items() if allowed} == {
        *("bell", "toast", "push"),
    }


Making = Callable[[Domain], Awaitable[Entry]]


async def _for_others(domain: Domain) -> Entry:
    return await one(domain, "user:grace")


async def _for_a_role(domain: Domain) -> Entry:
    return await one(domain, "role:editor")


async def _from_before(domain: Domain) -> Entry:
    await domain.feed.subscribe_topic(ADA, {"topic": "old"})
    await domain.feed.unsubscribe_topic(ADA, {"topic": "old"})
    entry = await one(domain, "topic:old")
    await domain.feed.subscribe_topic(ADA, {"topic": "old"})
    return entry


async def _excepted(domain: Domain) -> Entry:
    return await one(domain, "everyone", **{"except": ["user:ada"]})


async def _for_another_role(domain: Domain) -> Entry:
    await domain.feed.visit(Principal("ada"))
    return await one(domain, type="alert")


async def _switched_off(domain: Domain) -> Entry:
    await prefer(domain, types={"like": {"bell": False}})
    return await one(domain, type="like")


async def _below_the_minimum(domain: Domain) -> Entry:
    await prefer(domain, minimum={"bell": "high"})
    return await one(domain)


async def _summed_up(domain: Domain) -> Entry:
    await prefer(domain, digests={"like": "daily"})
    return await one(domain, type="like")


async def _withdrawn(domain: Domain) -> Entry:
    entry = await one(domain)
    await domain.publisher.withdraw(entry.notification.id, SERVICE)
    return entry


async def _expired(domain: Domain) -> Entry:
    entry = await one(domain, ttl=1)
    domain.clock.pass_(1_000)
    return entry


async def _dismissed(domain: Domain) -> Entry:
    entry = await one(domain)
    await domain.feed.dismiss(ADA, {"ids": [str(entry.ref)]})
    return entry


async def _cleared(domain: Domain) -> Entry:
    entry = await one(domain)
    await domain.feed.dismiss(ADA, {"all": True, "cursor": dict([entry.ref])})
    return entry


@pytest.mark.parametrize(
    ("make", "rule", "reason"),
    [
        (_for_others, "audience", "user:grace"),
        (_for_a_role, "audience", "role:editor"),
        (_from_before, "since", "before"),
        (_excepted, "except", "left this user out"),
        (_for_another_role, "role", "admin"),
        (_switched_off, "muted", "switched the type like off"),
        (_below_the_minimum, "muted", "from priority high on"),
        (_summed_up, "digest", "daily"),
        (_withdrawn, "withdrawn", "taken back"),
        (_expired, "expired", "expired"),
        (_dismissed, "dismissed", "dismissed"),
        (_cleared, "dismissed", "dismissed"),
    ],
)
async def test_what_is_hidden_is_hidden_by_a_rule(
    domain: Domain, make: Making, rule: str, reason: str
) -> None:
    """It is the only one that does not pass; the feed says the same."""
    await domain.feed.visit(ADA)
    entry = await make(domain)
    found = await explain(domain, entry)
    assert not found.shown
    assert [r.rule for r in found.rules] == RULES
    [failed] = [r for r in found.rules if not r.passed]
    assert failed.rule == rule
    assert reason in failed.reason
    roles = (await domain.store.subscriber("ada")).roles  # type: ignore[union-attr]
    page = await domain.page(Principal("ada", roles=roles))
    assert str(entry.ref) not in [item["id"] for item in page["items"]]


@pytest.mark.parametrize("make", [_excepted, _switched_off, _summed_up])
async def test_what_is_hidden_is_on_no_channel(domain: Domain, make: Making) -> None:
    """Whatever its display."""
    await domain.feed.visit(ADA)
    found = await explain(domain, await make(domain))
    assert not any(allowed for allowed, _ in found.channels.values())


@pytest.mark.parametrize("make", [_withdrawn, _expired, _dismissed])
async def test_what_has_gone_was_on_its_channels_before(domain: Domain, make: Making) -> None:
    """A toast had been shown when it came."""
    await domain.feed.visit(ADA)
    found = await explain(domain, await make(domain))
    assert found.channels["toast"][0]


async def test_the_times_are_told(domain: Domain) -> None:
    """When it came, when it was taken back, when it would have expired."""
    await domain.feed.visit(ADA)
    entry = await one(domain, ttl=60)
    came = domain.clock()
    domain.clock.pass_(5_000)
    await domain.publisher.withdraw(entry.notification.id, SERVICE)
    at = {rule.rule: rule.at for rule in (await explain(domain, entry)).rules}
    assert (at["stored"], at["withdrawn"], at["expired"]) == (came, came + 5_000, came + 60_000)


async def test_quiet_hours_are_those_of_when_it_came(domain: Domain) -> None:
    """Asked the next day, the night before is still the reason."""
    await domain.feed.visit(ADA)
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    await prefer(domain, quiet_hours=[{"days": days, "from": "00:00", "to": "00:00"}])
    entry = await one(domain)
    found = await explain(domain, entry)
    assert found.shown
    assert {c for c, (allowed, _) in found.channels.items() if allowed} == {"bell"}
    assert "quiet hours" in found.channels["toast"][1]


async def test_who_never_came_was_shown_nothing(domain: Domain) -> None:
    """Not even when a service has subscribed the user to the topic."""
    await Topics(domain.store, domain.bus, TYPES).subscribe("grace", "news", OPERATOR)
    found = await explain(domain, await one(domain, "topic:news"), GRACE)
    assert [rule.rule for rule in found.rules if not rule.passed] == ["visited"]
    assert not found.channels["bell"][0]


async def test_the_last_known_roles_decide(domain: Domain) -> None:
    """Those of the token that the user came with last."""
    entry = await one(domain, "role:admin")
    await domain.feed.visit(ADA)
    assert (await explain(domain, entry)).shown
    await domain.feed.visit(Principal("ada"))
    assert not (await explain(domain, entry)).shown


async def test_a_withdrawal_is_nothing_to_show(domain: Domain) -> None:
    """Its place in the log is taken by the word that something else is gone."""
    await domain.feed.visit(ADA)
    await _withdrawn(domain)
    withdrawal = domain.bus.announced[-1]
    assert withdrawal.notification.kind is Kind.WITHDRAWAL
    found = await explain(domain, withdrawal)
    assert [rule.rule for rule in found.rules if not rule.passed] == ["stored"]


async def test_a_digest_is_shown_though_its_type_is_summed_up(domain: Domain) -> None:
    """It is what the others wait for."""
    await domain.feed.visit(ADA)
    entry = await _summed_up(domain)
    id = "0198c0de-0000-7000-8000-000000000000"
    digest = replace(entry.notification, id=id, kind=Kind.DIGEST)
    [stored] = (await domain.store.append(Publication(digest, ("user:ada",)))).entries
    assert (await explain(domain, stored)).shown


async def test_what_is_not_stored_cannot_be_explained(domain: Domain) -> None:
    """Nor can what is no entry id; and only administrators may ask."""
    asking = explainer(domain)
    with pytest.raises(NotFound):
        await asking.explain(Ref("user:ada", 7), "ada")
    with pytest.raises(InvalidRequest) as refusal:
        await asking.answer({"entry": "seven", "user": "a b"}, OPERATOR)
    assert set(refusal.value.errors) == {"entry", "user"}
    with pytest.raises(Forbidden):
        await asking.answer({"entry": "7@user:ada", "user": "ada"}, SERVICE)


async def test_the_answer_is_json(domain: Domain) -> None:
    """Times as clients get them everywhere."""
    await domain.feed.visit(ADA)
    entry = await one(domain)
    answer = await explainer(domain).answer({"entry": str(entry.ref), "user": "ada"}, OPERATOR)
    assert (answer["entry"], answer["user"], answer["shown"]) == (str(entry.ref), "ada", True)
    assert answer["rules"][0]["at"] == rfc3339(entry.notification.created_at)
    assert answer["channels"]["browser"]["allowed"] is False
