"""``Publisher``: hand over notifications from a service that runs on asyncio."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack
from uuid import UUID

from notifier.core.models import is_name
from notifier.errors import ConfigurationError, InvalidRequest, NotFound, RequestError, TooLarge
from notifier.publisher.drafts import Draft, Sender
from notifier.queue.messages import Outcome

CHUNK = 500
"""Notifications of ``publish_many`` that are under way together."""

PATIENCE_SECONDS = 30.0

_HEADER_TEXT = re.compile(r"[\x21-\x7e]+")

To = str | Sequence[str]
"""An audience such as ``user:42``, or up to 10,000 of them."""


class Fields(TypedDict, total=False):
    """What may be said of a notification besides ``to`` and ``title``; see docs/rest.md.

    ``except_`` stands for ``except``. What was published under an ``idempotency_key`` in the last
    day is not published again.
    """

    type: str | None
    priority: Literal["low", "normal", "high", "critical"] | None
    body: str | None
    sender: Mapping[str, Any] | None
    icon: str | None
    url: str | None
    data: Mapping[str, Any] | None
    actions: Sequence[Mapping[str, Any]] | None
    ttl: int | None
    deliver_at: datetime | str | None
    collapse_key: str | None
    except_: To | None
    idempotency_key: str | None


class Publisher:
    """Publishes over Redis (``redis://``, ``rediss://``), or over HTTP with a URL and a ``key``.

    ``name`` says who publishes, over Redis; ``channel`` is the [redis] channel of the servers.
    ``patience`` is for how many seconds publishing and withdrawing go on trying while Redis or the
    server is away.
    Belongs to the event loop in which it is first used; close it, or use it with ``async with``.
    Raises ``ConfigurationError``.
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
        _check(url, name, key)
        self._open = partial(_sender, url, name, key, channel, verify_tls, patience)
        self._opened: _Opened | None = None

    async def publish(self, to: To, title: str, **fields: Unpack[Fields]) -> str:
        """Hand over one notification; its id. When this returns, it is in the queue to stay.

        Over HTTP it has then been stored. Raises ``InvalidRequest`` or ``TooLarge`` before
        anything is sent, ``Conflict`` for an idempotency key that was used for another
        notification, ``QueueUnavailable`` when patience has ended; over HTTP also what the server
        refuses.
        """
        draft = Draft.of({"to": to, "title": title, **fields})
        with self._using() as sender:
            [answer] = await sender.send([draft])
        if isinstance(answer, RequestError):
            raise answer
        return answer

    async def publish_many(
        self, notifications: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]
    ) -> list[str]:
        """Hand over any number, taken from the iterable as they go; their ids, in order.

        Each is a mapping of ``to``, ``title`` and ``Fields``. A wrong one raises an error with its
        ``index``: those before it have been handed over, it and the rest have not. What is refused
        only when it arrives, over HTTP because the server does not know the type, say, does not
        keep back others of the same ``CHUNK``.
        """
        ids: list[str] = []
        drafts: list[Draft] = []
        async for notification in _each(notifications):
            try:
                drafts.append(Draft.of(notification))
            except (InvalidRequest, TooLarge) as error:
                index = len(ids) + len(drafts)
                await self._send(drafts, len(ids))
                raise at_index(index, error) from None
            if len(drafts) == CHUNK:
                ids += await self._send(drafts, len(ids))
                drafts = []
        return ids + await self._send(drafts, len(ids))

    async def withdraw(self, notification_id: str) -> None:
        """Take a notification back from everybody, also one that is still in the queue.

        Over Redis it is handed over like a notification; over HTTP it is done when this returns.
        """
        with self._using() as sender:
            await sender.withdraw(_canonical(notification_id))

    async def outcome(self, notification_id: str) -> Outcome:
        """What became of a notification; known for a day. Raises ``NotFound``.

        Redis is asked once: ``QueueUnavailable`` while it is away. Over HTTP, what
        ``publish`` returned an id for is published.
        """
        with self._using() as sender:
            return await sender.outcome(_canonical(notification_id))

    async def close(self) -> None:
        """Wait for calls under way, which their patience ends, and disconnect.

        It may be used again afterwards, and what is called meanwhile connects anew.
        """
        opened, self._opened = self._opened, None
        if opened is None:
            return
        try:
            await opened.idle.wait()
        except asyncio.CancelledError:
            self._opened = self._opened or opened  # who gives up waiting leaves it as it was
            raise
        await opened.sender.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _send(self, drafts: list[Draft], start: int) -> list[str]:
        """The ids of some of many, of which so many have gone before."""
        if not drafts:
            return []
        with self._using() as sender:
            answers = await sender.send(drafts)
        ids = []
        for index, answer in enumerate(answers, start):
            if isinstance(answer, RequestError):
                raise at_index(index, answer)
            ids.append(answer)
        return ids

    def _using(self) -> AbstractContextManager[Sender]:
        if self._opened is None:
            self._opened = _Opened(self._open())
        return self._opened.using()


class _Opened:
    """A sender, and whether any calls use it."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.idle = asyncio.Event()
        self.idle.set()
        self._calls = 0

    @contextmanager
    def using(self) -> Iterator[Sender]:
        self._calls += 1
        self.idle.clear()
        try:
            yield self.sender
        finally:
            self._calls -= 1
            if not self._calls:
                self.idle.set()


def at_index(index: int, error: RequestError) -> RequestError:
    """The error of an item at an index, or at one that is counted from there."""
    first = error.index
    if isinstance(error, InvalidRequest):
        errors = {}
        for field, messages in error.errors.items():
            own = field if first is None else field.partition(".")[2]
            errors[f"{index + (first or 0)}.{own}".rstrip(".")] = messages
        error = InvalidRequest(errors)
    error.index = index + (first or 0)
    return error


def _check(url: str, name: str, key: str | None) -> None:
    problems = []
    if not url.startswith(("redis://", "rediss://", "http://", "https://")):
        problems.append("url: must start with redis://, rediss://, http:// or https://")
    if url.startswith("http") and not key:
        problems.append("key: publishing over HTTP needs one; notifier keys create makes it")
    if key and not _HEADER_TEXT.fullmatch(key):
        problems.append("key: must be visible ASCII characters, without a line break at its end")
    if not is_name(name):
        problems.append("name: must be 1 to 128 printable characters without white space")
    if problems:
        raise ConfigurationError(problems)
    if not url.startswith("http"):
        from notifier.redis.client import connect

        connect(url, setting="url")


def _sender(
    url: str, name: str, key: str | None, channel: str, verify_tls: bool, patience: float
) -> Sender:
    """Each way imports what it needs, and nothing of the other."""
    if url.startswith("http"):
        from notifier.publisher.http import HttpSender

        return HttpSender(url, key or "", verify_tls=verify_tls, patience=patience)
    from notifier.publisher.redis import RedisSender

    return RedisSender(url, by=name, channel=channel, verify_tls=verify_tls, patience=patience)


def _canonical(notification_id: str) -> str:
    try:
        return str(UUID(notification_id))
    except ValueError:
        raise NotFound("There is no such notification.") from None


async def _each(
    notifications: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
) -> AsyncIterator[Mapping[str, Any]]:
    if isinstance(notifications, AsyncIterable):
        async for notification in notifications:
            yield notification
    else:
        for notification in notifications:
            yield notification
