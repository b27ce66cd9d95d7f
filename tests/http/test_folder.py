"""How files reach a browser: compressed if it likes, not at all if it has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from aiohttp import web

from notifier.http.folder import Folder
from tests.http.client import Api
from tests.http.conftest import OpenApi

TEXT = b"export const bell = 1;"
BROTLI = b"what the build has compressed with Brotli"
GZIP = b"what the build has compressed with gzip"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file with its twins, and one without."""
    (tmp_path / "notifier.mjs").write_bytes(TEXT)
    (tmp_path / "notifier.mjs.br").write_bytes(BROTLI)
    (tmp_path / "notifier.mjs.gz").write_bytes(GZIP)
    (tmp_path / "plain.css").write_text("b{}")
    return tmp_path


@pytest.fixture
async def api(root: Path, open_api: OpenApi) -> Api:
    app = web.Application()
    folder = Folder(root)

    async def file(request: web.Request) -> web.Response:
        return await folder.answer(request, request.match_info["file"])

    app.router.add_get("/{file:.+}", file)
    return await open_api(app)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.000", None),
        ("deflate", None),
        ("identity", None),
    ],
)
async def test_the_smallest_that_the_browser_takes_is_sent(
    api: Api, accepted: str, encoding: str | None
) -> None:
    """Compressed once, by the build."""
    async with api.client.get(
        "/notifier.mjs", headers={"Accept-Encoding": accepted}, auto_decompress=False
    ) as answer:
        body = await answer.read()
        assert answer.headers.get("Content-Encoding") == encoding
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert answer.headers["Vary"] == "Accept-Encoding"
    assert body == {"br": BROTLI, "gzip": GZIP, None: TEXT}[encoding]


async def test_each_encoding_has_a_tag_of_its_own(api: Api) -> None:
    """What a cache has in one encoding says nothing of another."""
    tags = set()
    for accepted in ("br", "gzip", "identity"):
        headers = {"Accept-Encoding": accepted}
        async with api.client.get(
            "/notifier.mjs", headers=headers, auto_decompress=False
        ) as answer:
            tags.add(answer.headers["ETag"])
    assert len(tags) == 3


async def test_a_tag_is_of_the_content_alone(api: Api, root: Path) -> None:
    """Nodes were installed at different times and serve the same; other content has another tag."""
    first = (await api("GET", "/plain.css")).headers["ETag"]
    os.utime(root / "plain.css", (1_000_000, 1_000_000))
    assert (await api("GET", "/plain.css")).headers["ETag"] == first
    (root / "plain.css").write_text("i{}")
    assert (await api("GET", "/plain.css")).headers["ETag"] != first


@pytest.mark.parametrize("known", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
async def test_who_has_it_gets_nothing(api: Api, known: str) -> None:
    """304 for the tag, also a weak one, as proxies make them, and among others."""
    tag = (await api("GET", "/plain.css")).headers["ETag"].strip('"')
    answer = await api("GET", "/plain.css", headers={"If-None-Match": known.format(tag)})
    assert (answer.status, answer.text) == (304, "")


async def test_a_head_tells_what_a_get_would(api: Api) -> None:
    """Length and type, without the content."""
    answer = await api("HEAD", "/plain.css")
    assert (answer.status, answer.text, answer.headers["Content-Length"]) == (200, "", "3")
