"""The rules, each stated once as a function from the evidence to what broke it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.evidence import Attempt, Diary, Evidence, Outcome, Place, Shown, Span, Trouble

CAUGHT_UP_SECONDS = 5.0
"""After the end of a fault 99 of 100 clients must have shown all that was accepted before it."""

PROBE_SECONDS = 25.0
"""How long a message may take of which no node was told."""

REDIS_SECONDS = 1.0
"""How long an answer to a publisher may take while Redis is in trouble."""

STORE_SECONDS = 3.0
"""How long an answer to a publisher may take while the store is in trouble."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule: which, and the smallest evidence for it."""

    rule: str
    story: str


Rule = Callable[[Evidence], Iterator[str]]


def judge(evidence: Evidence, rules: Mapping[str, Rule] | None = None) -> list[Violation]:
    """Every violation of these rules, by default of all there are."""
    chosen = RULES if rules is None else rules
    return [Violation(name, story) for name, rule in chosen.items() for story in rule(evidence)]


def lost(evidence: Evidence) -> Iterator[str]:
    """Whatever was accepted is shown by every client it was meant for."""
    seen = {diary.client: {shown.number for shown in diary.shown} for diary in evidence.diaries}
    readers: dict[str, list[Diary]] = {}
    for diary in evidence.diaries:
        for audience in diary.user.audiences:
            readers.setdefault(audience, []).append(diary)
    for number, attempt in evidence.accepted().items():
        message = evidence.messages[number]
        clients = {d.client: d for to in message.to for d in readers.get(to, ())}
        for client, diary in clients.items():
            if number not in seen[client] and diary.user.is_meant_by(message):
                yield f"{_told(attempt)}; {client} ({diary.transport}) never showed it"


def twice(evidence: Evidence) -> Iterator[str]:
    """No client shows a message twice."""
    for diary in evidence.diaries:
        seen: dict[int, Shown] = {}
        for shown in diary.shown:
            first = seen.setdefault(shown.number, shown)
            if first is not shown:
                yield (
                    f"{diary.client} ({diary.transport}) showed number {shown.number} as "
                    f"{_at(first)} and as {_at(shown)}"
                )


def out_of_order(evidence: Evidence) -> Iterator[str]:
    """A client shows the entries of one log in the order of the log."""
    for diary in evidence.diaries:
        last: dict[str, Shown] = {}
        for shown in diary.shown:
            before = last.get(shown.place.audience)
            if before is not None and before.place.seq >= shown.place.seq:
                yield f"{diary.client} ({diary.transport}) showed {_at(before)}, then {_at(shown)}"
            last[shown.place.audience] = shown


def false_accept(evidence: Evidence) -> Iterator[str]:
    """Whatever was accepted stands in the store at the place the publisher was told."""
    stored = _stored(evidence)
    for attempt in evidence.attempts:
        for place in attempt.places:
            if stored.get(place) != attempt.number:
                yield f"{_told(attempt)}; the log has {stored.get(place)} at {_name(place)}"
        if attempt.outcome is Outcome.ACCEPTED:
            told = {place.audience for place in attempt.places}
            for audience in set(evidence.messages[attempt.number].to) - told:
                yield f"{_told(attempt)}; no entry of {audience} was named"


def stored_twice(evidence: Evidence) -> Iterator[str]:
    """However often a message was sent, it stands in each log once, under one identity."""
    identities: dict[int, Attempt] = {}
    for attempt in evidence.attempts:
        if attempt.outcome is Outcome.ACCEPTED:
            first = identities.setdefault(attempt.number, attempt)
            if (first.notification_id, first.places) != (attempt.notification_id, attempt.places):
                yield f"{_told(first)}, and later: {_told(attempt)}"
    for audience, entries in evidence.logs.items():
        seqs: dict[int, int] = {}
        for seq, number in entries:
            first_seq = seqs.setdefault(number, seq)
            if first_seq != seq:
                yield f"number {number} is {first_seq}@{audience} and {seq}@{audience}"


def hole(evidence: Evidence) -> Iterator[str]:
    """The numbers of a log have no holes."""
    for audience, entries in evidence.logs.items():
        for (before, _), (after, _) in pairwise(entries):
            if after != before + 1:
                yield f"in {audience}, {after} follows {before}"


def overtaken(evidence: Evidence) -> Iterator[str]:
    """What was first sent after something else had been accepted stands behind it."""
    told = evidence.accepted()
    sent: dict[int, float] = {}
    for attempt in evidence.attempts:
        sent[attempt.number] = min(attempt.began, sent.get(attempt.number, attempt.began))
    for audience, entries in evidence.logs.items():
        earliest: tuple[float, int, int] | None = None
        for seq, number in reversed(entries):
            if earliest is not None and earliest[0] < sent.get(number, 0.0):
                yield (
                    f"{earliest[2]}@{audience} was accepted at {earliest[0]:.3f}, before "
                    f"{seq}@{audience} was sent at {sent[number]:.3f}"
                )
            if number in told and (earliest is None or told[number].ended < earliest[0]):
                earliest = (told[number].ended, number, seq)


