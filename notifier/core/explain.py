"""Why a user did or did not get an entry: the rules that decide, asked once more, with reasons.

Nothing is decided here. Who sees what is asked of the ``View`` that feeds, counts and live delivery
go by, where it appears of ``display``; so the answer is by what is known now: the last known roles,
today's subscriptions and preferences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from notifier.core import display, policy
from notifier.core.loading import load
from notifier.core.models import (
    CHANNELS,
    Entry,
    Kind,
    Principal,
    Ref,
    Subscriber,
    View,
    from_rfc3339,
    now_ms,
    rfc3339,
)
from notifier.core.ports import Store
from notifier.core.schemas import EXPLAIN
from notifier.core.types import DEFAULT_TYPE, NotificationType, TypeCatalogue
from notifier.core.views import view_of
from notifier.errors import Forbidden, NotFound


class Rule(NamedTuple):
    """One thing that must be so for the entry to be shown, and whether it is.

    ``at`` is when it became so or ends, in milliseconds; None: that is not known.
    """

    rule: str
    passed: bool
    reason: str
    at: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "at": None if self.at is None else rfc3339(self.at)}


_LATER = {"withdrawn", "expired", "dismissed"}
"""Rules that end what had been shown before."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All rules in their order, and what is decided about each channel."""

    entry: Ref
    user: str
    rules: tuple[Rule, ...]
    outcomes: dict[str, display.Outcome]

    @property
    def shown(self) -> bool:
        return all(rule.passed for rule in self.rules)

    @property
    def channels(self) -> dict[str, tuple[bool, str]]:
        """Allowed or not, and why: what keeps the entry from the user keeps it from all of them."""
        for rule in self.rules:
            if not rule.passed and rule.rule not in _LATER:
                return dict.fromkeys(CHANNELS, (False, rule.reason))
        return {c: (outcome.allowed, outcome.reason) for c, outcome in self.outcomes.items()}

    def as_dict(self) -> dict[str, Any]:
        return {
            "entry": str(self.entry),
            "user": self.user,
            "shown": self.shown,
            "rules": [rule.as_dict() for rule in self.rules],
            "channels": {
                channel: {"allowed": allowed, "reason": reason}
                for channel, (allowed, reason) in self.channels.items()
            },
        }


@dataclass(frozen=True, slots=True)
class _Question:
    """An entry and a user, with all that the rules want to know."""

    entry: Entry
    type: NotificationType
    subscriber: Subscriber
    view: View
    now: int

    def rules(self) -> Iterator[Rule]:
        """Every rule, in order."""
        yield self._stored()
        yield self._visited()
        yield self._audience()
        yield self._floor()
        yield self._excluded()
        yield self._role()
        yield self._muted()
        yield self._digest()
        yield self._withdrawn()
        yield self._expired()
        yield self._dismissed()

    def outcomes(self) -> dict[str, display.Outcome]:
        """Where it appeared when it came: quiet hours are those of that time."""
        notification = self.entry.notification
        return display.outcomes(
            display.Case(
                type=self.type,
                priority=notification.priority,
                preferences=self.subscriber.preferences,
                now=notification.created_at,
                silent=self.entry.silent,
                is_digest=notification.kind is Kind.DIGEST,
            )
        )

    def _stored(self) -> Rule:
        notification = self.entry.notification
        what = f"{notification.type} of priority {notification.priority}"
        reason = f"Published by {notification.publisher}: {what}."
        if notification.kind is Kind.WITHDRAWAL:
            reason = "This entry only takes another one back."
        shows = notification.kind is not Kind.WITHDRAWAL
        return Rule("stored", shows, reason, notification.created_at)

    def _visited(self) -> Rule:
        if self.subscriber.visited:
            return Rule("visited", True, "The user has been here.")
        return Rule("visited", False, "The user has never been here.")

    def _audience(self) -> Rule:
        audience = self.entry.audience
        if self.view.follows(self.entry):
            return Rule("audience", True, f"The user belongs to {audience}.")
        return Rule("audience", False, f"The user does not belong to {audience}, as last known.")

    def _floor(self) -> Rule:
        if self.view.reaches(self.entry):
            return Rule("since", True, "It came after the user did.")
        return Rule("since", False, "It came before the user's first visit or subscription.")

    def _excluded(self) -> Rule:
        if self.view.excludes(self.entry):
            return Rule("except", False, "The publisher left this user out.")
        return Rule("except", True, "The publisher did not leave this user out.")

    def _role(self) -> Rule:
        decision = policy.may_receive(self.type, self.subscriber.roles)
        return Rule("role", not self.view.hidden.forbids(self.entry), decision.reason)

    def _muted(self) -> Rule:
        priority, preferences = self.entry.notification.priority, self.subscriber.preferences
        outcome = display.muting(self.type, priority, preferences)
        return Rule("muted", not self.view.hidden.mutes(self.entry), outcome.reason)

    def _digest(self) -> Rule:
        if self.view.hidden.gathers(self.entry):
            outcome = display.digesting(self.type, self.subscriber.preferences)
            return Rule("digest", False, outcome.reason)
        return Rule("digest", True, "It does not wait for a digest.")

    def _withdrawn(self) -> Rule:
        end = self.entry.notification.expires_at
        if end < self._lifetime_end() and end <= self.now:
            reason = "It was taken back, or a newer card took its place."
            return Rule("withdrawn", False, reason, end)
        return Rule("withdrawn", True, "It has not been taken back.")

    def _expired(self) -> Rule:
        end = self._lifetime_end()
        if end <= self.now:
            return Rule("expired", False, "It has expired.", end)
        return Rule("expired", True, "It has not expired yet.", end)

    def _dismissed(self) -> Rule:
        if self.subscriber.state(self.entry.ref).dismissed:
            return Rule("dismissed", False, "The user has dismissed it.")
        return Rule("dismissed", True, "The user has not dismissed it.")

    def _lifetime_end(self) -> int:
        """When it was to expire; an entry that is ended keeps telling that to who has it."""
        told = orjson.loads(self.entry.wire()).get("expires_at")
        return self.entry.notification.expires_at if told is None else from_rfc3339(told)


class Explainer:
    """Answers why."""

    def __init__(
        self, store: Store, types: TypeCatalogue, *, clock: Callable[[], int] = now_ms
    ) -> None:
        self._store = store
        self._types = types
        self._clock = clock

    async def answer(self, args: object, caller: Principal) -> dict[str, Any]:
        """``ExplainSchema`` in, the explanation out. Raises ``Forbidden`` or ``NotFound``."""
        decision = policy.may_administer(caller)
        if not decision.allowed:
            raise Forbidden(decision.reason)
        request = load(EXPLAIN, args)
        return (await self.explain(request["entry"], request["user"])).as_dict()

    async def explain(self, ref: Ref, user: str) -> Explanation:
        """Raises ``NotFound`` for an entry that is not, or no longer, stored."""
        # Expired ones too, as long as they are there.
        found = await self._store.entries([ref], now=0)
        if not found:
            raise NotFound(f"There is no entry {ref}: it never was, or was removed some time ago.")
        [entry] = found
        known = await self._store.subscriber(user)
        subscriber = known or Subscriber(user, visited=False)
        question = _Question(
            entry,
            self._types.get(entry.notification.type) or self._types[DEFAULT_TYPE],
            subscriber,
            view_of(Principal(user, roles=subscriber.roles), subscriber, self._types),
            self._clock(),
        )
        return Explanation(ref, user, tuple(question.rules()), question.outcomes())
