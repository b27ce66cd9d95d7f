"""A folder of files as browsers get it: compressed where prepared, kept as long as is right."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from aiohttp import web

from notifier.errors import NotFound

TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".map": "application/json",
}
"""What is served at all, and as what; fixed, because the tables of hosts differ."""

IMMUTABLE = "public, max-age=31536000, immutable"
"""For names that hold a hash of the content: a year, the longest that caches are asked to keep."""

REVALIDATE = "public, no-cache"
"""For other names: a copy is asked for again; that costs a 304 with the ETag."""

_HASHED = re.compile(r"-[A-Z0-9]{8}\.\w+(\.map)?$")
"""How the build ends the names of what several modules share."""

_COMPRESSED = {"br": ".br", "gzip": ".gz"}
"""The twins that the build puts beside a file, the smallest first."""

_KEPT = 128
"""Files held in memory; a build has some fifty."""


@dataclass(frozen=True, slots=True)
class _Copy:
    body: bytes
    etag: str
    encoding: str | None


class Folder:
    """Serves the files below ``root``, and nothing outside of it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def answer(self, request: web.Request, name: str) -> web.Response:
        """The file of that name, or 304 to a browser that has it. Raises ``NotFound``."""
        accepted = tuple(_accepted(request.headers.get("Accept-Encoding", "")))
        copy = await asyncio.to_thread(self._read, name, accepted)
        headers = {
            "Cache-Control": IMMUTABLE if _HASHED.search(name) else REVALIDATE,
            "Vary": "Accept-Encoding",
            "ETag": f'"{copy.etag}"',
        }
        if any(tag.value in (copy.etag, "*") for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        if copy.encoding is not None:
            headers["Content-Encoding"] = copy.encoding
        media = TYPES[Path(name).suffix]
        return web.Response(body=copy.body, headers=headers, content_type=media, charset="utf-8")

    def _read(self, name: str, accepted: tuple[str, ...]) -> _Copy:
        file = self._find(name)
        if file is None:
            raise NotFound("There is no such file.")
        for encoding in accepted:
            twin = file.with_name(file.name + _COMPRESSED[encoding])
            if twin.is_file():
                return _load(twin, twin.stat().st_mtime_ns, encoding)
        return _load(file, file.stat().st_mtime_ns, None)

    def _find(self, name: str) -> Path | None:
        """Nothing outside of the folder is found, however it is spelled or linked."""
        try:
            file = (self._root / name).resolve()
            served = file.suffix in TYPES and file.is_file()
            return file if served and file.is_relative_to(self._root.resolve()) else None
        except (OSError, ValueError):  # a name that no file can have
            return None


@lru_cache(maxsize=_KEPT)
def _load(file: Path, modified: int, encoding: str | None) -> _Copy:
    """``modified`` tells one version of the file from the next."""
    body = file.read_bytes()
    # Of the content and not of the time of installation: all nodes have the same.
    return _Copy(body, hashlib.sha256(body).hexdigest()[:32], encoding)


def _accepted(header: str) -> Iterator[str]:
    """The encodings we may choose, the smallest result first. ``br;q=0`` refuses."""
    offered = {
        coding.strip().lower(): parameters.replace(" ", "")
        for coding, _, parameters in (part.partition(";") for part in header.split(","))
    }
    for encoding in _COMPRESSED:
        if encoding in offered and not re.fullmatch(r"q=0(\.0*)?", offered[encoding]):
            yield encoding
