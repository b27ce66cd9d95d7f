"""What the engine reads from an HTTP request: the client's address, its origin, its headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from aiohttp import web

from .errors import ProtocolError
from .options import ANY_ORIGIN, EngineOptions

# The first lines of an Environ; headers follow.
ABOUT = ("REMOTE_ADDR", "REQUEST_METHOD", "PATH_INFO", "QUERY_STRING")
# Bytes of an Environ: what Node lets a request's headers have. aiohttp would take some 1 MiB.
MOST_KEPT = 16_384


class Environ(Mapping[str, str]):
    """A handshake request as connect handlers see it, with the names of WSGI.

    `REMOTE_ADDR` is the client's address, `HTTP_...` a header. Kept as long as the connection, so
    it is one piece of bytes, taken apart when somebody looks. ProtocolError if that is too large.
    """

    __slots__ = ("_lines",)

    def __init__(self, request: web.Request, address: str) -> None:
        # Raw, because a decoded line feed would let a client add lines of its own.
        url = request.rel_url
        about = (address, request.method, url.raw_path, url.raw_query_string)
        headers = [name + b":" + value for name, value in request.raw_headers]
        self._lines = b"\n".join(["\n".join(about).encode("utf-8", "surrogateescape"), *headers])
        if len(self._lines) > MOST_KEPT:
            raise ProtocolError("the headers are too large")

    def __getitem__(self, name: str) -> str:
        return self._parsed()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parsed())

    def __len__(self) -> int:
        return len(self._parsed())

    def _parsed(self) -> dict[str, str]:
        lines = self._lines.decode("utf-8", "surrogateescape").split("\n")
        parsed = dict(zip(ABOUT, lines, strict=False))
        for line in lines[len(ABOUT) :]:
            header, _, value = line.partition(":")
            name = f"HTTP_{header.upper().replace('-', '_')}"
            parsed[name] = f"{parsed[name]},{value}" if name in parsed else value
        return parsed


def client_address(request: web.Request, trusted_hops: int) -> str:
    """The address of the client, as the outermost of the trusted proxies saw it."""
    seen = ",".join(request.headers.getall("X-Forwarded-For", [])) if trusted_hops else ""
    hops = [hop for part in seen.split(",") if (hop := part.strip())]
    hops.append(request.remote or "")
    return hops[max(0, len(hops) - 1 - trusted_hops)]


def origin_allowed(request: web.Request, options: EngineOptions) -> bool:
    """True if the request comes from a page of a listed origin or of this server, or of none.

    Own is decided by the host alone: behind a proxy that ends TLS the scheme is not known here.
    """
    origin = request.headers.get("Origin")
    if origin is None or options.origins == ANY_ORIGIN or origin in options.origins:
        return True
    place = _place_of(origin)
    hosts = _own_hosts(request, options.trusted_hops)
    return place is not None and place in [_place_of(f"http://{host}") for host in hosts]


def cors_headers(request: web.Request) -> dict[str, str]:
    """What lets a page of an allowed origin read the answer."""
    origin = request.headers.get("Origin")
    if origin is None:
        return {}
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }
    if request.method == "OPTIONS":
        asked = request.headers.get("Access-Control-Request-Headers")
        headers["Access-Control-Allow-Methods"] = "GET, POST"
        headers["Access-Control-Max-Age"] = "600"
        if asked:
            headers["Access-Control-Allow-Headers"] = asked
    return headers


def _own_hosts(request: web.Request, trusted_hops: int) -> list[str]:
    """What the request calls this server, and what the first of trusted proxies was called."""
    forwarded = request.headers.get("X-Forwarded-Host", "") if trusted_hops else ""
    return [request.host, forwarded.partition(",")[0].strip()]


def _place_of(origin: str) -> tuple[str, int | None] | None:
    """Host and port, without those that a scheme stands for; None if it is no origin of a page."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return parts.hostname, None if port in (80, 443) else port
