"""The way over HTTP, with a URL and a key: what has an id has been stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import aiohttp
import orjson

from notifier import errors
from notifier.errors import InvalidRequest, QueueUnavailable, RequestError
from notifier.publisher.drafts import MAX_BYTES, Draft
from notifier.queue.messages import Outcome

CONNECTIONS = 16
"""Requests under way at once; who has more to say waits."""

BATCH = 500

ANSWER_SECONDS = 30.0

PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

_PATH = "v1/notifications"

_KINDS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, RequestError) and kind is not InvalidRequest
}
"""Error classes by the codes that a server answers with. InvalidRequest is told by its fields."""


class HttpSender:
    """Calls the REST interface; ``patience`` is in seconds."""

    def __init__(self, url: str, key: str, *, verify_tls: bool, patience: float) -> None:
        self._url = url.rstrip("/")
        self._patience = patience
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}"},
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            connector=aiohttp.TCPConnector(limit=0, ssl=verify_tls),
        )
        self._slots = asyncio.Semaphore(CONNECTIONS)

    async def send(self, drafts: list[Draft]) -> list[str]:
        """One alone, or with a key of its own, by itself; others in batches, one after another."""
        ids: list[str] = []
        for some in _batches(drafts):
            if len(some) == 1:
                [draft] = some
                answer = await self._call("POST", _PATH, draft.body, draft.key or draft.id)
                ids.append(str(answer["id"]))
            else:
                ids += await self._send_batch(some)
        return ids

    async def withdraw(self, notification_id: str) -> None:
        await self._call("DELETE", f"{_PATH}/{notification_id}")

    async def outcome(self, notification_id: str) -> Outcome:
        return Outcome("published", notification_id)

    async def close(self) -> None:
        await self._http.close()

    async def _send_batch(self, drafts: Sequence[Draft]) -> list[str]:
        """Each as a server takes it; those it could not take now are sent again, as they were."""
        body = b'{"notifications":[' + b",".join(draft.body for draft in drafts) + b"]}"
        until = time.monotonic() + self._patience
        pause = PAUSE_SECONDS
        while True:
            answer = await self._call("POST", f"{_PATH}/batch", body, drafts[0].id)
            results: Sequence[Mapping[str, Any]] = answer["results"]
            refused = [_error(result["error"]) for result in results if "error" in result]
            if not refused:
                return [str(result["id"]) for result in results]
            lasting = [error for error in refused if error.retry_after is None]
            if lasting:
                raise lasting[0]
            if time.monotonic() + pause > until:
                raise _unavailable(refused[0])
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _call(
        self, method: str, path: str, body: bytes | None = None, key: str | None = None
    ) -> Mapping[str, Any]:
        """Ask until there is an answer that is not to be asked for again."""
        until = time.monotonic() + self._patience
        pause = PAUSE_SECONDS
        while True:
            try:
                return await self._ask(method, path, body, key)
            except RequestError as error:
                if error.retry_after is None:
                    raise
                wait = max(pause, error.retry_after)
                if time.monotonic() + wait > until:
                    raise _unavailable(error) from None
                await asyncio.sleep(wait)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _ask(
        self, method: str, path: str, body: bytes | None, key: str | None
    ) -> Mapping[str, Any]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        url = f"{self._url}/{path}"
        try:
            async with (
                self._slots,
                self._http.request(method, url, data=body, headers=headers) as response,
            ):
                text = await response.read()
                answer: dict[str, Any] = dict(orjson.loads(text)) if text else {}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError) as error:
            why = type(error).__name__
            raise QueueUnavailable(f"There was no answer from the server ({why}).") from None
        if response.status < 300:
            return answer
        raise _problem(response.status, response.headers.get("Retry-After"), answer)


def _batches(drafts: Sequence[Draft]) -> Iterator[list[Draft]]:
    batch: list[Draft] = []
    size = 0
    for draft in drafts:
        size += len(draft.body) + 1
        if batch and (draft.key or len(batch) == BATCH or size > MAX_BYTES):
            yield batch
            batch, size = [], len(draft.body) + 1
        batch.append(draft)
        if draft.key:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _unavailable(error: RequestError) -> QueueUnavailable:
    """What patience ends with, whatever it was that could have passed."""
    if isinstance(error, QueueUnavailable):
        return error
    return QueueUnavailable(error.detail, retry_after=error.retry_after)


def _problem(status: int, retry_after: str | None, answer: Mapping[str, Any]) -> RequestError:
    """The error that a problem document stands for. A failure of the server may pass."""
    wait = _seconds(retry_after) if retry_after else PAUSE_SECONDS if status >= 500 else None
    return _error({"message": answer.get("detail"), "retry_after": wait, **answer}, status)


def _seconds(retry_after: str) -> float:
    """What the header says; what stands in front of a Notifier may give a date instead."""
    return float(retry_after) if retry_after.isdecimal() else PAUSE_SECONDS


def _error(answer: Mapping[str, Any], status: int = 500) -> RequestError:
    kind = _KINDS.get(str(answer.get("code")), RequestError)
    if "errors" in answer:
        return InvalidRequest(answer["errors"])
    message = str(answer.get("message") or f"The server answered {status}.")
    return kind(message, retry_after=answer.get("retry_after"))
