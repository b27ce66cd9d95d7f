"""``SyncPublisher``: the same for services without asyncio: Flask, Django, Celery, scripts.

It runs a ``Publisher`` on an event loop in a thread of its own, one in each process that uses it.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from notifier.errors import RequestError
from notifier.publisher.publisher import CHUNK, PATIENCE_SECONDS, Fields, Publisher, To, at_index
from notifier.queue.messages import Outcome

Answer = TypeVar("Answer")

Work = Callable[[Publisher], Coroutine[Any, Any, Answer]]


class SyncPublisher:
    """Takes the same arguments as ``Publisher`` and raises the same errors; each call waits.

    Threads may share one. A process that was forked from one that used it connects anew. It is
    closed when nobody holds it any more and when the process ends, if not before.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "publisher",
        key: str | None = None,
        channel: str = "notifier",
        verify_tls: bool = True,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._publisher = partial(
            Publisher,
            url,
            name=name,
            key=key,
            channel=channel,
            verify_tls=verify_tls,
            patience=patience,
        )
        self._publisher()  # wrong settings are told here, not at the first notification
        # In the midst of a call a signal's handler or a destructor may close it in the same thread.
        self._lock = threading.RLock()
        self._worker: _Worker | None = None
        self._dropped: weakref.finalize[[], SyncPublisher] | None = None
        _all.add(self)

    def publish(self, to: To, title: str, **fields: Unpack[Fields]) -> str:
        """See ``Publisher.publish``."""
        return self._call(lambda publisher: publisher.publish(to, title, **fields))

    def publish_many(self, notifications: Iterable[Mapping[str, Any]]) -> list[str]:
        """See ``Publisher.publish_many``. The iterable is read in the caller's own thread."""
        ids: list[str] = []
        source = iter(notifications)
        while chunk := list(islice(source, CHUNK)):
            try:
                ids += self._call(partial(Publisher.publish_many, notifications=chunk))
            except RequestError as error:
                if error.index is None:
                    raise
                raise at_index(len(ids), error) from None
        return ids

    def withdraw(self, notification_id: str) -> None:
        """See ``Publisher.withdraw``."""
        self._call(lambda publisher: publisher.withdraw(notification_id))

    def outcome(self, notification_id: str) -> Outcome:
        """See ``Publisher.outcome``."""
        return self._call(lambda publisher: publisher.outcome(notification_id))

    def close(self) -> None:
        """Wait for calls under way, which their patience ends, and disconnect.

        It may be used again afterwards, and what is called meanwhile connects anew.
        """
        with self._lock:
            worker = self._take_worker()
        if worker is not None:
            worker.leave()
            worker.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, work: Work[Answer]) -> Answer:
        with self._lock:  # so that nothing is asked of a worker that leaves
            if self._worker is None:
                self._worker = _Worker(self._publisher())
                self._dropped = weakref.finalize(self, self._worker.leave)
                self._dropped.atexit = False
            answer = self._worker.ask(work)
        try:
            return answer.result()
        except BaseException:
            answer.cancel()  # if it was the waiting that was interrupted
            raise

    def _take_worker(self) -> _Worker | None:
        worker, self._worker = self._worker, None
        if self._dropped is not None:
            self._dropped.detach()
        return worker

    def _forget(self) -> None:
        """In a fork: its parent's thread is not here, and its parent's connections are not ours."""
        self._lock = threading.RLock()
        self._take_worker()


class _Worker:
    """A thread with an event loop and the publisher that belongs to it."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._loop = asyncio.new_event_loop()
        self._leaving: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="notifier-publisher", daemon=True)
        self._thread.start()
        _workers.add(self)

    def ask(self, work: Work[Answer]) -> Future[Answer]:
        return asyncio.run_coroutine_threadsafe(work(self._publisher), self._loop)

    def leave(self) -> None:
        """End when all that was asked before has its answer. Waits for nothing: the thread that
        collects garbage may be that of the worker."""
        self._loop.call_soon_threadsafe(self._begin_to_leave)

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.close()
        _workers.discard(self)

    def _begin_to_leave(self) -> None:
        self._leaving = self._loop.create_task(self._leave())

    async def _leave(self) -> None:
        try:
            await self._publisher.close()
        finally:
            # Behind the answers of calls that have ended in this very turn.
            self._loop.call_soon(self._loop.stop)


_all: weakref.WeakSet[SyncPublisher] = weakref.WeakSet()

_workers: set[_Worker] = set()
"""Until their threads have ended."""

_orphans: list[_Worker] = []
"""Kept for ever: collecting them would tidy up what the parent process still uses."""

DROPPED_SECONDS = 1.0
"""For those whose publisher was dropped just before the process ends, to disconnect."""


def _after_fork() -> None:
    _orphans.extend(_workers)
    _workers.clear()
    for publisher in _all:
        publisher._forget()  # noqa: SLF001


def _at_exit() -> None:
    for publisher in list(_all):
        publisher.close()
    for worker in list(_workers):
        worker.join(DROPPED_SECONDS)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
