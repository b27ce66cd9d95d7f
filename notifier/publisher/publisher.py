"""``Publisher``: hand over notifications from a service that runs on asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack
from uuid import UUID

from notifier.core.models import is_name
from notifier.errors import ConfigurationError, InvalidRequest, NotFound, TooLarge
from notifier.publisher.drafts import Draft, Sender
from notifier.queue.messages import Outcome

CHUNK = 500
"""Notifications of ``publish_many`` that are under way together."""

PATIENCE_SECONDS = 30.0

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
    ``patience`` is for how many seconds a call goes on trying while Redis or the server is away.
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
        self._sender: Sender | None = None

    async def publish(self, to: To, title: str, **fields: Unpack[Fields]) -> str:
        """Hand over one notification; its id. When this returns, it is in the queue to stay.

        Over HTTP it has then been stored. Raises ``InvalidRequest`` or ``TooLarge`` before
        anything is sent, ``Conflict`` for an idempotency key that was used for another
        notification, ``QueueUnavailable`` when patience has ended; over HTTP also what the server
        refuses.
        """
        [notification_id] = await self._sending.send(
            [Draft.of({"to": to, "title": title, **fields})]
        )
        return notification_id

    async def publish_many(
        self, notifications: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]
    ) -> list[str]:
        """Hand over any number, taken from the iterable as they go; their ids, in order.

        Each is a mapping of ``to``, ``title`` and ``Fields``. A wrong one raises ``InvalidRequest``
        which names its index: those before it have been handed over, it and the rest have not.
        What a server refuses over HTTP, because it does not know the type, does not keep back
        others that are sent in the same batch.
        """
        ids: list[str] = []
        drafts: list[Draft] = []
        index = 0
        async for notification in _each(notifications):
            try:
                drafts.append(Draft.of(notification))
            except (InvalidRequest, TooLarge) as error:
                await self._sending.send(drafts)
                if isinstance(error, InvalidRequest):
                    raise at_index(index, error) from None
                raise
            index += 1
            if len(drafts) == CHUNK:
                ids += await self._sending.send(drafts)
                drafts = []
        return ids + await self._sending.send(drafts)

    async def withdraw(self, notification_id: str) -> None:
        """Take a notification back from everybody, also one that is still in the queue.

        Over Redis it is handed over like a notification; over HTTP it is done when this returns.
        """
        await self._sending.withdraw(_canonical(notification_id))

    async def outcome(self, notification_id: str) -> Outcome:
        """What became of a notification; known for a day. Raises ``NotFound``.

        Over HTTP, what ``publish`` returned an id for is published.
        """
        return await self._sending.outcome(_canonical(notification_id))

    async def close(self) -> None:
        """Finish what is under way and disconnect. It may be used again afterwards."""
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def _sending(self) -> Sender:
        if self._sender is None:
            self._sender = self._open()
        return self._sender


def at_index(index: int, error: InvalidRequest) -> InvalidRequest:
    """The error of an item at an index, or of what was counted from there."""
    errors: dict[str, list[str]] = {}
    for field, messages in error.errors.items():
        head, _, rest = field.partition(".")
        place = f"{index + int(head)}.{rest}" if head.isdigit() else f"{index}.{field}"
        errors[place.rstrip(".")] = messages
    return InvalidRequest(errors)


def _check(url: str, name: str, key: str | None) -> None:
    problems = []
    if not url.startswith(("redis://", "rediss://", "http://", "https://")):
        problems.append("url: must start with redis://, rediss://, http:// or https://")
    if url.startswith("http") and not key:
        problems.append("key: publishing over HTTP needs one; notifier keys create makes it")
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
