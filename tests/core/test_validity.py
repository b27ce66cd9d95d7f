"""What is left of a token: the rules over its time of issue, and how long they are remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from notifier.core.models import ADMIN, Principal, Revocation
from notifier.core.validity import REVOKED, RULE_CACHE, RULE_TTL, Validity, remaining
from notifier.errors import Forbidden, InvalidRequest, StoreUnavailable, Unauthenticated

ROOT = Principal("root", scopes=frozenset({ADMIN}))


def ada(issued_at: int, *roles: str) -> Principal:
    return Principal("ada", roles=frozenset(roles), issued_at=issued_at)


class Rules:
    """A store of revocations that counts what it is asked, and fails or waits when told to."""

    def __init__(self) -> None:
        self.kept: dict[str, Revocation] = {}
        self.asked: list[list[str]] = []
        self.fails = False
        self.asking = asyncio.Event()
        self.gate: asyncio.Event | None = None

    async def revoke(self, user: str, revocation: Revocation) -> None:
        self.kept[user] = revocation

    async def subscriber(self, user: str) -> None:
        """Nobody has come yet."""

    async def revocations(self, users: Collection[str]) -> Mapping[str, Revocation]:
        self.asked.append(list(users))
        self.asking.set()
        if self.fails:
            raise StoreUnavailable("Away.")
        found = {user: self.kept[user] for user in users if user in self.kept}
        if self.gate is not None:
            await self.gate.wait()
        return found


class Ears:
    """A bus that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Any]] = []

    def announce(self, entries: object) -> None:
        raise AssertionError("nothing is announced here")

    def tell(self, user: str, event: str, data: Any, *, skip: str | None = None) -> None:
        self.told.append((user, event, data))


class Timer:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def rules() -> Rules:
    return Rules()


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def validity(rules: Rules, ears: Ears, timer: Timer) -> Validity:
    return Validity(rules, ears, clock=lambda: 1000, timer=timer)  # type: ignore[arg-type]


@pytest.mark.parametrize(("issued_at", "good"), [(0, False), (1000, False), (1001, True)])
def test_a_revocation_covers_what_was_issued_until_then(issued_at: int, good: bool) -> None:
    """To the millisecond; a token that does not say when it was issued counts as the oldest."""
    caller = ada(issued_at)
    if good:
        assert remaining(caller, Revocation(tokens=1000)) is caller
    else:
        with pytest.raises(Unauthenticated):
            remaining(caller, Revocation(tokens=1000))


def test_each_role_has_its_own_time() -> None:
    """Roles that were not taken, or were issued again, stay."""
    revocation = Revocation(roles={"admin": 1000, "editor": 2000, "other": 3000})
    left = remaining(ada(1500, "admin", "editor", "author"), revocation)
    assert left.roles == {"admin", "author"}
    assert left == ada(1500, "admin", "author")


def test_nothing_was_taken_from_most() -> None:
    """Not even from tokens without a time."""
    caller = ada(0, "admin")
    assert remaining(caller, Revocation()) is caller


async def test_revoking_stores_before_it_tells(
    validity: Validity, rules: Rules, ears: Ears
) -> None:
    """All tokens, or roles from them, issued until now; others only hear that there is news."""
    await validity.revoke("ada", {}, ROOT)
    assert rules.kept["ada"] == Revocation(tokens=1000)
    await validity.revoke("ada", {"roles": ["admin"]}, ROOT)
    assert rules.kept["ada"] == Revocation(roles={"admin": 1000})
    assert ears.told == [("ada", REVOKED, {})] * 2


@pytest.mark.parametrize(
    ("user", "args", "caller", "error"),
    [
        ("ada", {}, ada(0, "admin"), Forbidden),
        ("a b", {}, ROOT, InvalidRequest),
        ("ada", {"roles": []}, ROOT, InvalidRequest),
        ("ada", None, ROOT, InvalidRequest),
    ],
)
async def test_what_is_refused_changes_nothing(
    validity: Validity,
    rules: Rules,
    ears: Ears,
    user: str,
    args: object,
    caller: Principal,
    error: type[Exception],
) -> None:
    """Nothing is stored, nobody is told."""
    with pytest.raises(error):
        await validity.revoke(user, args, caller)
    assert (rules.kept, ears.told) == ({}, [])


async def test_a_rule_is_believed_for_a_few_seconds(
    validity: Validity, rules: Rules, timer: Timer
) -> None:
    """Also that there is none; then the store is asked again."""
    caller = ada(0)
    await validity.check(caller)
    rules.kept["ada"] = Revocation(tokens=1000)
    timer.now += RULE_TTL - 0.01
    assert await validity.check(caller) is caller
    assert len(rules.asked) == 1
    timer.now += 0.01
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await validity.check(caller)
    assert len(rules.asked) == 2


async def test_who_revokes_knows_at_once(validity: Validity) -> None:
    """What was remembered before counts no more."""
    await validity.check(ada(0))
    await validity.revoke("ada", {}, ROOT)
    with pytest.raises(Unauthenticated):
        await validity.check(ada(0))


async def test_a_recheck_always_asks(validity: Validity, rules: Rules) -> None:
    """And what it finds is remembered for the checks."""
    await validity.check(ada(0))
    rules.kept["ada"] = Revocation(tokens=1000)
    for ask in (validity.recheck, validity.check):
        with pytest.raises(Unauthenticated):
            await ask(ada(0))
    assert len(rules.asked) == 2


async def test_an_answer_that_was_overtaken_is_not_remembered(
    validity: Validity, rules: Rules, timer: Timer
) -> None:
    """A slow answer from before a revocation does not undo it."""
    rules.gate = asyncio.Event()
    slow = asyncio.create_task(validity.check(ada(0)))
    await rules.asking.wait()
    gate, rules.gate = rules.gate, None
    timer.now += 1
    rules.kept["ada"] = Revocation(tokens=1000)
    await validity.read(["ada"])
    gate.set()
    await slow
    with pytest.raises(Unauthenticated):
        await validity.check(ada(0))


async def test_a_store_that_is_away_lets_nobody_in_unseen(validity: Validity, rules: Rules) -> None:
    """Whoever is remembered may go on; for the others nobody can tell."""
    await validity.check(ada(0))
    rules.fails = True
    await validity.check(ada(0))
    with pytest.raises(StoreUnavailable):
        await validity.check(Principal("grace"))


async def test_services_are_not_asked_after(validity: Validity, rules: Rules) -> None:
    """Their keys are revoked one by one, and a user of the same name is somebody else."""
    rules.kept["shop"] = Revocation(tokens=1000)
    shop = Principal("shop", is_service=True)
    assert await validity.check(shop) is shop
    assert rules.asked == []


async def test_only_so_many_rules_are_remembered(validity: Validity, rules: Rules) -> None:
    """The memory does not grow with the users that were ever seen."""
    for number in range(RULE_CACHE + 1):
        await validity.check(Principal(f"{number}"))
    await validity.check(Principal("1"))
    asked = len(rules.asked)
    assert asked == RULE_CACHE + 1
    await validity.check(Principal("0"))
    assert len(rules.asked) == asked + 1
