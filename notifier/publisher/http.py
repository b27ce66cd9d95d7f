"""The way over HTTP, with a URL and a key: what has an id has been stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

import aiohttp
import orjson

from notifier import errors
from notifier.errors import (
    Forbidden,
    InvalidRequest,
    NotFound,
    QueueUnavailable,
    RateLimited,
    RequestError,
    TooLarge,
    Unauthenticated,
)
from notifier.publisher.drafts import MAX_BYTES, Draft
from notifier.queue.messages import Outcome

CONNECTIONS = 16
"""Requests under way at once; who has more to say waits."""

BATCH = 500

ANSWER_SECONDS = 30.0

PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

_PATH = "v1/notifications"

_KINDS: dict[str, type[RequestError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, RequestError) and kind is not InvalidRequest
}
"""Error classes by the codes that a server answers with. InvalidRequest is told by its fields."""

_BY_STATUS: dict[int, type[RequestError]] = {
    kind.status: kind for kind in (Unauthenticated, Forbidden, NotFound, TooLarge, RateLimited)
}
"""What answers mean that are not a Notifier's, but those of what stands in front of one."""


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

    async def send(self, drafts: list[Draft]) -> list[str | RequestError]:
        """One alone by itself, others in batches, one after another."""
        if len(drafts) == 1:
            return [await self._send_one(drafts[0])]
        answers: list[str | RequestError] = []
        for items in _batches(drafts):
            answers += await self._send_batch(items)
        return answers

    async def withdraw(self, notification_id: str) -> None:
        await self._call("DELETE", f"{_PATH}/{notification_id}", self._until())

    async def outcome(self, notification_id: str) -> Outcome:
        return Outcome("published", notification_id)

    async def close(self) -> None:
        await self._http.close()

    async def _send_one(self, draft: Draft) -> str | RequestError:
        try:
            answer = await self._call(
                "POST", _PATH, self._until(), draft.body, draft.key or draft.id
            )
        except RequestError as error:
            if error.retry_after is not None:
                raise
            return error
        return str(answer["id"])

    async def _send_batch(self, items: Sequence[bytes]) -> list[str | RequestError]:
        """Each as a server takes it; those that it could not take now are sent again."""
        until, waits = self._until(), pauses()
        results = await settled(
            items,
            partial(self._call, "POST", f"{_PATH}/batch", until),
            lambda postponed: _rest(postponed, next(waits), until),
        )
        return [_refusal(result) or str(result["id"]) for result in results]

    async def _call(
        self, method: str, path: str, until: float, body: bytes | None = None, key: str = ""
    ) -> Mapping[str, Any]:
        """Ask until there is an answer that is not to be asked for again."""
        waits = pauses()
        while True:
            try:
                return await self._ask(method, path, body, key)
            except RequestError as error:
                if error.retry_after is None:
                    raise
                await _rest([error], next(waits), until)

    def _until(self) -> float:
        """When the patience of a call that begins now has ended."""
        return time.monotonic() + self._patience

    async def _ask(self, method: str, path: str, body: bytes | None, key: str) -> Mapping[str, Any]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key:
            headers["Idempotency-Key"] = key
        url = f"{self._url}/{path}"
        try:
            async with (
                self._slots,
                self._http.request(method, url, data=body, headers=headers) as response,
            ):
                text = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _no_answer(type(error).__name__) from None
        answer = answer_of(text)
        if response.status >= 300:
            raise _problem(response.status, wait_of(response.status, response.headers), answer)
        if answer is None or (body is not None and not is_receipt(answer)):
            raise _no_answer("but one that is no Notifier's")
        return answer


def answer_of(text: bytes) -> Mapping[str, Any] | None:
    """The JSON object in the body of an answer; None if it is something else, a proxy's say."""
    try:
        answer = orjson.loads(text) if text else {}
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def is_receipt(answer: Mapping[str, Any]) -> bool:
    """Whether it is how a Notifier answers what was published: one, or a batch."""
    return "id" in answer or "results" in answer


