"""What ``notifier send`` does: publishing over HTTP, a notification or a file of them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from uuid import uuid4

import aiohttp
import click
import orjson

from notifier.cli.progress import Progress
from notifier.errors import NotifierError

Bearer = Callable[[], str]
"""Gives a key or a token that is valid now."""

TIMEOUT = aiohttp.ClientTimeout(total=30)

ATTEMPTS = 10
"""How often something is sent to a server that asks to come back later."""

BATCH_LINES = 100
BATCH_BYTES = 900_000
"""Where a file is cut. The cuts must be the same whenever it is sent: the idempotency key of a
line is made of its batch and its place in it."""


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
    ``Unreachable``, which names the line, when the server is lost on the way.
    """
    progress = Progress.of(file)
    start = progress.resume()
    if start.line:
        click.echo(f"Going on behind line {start.line}.", err=True)
    tally = _Tally()
    pace = _Pace(rate)
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        post = _Post(session, address, bearer)
        try:
            with click.progressbar(length=_size(file), label="Sending") as bar:
                bar.update(start.offset)
                for batch in _batches(file, start.line):
                    await pace.wait(len(batch.lines))
                    await _send_batch(post, batch, tally)
                    progress.reached(batch.last_line, bytes(batch.text))
                    bar.update(len(batch.text))
            progress.finish()
        finally:
            tally.tell()
    return not tally.refused


@dataclass(slots=True)
class _Tally:
    """What has become of the lines."""

    sent: int = 0
    refused: dict[int, str] = field(default_factory=dict)

    def tell(self) -> None:
        for number, reason in sorted(self.refused.items()):
            click.echo(f"line {number}: {reason}", err=True)
        click.echo(f"{self.sent} published, {len(self.refused)} refused")


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


@dataclass(slots=True)
class _Batch:
    """Lines that are sent together: number and JSON; ``text`` is their part of the file."""

    lines: list[tuple[int, bytes]] = field(default_factory=list)
    last_line: int = 0
    text: bytearray = field(default_factory=bytearray)

    @property
    def key(self) -> str:
        """The same for the same lines at the same place, whenever the file is sent."""
        digest = hashlib.sha256(b"\n".join(text for _, text in self.lines))
        return f"file-{self.lines[0][0]}-{digest.hexdigest()[:32]}"


def _batches(file: BinaryIO, skipped: int) -> Iterator[_Batch]:
    """The file from where it stands, behind so many lines; blank ones are left out."""
    batch = _Batch()
    for number, line in enumerate(file, skipped + 1):
        if len(batch.lines) == BATCH_LINES or len(batch.text) + len(line) > BATCH_BYTES:
            yield batch
            batch = _Batch()
        if line.strip():
            batch.lines.append((number, line.strip()))
        batch.last_line = number
        batch.text += line
    yield batch


async def _send_batch(post: _Post, batch: _Batch, tally: _Tally) -> None:
    """Send until every line is published or refused."""
    lines = [line for line in batch.lines if _is_json(line, tally)]
    if not lines:
        return
    key = batch.key
    try:
        results = await post.send_batch([text for _, text in lines], key=key)
    except Refused as error:
        if error.status in (401, 403):
            raise
        # One of them made the batch unreadable: each for itself, under the same keys.
        results = [
            await post.send_of_batch(text, key=f"{key}/{index}")
            for index, (_, text) in enumerate(lines)
        ]
    except Unreachable as error:
        raise Unreachable(f"line {lines[0][0]}: {error}") from None
    for (number, _), result in zip(lines, results, strict=True):
        if "error" in result:
            tally.refused[number] = _reason(result["status"], result["error"])
        else:
            tally.sent += 1


def _is_json(line: tuple[int, bytes], tally: _Tally) -> bool:
    """Whether it is one value; else it would make more or less than one of its batch."""
    number, text = line
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        tally.refused[number] = f"refused (400): this is not JSON: {error}"
        return False
    return True


class _Post:
    """The calls that are made here."""

    def __init__(self, session: aiohttp.ClientSession, address: str, bearer: Bearer) -> None:
        self._session = session
        self._address = address.rstrip("/")
        self._bearer = bearer

    async def send(self, path: str, body: bytes, *, key: str | None = None) -> Mapping[str, Any]:
        """The server's answer. Waits as long as the server asks to, ``ATTEMPTS`` times."""
        for _ in range(ATTEMPTS):
            status, retry_after, answer = await self._post(path, body, key)
            if status < 300:
                return answer
            if retry_after is None:
                raise Refused(status, answer)
            await asyncio.sleep(retry_after)
        raise Unreachable(_reason(status, answer))

    async def send_batch(
        self, notifications: Sequence[bytes], *, key: str
    ) -> Sequence[Mapping[str, Any]]:
        """A result for each, none of which asks to come back later."""
        body = b'{"notifications":[' + b",".join(notifications) + b"]}"
        for _ in range(ATTEMPTS):
            answer = await self.send("v1/notifications/batch", body, key=key)
            results: Sequence[Mapping[str, Any]] = answer["results"]
            waits = [result.get("error", {}).get("retry_after") for result in results]
            wait = max((seconds for seconds in waits if seconds is not None), default=None)
            if wait is None:
                return results
            await asyncio.sleep(wait)
        raise Unreachable("the server could not store all of them")

    async def send_of_batch(self, notification: bytes, *, key: str) -> Mapping[str, Any]:
        """The result that it would have had in its batch."""
        try:
            return await self.send("v1/notifications", notification, key=key)
        except Refused as error:
            return {"status": error.status, "error": error.answer}

    async def _post(
        self, path: str, body: bytes, key: str | None
    ) -> tuple[int, float | None, Mapping[str, Any]]:
        url = f"{self._address}/{path}"
        headers = {"Authorization": f"Bearer {self._bearer()}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                answer = orjson.loads(await response.read())
                retry_after = response.headers.get("Retry-After")
                return response.status, float(retry_after) if retry_after else None, answer
        except aiohttp.InvalidURL:
            raise Unreachable(f"{url} is no address") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"no answer from {url} ({type(error).__name__})") from None
        except ValueError:
            raise Unreachable(f"{url} does not answer as a Notifier does") from None


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _reason(status: int, answer: Mapping[str, Any]) -> str:
    """What a problem document, or the error of one in a batch, says for people."""
    errors = answer.get("errors") or {}
    fields = "; ".join(f"{name}: {' '.join(messages)}" for name, messages in errors.items())
    told = fields or answer.get("detail") or answer.get("message") or answer.get("title", "")
    return f"refused ({status}): {told}"
