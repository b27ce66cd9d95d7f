"""What ``notifier send`` does: publishing over HTTP, a notification or a file of them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, BinaryIO
from uuid import uuid4

import aiohttp
import click
import orjson

from notifier.cli.lines import Line, batches
from notifier.cli.progress import Progress
from notifier.errors import NotifierError, RequestError
from notifier.publisher.http import answer_of, is_receipt, pauses, settled, wait_of

Bearer = Callable[[], str]
"""Gives a key or a token that is valid now."""

TIMEOUT = aiohttp.ClientTimeout(total=30)

ATTEMPTS = 10
"""How often something is sent to a server that asks to come back later."""


class Refused(NotifierError):
    """The server has read the notification and does not take it; its ``status`` and ``answer``."""

    def __init__(self, status: int, answer: Mapping[str, Any]) -> None:
        super().__init__(_reason(status, answer))
        self.status = status
        self.answer = answer


class Unreachable(NotifierError):
    """The server does not answer, or not as a Notifier does."""


async def send_one(address: str, bearer: Bearer, notification: Mapping[str, Any]) -> str:
    """Publish and return what to tell. Raises ``Refused`` or ``Unreachable``."""
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        post = _Post(session, address, bearer)
        key = f"send-{uuid4().hex}"  # a store that fails over may have it and not say so
        answer = await post.send("v1/notifications", orjson.dumps(notification), key=key)
    if "deliver_at" in answer:
        return f"Scheduled {answer['id']} for {answer['deliver_at']}"
    entries = ", ".join(str(entry["id"]) for entry in answer["entries"])
    return f"Published {answer['id']} as {entries}" if entries else f"Accepted {answer['id']}"


async def send_file(
    address: str, bearer: Bearer, file: BinaryIO, *, rate: float | None = None
) -> bool:
    """Publish each line; tell how many arrived, and of the others why. True if all did.

    ``rate`` is the most notifications a second. Goes on where an earlier try has ended. Raises
    ``Unreachable``, which names the line, when the server is lost on the way, and ``NotWritable``
    when it cannot be kept how far it came.
    """
    progress = Progress.of(file)
    progress.resume()
    if progress.line:
        click.echo(f"Going on behind line {progress.line}.", err=True)
    sent = 0
    pace = _Pace(rate)
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        post = _Post(session, address, bearer)
        try:
            with click.progressbar(length=_size(file), label="Sending") as bar:
                bar.update(progress.offset)
                for batch in batches(file, progress.line):
                    await pace.wait(len(batch.lines))
                    refused = await _send_lines(post, batch.lines)
                    sent += len(batch.lines) - len(refused)
                    progress.reached(batch.last_line, bytes(batch.text), refused)
                    bar.update(len(batch.text))
            progress.finish()
        finally:
            _tell(sent, progress.refused)
    return not progress.refused


def _tell(sent: int, refused: Mapping[int, str]) -> None:
    for number, reason in sorted(refused.items()):
        click.echo(f"line {number}: {reason}", err=True)
    click.echo(f"{sent} published, {len(refused)} refused")


class _Pace:
    """Lets so many through a second, batch by batch."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free_at = time.monotonic()

    async def wait(self, count: int) -> None:
        if self._rate is None:
            return
        now = time.monotonic()
        await asyncio.sleep(self._free_at - now)
        self._free_at = max(self._free_at, now) + count / self._rate


async def _send_lines(post: _Post, lines: Sequence[Line]) -> dict[int, str]:
    """Send until every line is published or refused; the reasons of those that are refused."""
    refused: dict[int, str] = {}
    items: dict[int, bytes] = {}
    for line in lines:
        try:
            items[line.number] = _item(line)
        except orjson.JSONDecodeError as error:
            refused[line.number] = f"refused (400): this is not JSON: {error}"
    try:
        results = await _results(post, list(items.values()))
    except Unreachable as error:
        raise Unreachable(f"line {next(iter(items))}: {error}") from None
    for number, result in zip(items, results, strict=True):
        if "error" in result:
            refused[number] = _reason(result["status"], result["error"])
    return refused


async def _results(post: _Post, items: Sequence[bytes]) -> Sequence[Mapping[str, Any]]:
    if not items:
        return []
    try:
        return await post.send_batch(items)
    except Refused as error:
        if error.status in (401, 403):
            raise
        if len(items) == 1:
            return [{"status": error.status, "error": error.answer}]
    # One of them made the batch unreadable: each for itself.
    return [result for item in items for result in await _results(post, [item])]


def _item(line: Line) -> bytes:
    """A line as it stands in a batch, with its key unless it brings one.

    Raises ``JSONDecodeError`` if it is not one value: it would make more or less than one of its
    batch. The server is to see the text as it is: what has no one meaning is refused there.
    """
    value = orjson.loads(line.text)
    if not isinstance(value, dict) or not value or value.get("idempotency_key") is not None:
        return line.text
    if "idempotency_key" in value:
        return orjson.dumps(value | {"idempotency_key": line.key})
    return b'{"idempotency_key":"%b",%b' % (line.key.encode(), line.text[1:])


class _Post:
    """The calls that are made here."""

    def __init__(self, session: aiohttp.ClientSession, address: str, bearer: Bearer) -> None:
        self._session = session
        self._address = address.rstrip("/")
        self._bearer = bearer

    async def send(self, path: str, body: bytes, *, key: str | None = None) -> Mapping[str, Any]:
        """The server's answer. Waits as long as the server asks to, ``ATTEMPTS`` times."""
        for pause in islice(pauses(), ATTEMPTS):
            status, wait, answer = await self._post(path, body, key)
            if status < 300:
                return answer
            if wait is None:
                raise Refused(status, answer)
            await asyncio.sleep(max(wait, pause))
        raise Unreachable(_reason(status, answer))

    async def send_batch(self, notifications: Sequence[bytes]) -> Sequence[Mapping[str, Any]]:
        """A result for each. Those that the server asks for later are sent again."""
        waits = islice(pauses(), ATTEMPTS - 1)

        async def rest(postponed: Sequence[RequestError]) -> None:
            pause = next(waits, None)
            if pause is None:
                raise Unreachable("the server could not store all of them")
            await asyncio.sleep(max(pause, *(error.retry_after or 0.0 for error in postponed)))

        return await settled(notifications, partial(self.send, "v1/notifications/batch"), rest)

    async def _post(
        self, path: str, body: bytes, key: str | None
    ) -> tuple[int, float | None, Mapping[str, Any]]:
        """The status, for how many seconds to wait if it may be another one then, the answer."""
        url = f"{self._address}/{path}"
        headers = {"Authorization": f"Bearer {self._bearer()}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                wait = wait_of(response.status, response.headers)
                text = await response.read()
        except aiohttp.InvalidURL:
            raise Unreachable(f"{url} is no address") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"no answer from {url} ({type(error).__name__})") from None
        answer = answer_of(text)
        is_foreign = answer is None or (response.status < 300 and not is_receipt(answer))
        if is_foreign and wait is None:
            raise Unreachable(f"{url} does not answer as a Notifier does ({response.status})")
        return response.status, wait, answer or {}


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _reason(status: int, answer: Mapping[str, Any]) -> str:
    """What a problem document, or the error of one in a batch, says for people."""
    errors = answer.get("errors") or {}
    fields = "; ".join(f"{name}: {' '.join(messages)}" for name, messages in errors.items())
    told = fields or answer.get("detail") or answer.get("message") or answer.get("title", "")
    return f"refused ({status}): {told}"