def strange(evidence: Evidence) -> Iterator[str]:
    """A client shows what its user is meant to see, as the store has it, and nothing else."""
    stored = _stored(evidence)
    for diary in evidence.diaries:
        for shown in diary.shown:
            message = evidence.messages.get(shown.number)
            if message is None or not diary.user.is_meant_by(message):
                yield f"{diary.client} showed {_at(shown)}, which is not for {diary.user.name}"
            elif stored.get(shown.place) != shown.number:
                yield (
                    f"{diary.client} showed {_at(shown)}, where the log has "
                    f"{stored.get(shown.place)}"
                )


def slow_recovery(evidence: Evidence) -> Iterator[str]:
    """99 of 100 clients have caught up CAUGHT_UP_SECONDS after the end of a fault."""
    p99 = percentile(recoveries(evidence), 99)
    if p99 <= CAUGHT_UP_SECONDS:
        return
    yield f"the 99th percentile is {p99:.2f} s, more than {CAUGHT_UP_SECONDS:.0f} s"
    accepted = evidence.accepted()
    for span, diary, last in _stragglers(evidence):
        if last is not None and last.at - span.ended > CAUGHT_UP_SECONDS:
            yield (
                f"{_told(accepted[last.number])}; {diary.client} ({diary.transport}) showed it at "
                f"{last.at:.3f}; {span.what} had ended at {span.ended:.3f}"
            )


def slow_repair(evidence: Evidence) -> Iterator[str]:
    """A message of which no node was told is shown within PROBE_SECONDS."""
    accepted = evidence.accepted()
    for diary in evidence.diaries:
        for shown in diary.shown[-len(evidence.probes) :] if evidence.probes else ():
            if shown.number in evidence.probes:
                seconds = shown.at - accepted[shown.number].ended
                if seconds > PROBE_SECONDS:
                    yield f"{diary.client} showed {_at(shown)}, {seconds:.1f} s after it was stored"


def slow_answer(evidence: Evidence) -> Iterator[str]:
    """Trouble of Redis or the store does not keep publishers waiting."""
    for trouble, limit in ((Trouble.REDIS, REDIS_SECONDS), (Trouble.STORE, STORE_SECONDS)):
        for span, attempt in during(evidence, trouble):
            if attempt.seconds > limit:
                yield (
                    f"number {attempt.number} waited {attempt.seconds:.2f} s at node "
                    f"{attempt.node} for its answer ({attempt.status}) during: {span.what}"
                )


def closed_in_vain(evidence: Evidence) -> Iterator[str]:
    """While only Redis or the store is in trouble, connections stay open."""
    for span in evidence.spans:
        if span.troubles <= {Trouble.REDIS, Trouble.STORE, Trouble.SLOW_STORE}:
            for diary in evidence.diaries:
                for change in diary.changes:
                    if change.what.startswith("lost") and span.began <= change.at <= span.ended:
                        yield f"{diary.client} {change.what} during: {span.what}"


PROMISES: Mapping[str, Rule] = {
    "lost": lost,
    "twice": twice,
    "out of order": out_of_order,
    "false accept": false_accept,
    "stored twice": stored_twice,
    "hole": hole,
    "overtaken": overtaken,
    "strange": strange,
}
"""What must hold on any machine, however slow."""

DEADLINES: Mapping[str, Rule] = {
    "slow recovery": slow_recovery,
    "slow repair": slow_repair,
    "slow answer": slow_answer,
    "closed in vain": closed_in_vain,
}
"""What must hold on a machine that has nothing else to do."""

RULES = {**PROMISES, **DEADLINES}


def recoveries(evidence: Evidence) -> list[float]:
    """For each fault and client: seconds from the end of the fault until it had shown all that had
    been accepted before; 0 for who had by then."""
    return [
        0.0 if last is None else last.at - span.ended for span, _, last in _stragglers(evidence)
    ]


def _stragglers(evidence: Evidence) -> Iterator[tuple[Span, Diary, Shown | None]]:
    """For each fault and client the last message that it showed only after the end of the fault,
    of those accepted before."""
    ended = {number: attempt.ended for number, attempt in evidence.accepted().items()}
    for span in evidence.spans:
        for diary in evidence.diaries:
            late = [
                shown
                for shown in diary.shown
                if shown.at > span.ended and ended.get(shown.number, shown.at) <= span.ended
            ]
            yield span, diary, max(late, default=None)


def during(evidence: Evidence, trouble: Trouble) -> Iterator[tuple[Span, Attempt]]:
    """The attempts that were answered, each with the span it lies in, where nothing else than this
    was in trouble."""
    for span in evidence.spans:
        if span.troubles == {trouble}:
            for attempt in evidence.attempts:
                if attempt.status is not None and span.began <= attempt.began <= span.ended:
                    yield span, attempt


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed; 0 of none."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)] if ordered else 0.0


def _stored(evidence: Evidence) -> dict[Place, int]:
    return {
        Place(audience, seq): number
        for audience, entries in evidence.logs.items()
        for seq, number in entries
    }


def _told(attempt: Attempt) -> str:
    places = ", ".join(map(_name, attempt.places))
    return (
        f"number {attempt.number} was {attempt.outcome} as {places} by node {attempt.node} "
        f"at {attempt.ended:.3f}"
    )


def _at(shown: Shown) -> str:
    return f"number {shown.number} ({_name(shown.place)}) at {shown.at:.3f}"


def _name(place: Place) -> str:
    return f"{place.seq}@{place.audience}"
