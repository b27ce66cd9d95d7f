"""``notifier send``: publishing over HTTP from the command line."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import aiohttp
import click
import orjson

from notifier.errors import NotifierError

Bearer = Callable[[], str]
"""Gives a key or a token that is valid now."""

TIMEOUT = aiohttp.ClientTimeout(total=30)

ATTEMPTS = 10
"""How often a line is sent to a server that asks to come back later."""


class Refused(NotifierError):
    """The server has read the notification and does not take it."""


class Unreachable(NotifierError):
    """The server does not answer, or not as a Notifier does."""


async def send_one(address: str, bearer: Bearer, notification: Mapping[str, Any]) -> str:
    """Publish and return what to tell. Raises ``Refused`` or ``Unreachable``."""
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        answer = await _Post(session, address, bearer).send(orjson.dumps(notification))
    entries = ", ".join(str(entry["id"]) for entry in answer["entries"])
    return f"Published {answer['id']} as {entries}"


async def send_file(address: str, bearer: Bearer, file: BinaryIO) -> bool:
    """Publish each line; tell how many arrived, and of the others why. True if all did.

    Raises ``Unreachable``, which names the line, when the server is lost on the way.
    """
    refused: list[str] = []
    sent = 0
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        post = _Post(session, address, bearer)
        try:
            with click.progressbar(length=os.fstat(file.fileno()).st_size, label="Sending") as bar:
                for number, line in _lines(file, bar.update):
                    try:
                        await post.send(line, key=_idempotency_key(number, line))
                        sent += 1
                    except Refused as error:
                        refused.append(f"line {number}: {error}")
                    except Unreachable as error:
                        raise Unreachable(f"line {number}: {error}") from None
        finally:
            for reason in refused:
                click.echo(reason, err=True)
            click.echo(f"{sent} published, {len(refused)} refused")
    return not refused


class _Post:
    """The one call that is made here."""

    def __init__(self, session: aiohttp.ClientSession, address: str, bearer: Bearer) -> None:
        self._session = session
        self._url = f"{address.rstrip('/')}/v1/notifications"
        self._bearer = bearer

    async def send(self, body: bytes, *, key: str | None = None) -> Mapping[str, Any]:
        """The server's answer. Waits as long as the server asks to, ``ATTEMPTS`` times."""
        for _ in range(ATTEMPTS):
            status, retry_after, answer = await self._post(body, key)
            if status < 300:
                return answer
            if retry_after is None:
                raise Refused(_reason(status, answer))
            await asyncio.sleep(retry_after)
        raise Unreachable(_reason(status, answer))

    async def _post(
        self, body: bytes, key: str | None
    ) -> tuple[int, float | None, Mapping[str, Any]]:
        headers = {"Authorization": f"Bearer {self._bearer()}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            async with self._session.post(self._url, data=body, headers=headers) as response:
                answer = orjson.loads(await response.read())
                retry_after = response.headers.get("Retry-After")
                return response.status, float(retry_after) if retry_after else None, answer
        except aiohttp.InvalidURL:
            raise Unreachable(f"{self._url} is no address") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"no answer from {self._url} ({type(error).__name__})") from None
        except ValueError:
            raise Unreachable(f"{self._url} does not answer as a Notifier does") from None


def _lines(file: BinaryIO, advance: Callable[[int], object]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            yield number, line.strip()
        advance(len(line))


def _idempotency_key(number: int, line: bytes) -> str:
    """The same for the same line at the same place, whenever the file is sent."""
    return f"file-{number}-{hashlib.sha256(line).hexdigest()[:32]}"


def _reason(status: int, answer: Mapping[str, Any]) -> str:
    """What a problem document says, for people."""
    errors = answer.get("errors") or {}
    fields = "; ".join(f"{name}: {' '.join(messages)}" for name, messages in errors.items())
    return f"refused ({status}): {fields or answer.get('detail') or answer.get('title', '')}"
