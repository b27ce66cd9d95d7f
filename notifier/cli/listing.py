"""What ``notifier queue`` does and tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from notifier.core.models import now_ms, rfc3339
from notifier.errors import NotFound, QueueUnavailable
from notifier.queue.desk import DeadLetter, Desk
from notifier.queue.names import QueueNames
from notifier.redis.client import FAILURES, connect


@asynccontextmanager
async def open_desk(url: str, *, prefix: str, verify_tls: bool) -> AsyncIterator[Desk]:
    """A desk, as long as the block lasts. Raises ``QueueUnavailable`` when Redis is away."""
    redis = connect(url, verify_tls=verify_tls, socket_timeout=5.0)
    try:
        yield Desk(redis, QueueNames(prefix))
    except FAILURES as error:
        why = type(error).__name__
        raise QueueUnavailable(f"Redis cannot be reached ({why}).") from None
    finally:
        await redis.aclose()


async def status(desk: Desk) -> list[str]:
    """A line for each priority, then the dead letters and the node that reads."""
    now = now_ms()
    lines = ["priority  waiting  in flight  oldest"]
    for lane in await desk.status():
        oldest = "-" if lane.oldest is None else f"{max(0, now - lane.oldest) / 1000:.0f} s"
        lines.append(f"{lane.priority:<9} {lane.waiting:>7}  {lane.in_flight:>9}  {oldest}")
    reader = await desk.reader()
    return [
        *lines,
        f"dead      {await desk.count_dead():>7}",
        "reader    " + (reader or "none: nobody reads the queue"),
    ]


async def dead(desk: Desk, limit: int) -> list[str]:
    """A line for each dead letter, newest first, without what it was about."""
    return [_line(letter) for letter in await desk.dead(limit)]


async def retry(desk: Desk, ids: Sequence[str]) -> int:
    """Put these dead letters back into the queue, or all; how many. Raises ``NotFound``."""
    return await _each(desk, ids, desk.retry)


async def drop(desk: Desk, ids: Sequence[str]) -> int:
    """Forget these dead letters, or all; how many. Raises ``NotFound``."""
    return await _each(desk, ids, desk.drop)


async def _each(
    desk: Desk, ids: Sequence[str], act: Callable[[DeadLetter], Awaitable[None]]
) -> int:
    letters = [await _find(desk, letter_id) for letter_id in ids]
    for letter in letters:
        await act(letter)
    if letters:
        return len(letters)
    count = 0
    async for letter in desk.all_dead():
        await act(letter)
        count += 1
    return count


async def _find(desk: Desk, letter_id: str) -> DeadLetter:
    letter = await desk.find(letter_id)
    if letter is None:
        raise NotFound(f"There is no dead letter {letter_id}.")
    return letter


def _line(letter: DeadLetter) -> str:
    message = letter.message
    what = f"{message.by} {message.op} {message.id}" if message else "unreadable"
    reason = letter.reason.replace("\n", " ")
    return f"{letter.id}  {rfc3339(letter.at)}  {letter.lane}  {what}  {letter.code}: {reason}"