def wait_of(status: int, headers: Mapping[str, str]) -> float | None:
    """For how many seconds to wait with such a request; None if that does not help.

    A failure of the server may pass. What stands in front of it may give a date, which counts as
    a short time.
    """
    asked_for = headers.get("Retry-After")
    if asked_for is None:
        return PAUSE_SECONDS if status >= 500 or status == 429 else None
    return float(asked_for) if asked_for.isdecimal() else PAUSE_SECONDS


def _batches(drafts: Sequence[Draft]) -> Iterator[list[bytes]]:
    """As they stand in batches: each with its key, which goes before that of the call."""
    batch: list[bytes] = []
    size = 0
    for draft in drafts:
        item = b'{"idempotency_key":%b,%b' % (orjson.dumps(draft.key or draft.id), draft.body[1:])
        size += len(item) + 1
        if batch and (len(batch) == BATCH or size > MAX_BYTES):
            yield batch
            batch, size = [], len(item) + 1
        batch.append(item)
    if batch:
        yield batch


async def settled(
    items: Sequence[bytes],
    ask: Callable[[bytes], Awaitable[Mapping[str, Any]]],
    rest: Callable[[Sequence[RequestError]], Awaitable[None]],
) -> list[Mapping[str, Any]]:
    """The result of each item of a batch. Those that the server postpones are sent again.

    ``ask`` calls it with a body; ``rest`` waits when something is postponed, or raises.
    """
    results: list[Mapping[str, Any]] = [{}] * len(items)
    left: Sequence[int] = range(len(items))
    while True:
        told = await ask(b'{"notifications":[%b]}' % b",".join(items[index] for index in left))
        postponed = {}
        for index, result in zip(left, told["results"], strict=True):
            results[index] = result
            refusal = _refusal(result)
            if refusal is not None and refusal.retry_after is not None:
                postponed[index] = refusal
        if not postponed:
            return results
        left = list(postponed)
        await rest(list(postponed.values()))


def pauses() -> Iterator[float]:
    """Seconds behind each try, if the server does not ask for more."""
    return (min(PAUSE_SECONDS * 2**n, LONGEST_PAUSE_SECONDS) for n in count())


async def _rest(postponed: Iterable[RequestError], pause: float, until: float) -> None:
    """Wait as long as the last of them asks for; ``QueueUnavailable`` if that is too long."""
    last = max(postponed, key=lambda error: error.retry_after or 0.0)
    wait = max(pause, last.retry_after or 0.0)
    if time.monotonic() + wait > until:
        raise _unavailable(last) from None
    await asyncio.sleep(wait)


def _unavailable(error: RequestError) -> QueueUnavailable:
    """What patience ends with, whatever it was that could have passed."""
    if isinstance(error, QueueUnavailable):
        return error
    return QueueUnavailable(error.detail, retry_after=error.retry_after)


def _no_answer(why: str) -> QueueUnavailable:
    return QueueUnavailable(f"There was no answer from the server ({why}).")


def _refusal(result: Mapping[str, Any]) -> RequestError | None:
    """Why one of a batch was refused; None if it was not."""
    if "error" not in result:
        return None
    error = result["error"]
    return _error(result["status"], error, error.get("message"), error.get("retry_after"))


def _problem(status: int, wait: float | None, answer: Mapping[str, Any] | None) -> RequestError:
    """The error that a problem document stands for, or an answer that is none."""
    if answer is None:
        return _error(
            status, {}, f"The server answered {status}, and not as a Notifier does.", wait
        )
    return _error(status, answer, answer.get("detail"), wait)


def _error(
    status: int, answer: Mapping[str, Any], message: object, retry_after: float | None
) -> RequestError:
    errors = answer.get("errors")
    if isinstance(errors, Mapping):
        return InvalidRequest(errors)
    kind = _KINDS.get(str(answer.get("code"))) or _BY_STATUS.get(status, RequestError)
    return kind(str(message or f"The server answered {status}."), retry_after=retry_after)
