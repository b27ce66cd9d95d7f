"""Every error a caller can meet, and what to do about it.

NotifierError
├── ConfigurationError      settings are wrong; lists every problem, the program does not start
└── RequestError            one call failed; carries a code, an HTTP status and advice
    ├── InvalidRequest      422  the fields named in ``errors`` must change before a retry
    ├── MalformedRequest    400  the text itself could not be read (not JSON, not a cursor ...)
    ├── Unauthenticated     401  no valid credentials; get a token
    │   └── TokenExpired    401  the token was good once; get a fresh one
    ├── Forbidden           403  valid credentials that do not allow this
    ├── NotFound            404  it does not exist, or belongs to somebody else
    ├── Conflict            409  the idempotency key was used with another body
    │   └── IdTaken         409  the id is that of another publisher's notification
    ├── TooLarge            413  send less
    ├── RateLimited         429  wait ``retry_after`` seconds
    ├── UnknownEvent        404  no such Socket.IO event
    ├── StoreUnavailable    503  it may be stored or not; repeat it with its idempotency key
    ├── QueueUnavailable    503  it may be queued or not; repeat it with its idempotency key
    └── Overloaded          503  the node is full or leaving; come back in ``retry_after`` seconds

Errors of drivers (SQLite, MongoDB, Redis) are turned into these where they arise and never reach
a caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class NotifierError(Exception):
    """The root of everything Notifier raises on purpose."""


class ConfigurationError(NotifierError):
    """The settings cannot work. ``problems`` holds one sentence for each thing to change."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class RequestError(NotifierError):
    """A call that was refused: nothing of it was carried out, but where an error says otherwise.

    ``code`` is stable and meant for programs, ``detail`` is a sentence for people, ``retry_after``
    (seconds) is set when the same call may succeed later. ``index`` is set when it is about one of
    many that were handed over in one call.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "The request failed"
    default_retry_after: ClassVar[float | None] = None

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = self.default_retry_after if retry_after is None else retry_after
        self.index: int | None = None

    def __str__(self) -> str:
        return self.detail if self.index is None else f"{self.index}: {self.detail}"

    def as_dict(self) -> dict[str, Any]:
        """The error object of Socket.IO acknowledgements and batch results."""
        answer: dict[str, Any] = {"code": self.code, "message": self.detail}
        if self.retry_after is not None:
            answer["retry_after"] = self.retry_after
        return answer


class InvalidRequest(RequestError):
    """The request was read, but fields are wrong. ``errors`` maps a field path to its messages."""

    code = "invalid_request"
    status = 422
    title = "Some fields are not valid"

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {field: list(messages) for field, messages in errors.items()}
        super().__init__("; ".join(f"{field}: {' '.join(m)}" for field, m in self.errors.items()))

    def __str__(self) -> str:
        return self.detail  # which names the index, if there is one, with each field

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), "errors": self.errors}


class MalformedRequest(RequestError):
    """The request could not be read at all."""

    code = "invalid_request"
    status = 400
    title = "The request could not be read"


class Unauthenticated(RequestError):
    """No credentials, or credentials that prove nothing."""

    code = "unauthenticated"
    status = 401
    title = "Valid credentials are required"


class TokenExpired(Unauthenticated):
    """The token has passed its ``exp``."""

    code = "expired"
    title = "The token has expired"


class Forbidden(RequestError):
    """The caller is known, but may not do this."""

    code = "forbidden"
    status = 403
    title = "This is not allowed"


class NotFound(RequestError):
    """It does not exist, or belongs to somebody else: callers cannot tell which."""

    code = "not_found"
    status = 404
    title = "Not found"


class UnknownEvent(NotFound):
    """A Socket.IO event that the protocol does not name."""

    code = "unknown_event"
    title = "There is no such event"


class Conflict(RequestError):
    """The idempotency key belongs to another request body."""

    code = "conflict"
    status = 409
    title = "The idempotency key was used with another body"


class IdTaken(Conflict):
    """The id was used by another publisher. Only who names ids can meet it: over a queue."""

    title = "The id was used by another publisher"

    def __init__(
        self,
        detail: str = "The id belongs to a notification of another publisher.",
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail, retry_after=retry_after)


class TooLarge(RequestError):
    """The request exceeds a size limit."""

    code = "too_large"
    status = 413
    title = "The request is too large"


class RateLimited(RequestError):
    """Too many requests; ``retry_after`` says when the next one is welcome."""

    code = "rate_limited"
    status = 429
    title = "Too many requests"
    default_retry_after = 1.0


class StoreUnavailable(RequestError):
    """The store cannot confirm writes or answer reads now. What was to be written may have been:
    the same call with the same idempotency key finds out."""

    code = "store_unavailable"
    status = 503
    title = "The store is not available"
    default_retry_after = 2.0


class QueueUnavailable(RequestError):
    """The queue, or the server behind a URL, did not confirm in time. Whether it has got the
    notification is not known: the same call with the same idempotency key finds out."""

    code = "queue_unavailable"
    status = 503
    title = "The queue is not available"
    default_retry_after = 2.0


class Overloaded(RequestError):
    """This node is full or shutting down; another one may answer."""

    code = "overloaded"
    status = 503
    title = "The server is too busy"
    default_retry_after = 5.0
