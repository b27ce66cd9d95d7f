"""What settings there are: their types and bounds. ``config/default.toml`` explains each of them.

Beside the type of a setting stands the form in which files and environment variables may give it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlsplit

from marshmallow import ValidationError
from marshmallow import fields as forms
from marshmallow.validate import OneOf, Range, Regexp


class _Whole(forms.Integer):
    """A whole number; a fraction is a mistake and not to be cut off."""

    def _validated(self, value: Any) -> int:
        if isinstance(value, float):
            raise self.make_error("invalid")
        return super()._validated(value)


def _url(*schemes: str, allow_none: bool = True) -> forms.String:
    """An address with one of these schemes. Errors never repeat it: it may hold a password."""
    starts = tuple(f"{scheme}://" for scheme in schemes)

    def starts_well(value: str) -> None:
        if not value.startswith(starts):
            raise ValidationError(f"Must start with {' or '.join(starts)}.")

    return forms.String(required=True, allow_none=allow_none, validate=starts_well)


def _origin() -> forms.String:
    """Scheme, host and port of a page, exactly as a browser sends them."""

    def is_origin(value: str) -> None:
        parts = urlsplit(value)
        exact = f"{parts.scheme}://{parts.netloc}".lower()
        if parts.scheme not in ("http", "https") or not parts.hostname or value != exact:
            raise ValidationError("Must be origins such as https://app.example, without a path.")

    return forms.String(validate=is_origin)


_HOST = re.compile(r"([\w.%-]*|\[[\w.:%]+\])(:\d+)?")


def without_credentials(url: str) -> str:
    """Scheme, hosts and path, as an address may be shown; dots where it is not clear what is what.

    Passwords are seldom encoded as they ought to be: all up to the last @ is left out, and what
    follows must look like hosts. The options are left out as well, as some of them are secrets; an
    @ among them may still belong to the password.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        return url
    place, *options = re.split(r"[?#]", rest, maxsplit=1)
    place = place.rpartition("@")[2]
    hosts = place.partition("/")[0].split(",")
    clear = all(_HOST.fullmatch(host) for host in hosts) and "@" not in "".join(options)
    return f"{scheme}://{place if clear else '...'}"


Text = Annotated[str, forms.String(required=True)]
OptionalText = Annotated[str | None, forms.String(required=True, allow_none=True)]
Flag = Annotated[bool, forms.Boolean(required=True)]
Count = Annotated[int, _Whole(required=True, validate=Range(min=0))]
Bound = Annotated[
    int,
    _Whole(
        required=True,
        validate=Range(min=1, error="Must be at least 1: it cannot be switched off."),
    ),
]
Name = Annotated[str, forms.String(required=True, validate=Regexp(r"[\w.-]{1,64}\Z"))]
Seconds = Annotated[float, forms.Float(required=True, validate=Range(min=0, min_inclusive=False))]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where to listen, and for pages of which origins. No origins: the server's own only."""

    host: Text
    port: Annotated[int, _Whole(required=True, validate=Range(0, 65_535))]
    shutdown_seconds: Seconds
    trusted_hops: Count
    allowed_origins: Annotated[tuple[str, ...], forms.List(_origin(), required=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Where notifications are kept."""

    url: Annotated[str, _url("sqlite", "mongodb", "mongodb+srv", allow_none=False)] = field(
        repr=False
    )
    allow_ephemeral: Flag

    @property
    def place(self) -> str:
        """The address as it may be shown."""
        return without_credentials(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisConfig:
    """How nodes reach each other. Without a URL there is one node."""

    url: Annotated[str | None, _url("redis", "rediss")] = field(repr=False)
    channel: Name
    verify_tls: Flag

    @property
    def place(self) -> str | None:
        """The address as it may be shown."""
        return without_credentials(self.url) if self.url else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AmqpConfig:
    """A RabbitMQ through which services publish. Without a URL there is none."""

    url: Annotated[str | None, _url("amqp", "amqps")] = field(repr=False)
    prefix: Name

    @property
    def place(self) -> str | None:
        """The address as it may be shown."""
        return without_credentials(self.url) if self.url else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig:
    """Which tokens are believed. ``max_token_lifetime`` is in seconds, 0: any."""

    secrets: Annotated[tuple[str, ...], forms.List(forms.String(), required=True)] = field(
        repr=False
    )
    jwks_url: Annotated[str | None, _url("https", "http")] = field(repr=False)
    issuer: OptionalText
    audience: OptionalText
    any_audience: Flag
    leeway_seconds: Count
    max_token_lifetime: Count

    @property
    def jwks_place(self) -> str | None:
        """The address as it may be shown."""
        return without_credentials(self.jwks_url) if self.jwks_url else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """What one client, user or address may use. 0: no limit; a bound of memory there is always."""

    connections: Count
    connections_per_user: Count
    connections_per_address: Count
    connects_per_address: Count
    packets_per_second: Count
    max_packet: Bound
    outbox_bytes: Bound
    outbox_seconds: Bound
    publishes_per_second: Count
    batched_per_second: Count
    requests_per_minute: Count
    failures_per_address: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    """How long notifications live that do not say so themselves. Ten years at most."""

    days: Annotated[int, _Whole(required=True, validate=Range(1, 3_660))]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsConfig:
    """Who runs what is due later: the server itself, or only workers.

    ``lease_seconds``: others run a job after this time if its runner has not finished it.
    """

    in_server: Flag
    lease_seconds: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """Who reads the queues in Redis and RabbitMQ: the server itself, or only workers."""

    in_server: Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class TypesConfig:
    """Where the type catalogue is; None: the one that comes with the package."""

    file: OptionalText


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Heartbeats of connections, in seconds."""

    ping_interval: Seconds
    ping_timeout: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """The demo page, which hands out tokens to anybody."""

    enabled: Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """What is logged, and how it looks."""

    level: Annotated[
        str, forms.String(required=True, validate=OneOf(["debug", "info", "warning", "error"]))
    ]
    format: Annotated[str, forms.String(required=True, validate=OneOf(["json", "text"]))]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Who may read /metrics besides this machine: anybody, or the holder of the token."""

    open: Flag
    token: OptionalText = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings. ``catalogue`` holds the checked tables of ``types.toml``."""

    env: str
    server: ServerConfig
    store: StoreConfig
    redis: RedisConfig
    amqp: AmqpConfig
    auth: AuthConfig
    limits: LimitsConfig
    retention: RetentionConfig
    jobs: JobsConfig
    queue: QueueConfig
    engine: EngineConfig
    demo: DemoConfig
    metrics: MetricsConfig
    log: LogConfig
    types: TypesConfig
    catalogue: Mapping[str, Any] = field(repr=False)
