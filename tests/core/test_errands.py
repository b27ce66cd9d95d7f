"""Work that is done to its end."""

from __future__ import annotations

import asyncio

import pytest

from notifier.core.errands import Errands


class Work:
    """Begins, waits until it may go on, and is done; or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.may_go_on = asyncio.Event(), asyncio.Event()
        self.done = False
        self._error = error

    async def __call__(self) -> str:
        self.begun.set()
        await self.may_go_on.wait()
        self.done = True
        if self._error is not None:
            raise self._error
        return "done"


async def test_the_caller_gets_what_comes_of_it() -> None:
    """The result, or the error."""
    errands = Errands()
    good, bad = Work(), Work(ValueError())
    for work in (good, bad):
        work.may_go_on.set()
    assert await errands.to_its_end(good()) == "done"
    with pytest.raises(ValueError):
        await errands.to_its_end(bad())


@pytest.mark.parametrize("error", [None, ValueError()])
async def test_a_caller_who_gives_up_does_not_end_it(error: Exception | None) -> None:
    """Whoever closes waits for it; an error that nobody waits for harms nobody."""
    errands, work = Errands(), Work(error)
    caller = asyncio.ensure_future(errands.to_its_end(work()))
    await work.begun.wait()
    caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
    work.may_go_on.set()
    await errands.close()
    assert work.done
