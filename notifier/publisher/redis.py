"""The way over Redis: pipelined, bounded, tried again until Redis has it or patience ends."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import AuthenticationError, NoPermissionError, NoScriptError

from notifier.errors import Conflict, NotFound, QueueUnavailable, RequestError
from notifier.publisher import handover
from notifier.publisher.drafts import Draft
from notifier.queue.messages import Outcome, fingerprint
from notifier.queue.names import QueueNames, id_bytes
from notifier.redis.client import FAILURES, connect

BUFFER_BYTES = 16 * 1024 * 1024
"""What may wait for Redis; who has more must wait to hand it over."""

PIPELINE_COMMANDS = 512
PIPELINE_BYTES = 1024 * 1024

PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0

ANSWER_SECONDS = 5.0

_HOPELESS = (AuthenticationError, NoPermissionError)
"""Waiting does not help against these."""


@dataclass(slots=True, eq=False)
class _Waiting:
    command: handover.Command
    answer: asyncio.Future[bytes]
    until: float


class RedisSender:
    """Sends what concurrent callers hand over together, one pipeline at a time, in order.

    ``by`` is the name of the service; ``patience`` is in seconds.
    """

    def __init__(
        self, url: str, *, by: str, channel: str, verify_tls: bool, patience: float
    ) -> None:
        self._redis: Any = connect(url, verify_tls=verify_tls, socket_timeout=ANSWER_SECONDS)
        self._names = QueueNames(channel)
        self._by = by
        self._patience = patience
        self._queue: deque[_Waiting] = deque()
        self._buffered = 0
        self._room = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None

    async def send(self, drafts: list[Draft]) -> list[str | RequestError]:
        commands = [handover.publish(draft, self._by, self._names) for draft in drafts]
        records = await self._run(commands)
        return [_id(draft, record) for draft, record in zip(drafts, records, strict=True)]

    async def withdraw(self, notification_id: str) -> None:
        await self._run([handover.withdraw(notification_id, self._by, self._names)])

    async def outcome(self, notification_id: str) -> Outcome:
        try:
            text = await self._redis.hget(
                self._names.outcomes(notification_id), id_bytes(notification_id)
            )
        except FAILURES as error:
            raise _unavailable(error) from None
        if text is None:
            raise NotFound("Nothing was handed over under this id in the last day.")
        return Outcome.read(notification_id, text.decode())

    async def close(self) -> None:
        """Wait for what is under way, and disconnect."""
        if self._draining is not None:
            await asyncio.wait([self._draining])
        await self._redis.aclose()

    # The buffer

    async def _run(self, commands: Sequence[handover.Command]) -> list[bytes]:
        until = time.monotonic() + self._patience
        answers = []
        try:
            for command in commands:
                await self._wait_for_room(until)
                answers.append(self._put(command, until))
            return [await answer for answer in answers]
        finally:
            for answer in answers:
                answer.add_done_callback(_heed)

    async def _wait_for_room(self, until: float) -> None:
        while self._buffered >= BUFFER_BYTES:
            self._room.clear()
            try:
                await asyncio.wait_for(self._room.wait(), until - time.monotonic())
            except TimeoutError:
                raise _unavailable(None) from None

    def _put(self, command: handover.Command, until: float) -> asyncio.Future[bytes]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(command, loop.create_future(), until)
        self._queue.append(waiting)
        self._buffered += command.size
        if self._draining is None:
            self._draining = loop.create_task(self._drain())
        return waiting.answer

    async def _drain(self) -> None:
        pause = PAUSE_SECONDS
        while self._queue:
            batch = self._next()
            try:
                await self._execute(batch)
            except Exception as error:  # nobody may wait for ever, whatever it is
                self._give_up(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                self._take_out(len(batch))
                pause = PAUSE_SECONDS
        self._draining = None

    def _next(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        for waiting in self._queue:
            size += waiting.command.size
            if batch and (size > PIPELINE_BYTES or len(batch) == PIPELINE_COMMANDS):
                break
            batch.append(waiting)
        return batch

    async def _execute(self, batch: Sequence[_Waiting]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for waiting in batch:
                command = waiting.command
                pipeline.evalsha(
                    command.script, len(command.keys), *command.keys, *command.arguments
                )
            answers = await pipeline.execute(raise_on_error=False)
        failed = next((answer for answer in answers if isinstance(answer, Exception)), None)
        if isinstance(failed, NoScriptError):
            for text in handover.SCRIPTS.values():
                await self._redis.script_load(text)
            await self._execute(batch)
        elif failed is not None:
            raise failed
        else:
            for waiting, answer in zip(batch, answers, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)

    def _give_up(self, error: Exception) -> None:
        """Refuse those that have waited long enough; it is not known whether Redis has them.

        All, when waiting does not help: it is no failure of Redis.
        """
        hopeless = isinstance(error, _HOPELESS) or not isinstance(error, FAILURES)
        now = time.monotonic()
        while self._queue and (hopeless or self._queue[0].until <= now):
            answer = self._queue[0].answer
            if not answer.done():
                answer.set_exception(_unavailable(error))
            self._take_out(1)

    def _take_out(self, count: int) -> None:
        for _ in range(count):
            self._buffered -= self._queue.popleft().command.size
        self._room.set()


def _id(draft: Draft, record: bytes) -> str | RequestError:
    """The draft's own id, or that of an earlier one under the same idempotency key."""
    if not record:
        return draft.id
    first_id, _, first = record.decode().partition(" ")
    if first != fingerprint(draft.body):
        return Conflict("The idempotency key was used for another notification.")
    return first_id


def _unavailable(error: Exception | None) -> QueueUnavailable:
    why = f" ({type(error).__name__})" if error else ": too much is waiting for it"
    return QueueUnavailable(f"Redis does not take notifications now{why}.")


def _heed(answer: asyncio.Future[bytes]) -> None:
    if not answer.cancelled():
        answer.exception()  # told to the caller, if that one is still there
