"""Reading JSON: bounds of size, time and depth, and no ambiguity. Over a real connection."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from io import BytesIO

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from notifier.errors import RequestError
from notifier.http.bodies import MAX_BODY, read_json

JSON = {"Content-Type": "application/json"}


class Reader:
    """An application that answers what it read, or how it refused."""

    def __init__(self) -> None:
        self.seconds = 10.0
        self.finished = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        try:
            value = await read_json(request, seconds=self.seconds)
        except RequestError as error:
            return web.Response(status=error.status, text=error.code)
        finally:
            self.finished.set()
        return web.Response(body=orjson.dumps(value))


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
async def client(reader: Reader) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    app = web.Application()
    app.router.add_post("/", reader.handle)
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(TestClient(TestServer(app, host="127.0.0.1")))


Client = TestClient[web.Request, web.Application]


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": [1, -2.5, 1e10, true, null, "\\u20ac \xe2\x82\xac \xf0\x9f\x94\x94"]}',
        b"18446744073709551615",
        b"-9223372036854775808",
        b' {"$where": {"a.b": 1}, "": ""} ',
        b'"text"',
    ],
)
async def test_json_comes_through_unchanged(client: Client, text: bytes) -> None:
    """Any JSON value, also keys that mean something to databases."""
    async with client.post("/", data=text, headers=JSON) as answer:
        assert answer.status == 200
        assert orjson.loads(await answer.read()) == orjson.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{} {}",
        b"{'a': 1}",
        b'{"a": 1, "a": 1}',
        b'{"deep": {"a": 1, "a": 2}}',
        b"\xff",
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b"NaN",
        b"[Infinity, -Infinity]",
        b"1e999",
        b"18446744073709551616",
        b"-9223372036854775809",
        b"1" * 5000,
        b"[" * 300 + b"]" * 300,
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'"\x01"',
        b"\x00",
    ],
    ids=lambda text: repr(text[:20]),
)
async def test_what_is_not_plain_json_is_malformed(client: Client, text: bytes) -> None:
    """Truncated, repeated names, foreign encodings, lone surrogates, huge numbers, deep nesting."""
    async with client.post("/", data=text, headers=JSON) as answer:
        assert (answer.status, await answer.text()) == (400, "invalid_request")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "text/json", "multipart/form-data"]
)
async def test_only_json_is_read(client: Client, kind: str) -> None:
    """A form of another site can send these without asking first; JSON it cannot."""
    async with client.post("/", data=b"{}", headers={"Content-Type": kind}) as answer:
        assert (answer.status, await answer.text()) == (415, "invalid_request")


async def test_the_charset_of_json_may_be_named(client: Client) -> None:
    """Some clients always do."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    async with client.post("/", data=b"[1]", headers=headers) as answer:
        assert await answer.json(content_type=None) == [1]


def padded(size: int) -> bytes:
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


async def test_a_body_may_have_exactly_one_mebibyte(client: Client) -> None:
    """The limit itself is allowed, one byte more is not."""
    assert len(padded(MAX_BODY)) == MAX_BODY == 1024 * 1024
    async with client.post("/", data=BytesIO(padded(MAX_BODY)), headers=JSON) as answer:
        assert answer.status == 200
    async with client.post("/", data=BytesIO(padded(MAX_BODY + 1)), headers=JSON) as answer:
        assert (answer.status, await answer.text()) == (413, "too_large")


async def test_a_huge_body_is_refused_before_it_is_read(client: Client, reader: Reader) -> None:
    """What the head announces is enough to refuse: not a byte of the body is waited for."""
    _, writer = await asyncio.open_connection(client.host, client.port)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    writer.write(head + b"Content-Length: 10485760\r\n\r\n")
    await writer.drain()
    async with asyncio.timeout(8):
        await reader.finished.wait()
    writer.close()
    await writer.wait_closed()


async def test_a_chunked_body_is_bounded_as_it_comes(client: Client) -> None:
    """No length announced, ten megabytes sent."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b" " * 65_536

    async with client.post("/", data=chunks(), headers=JSON) as answer:
        assert (answer.status, await answer.text()) == (413, "too_large")


async def test_a_compressed_body_is_bounded_by_what_it_unpacks_to(client: Client) -> None:
    """Fifty megabytes of nothing fit into fifty kilobytes."""
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    headers = {**JSON, "Content-Encoding": "gzip"}
    async with client.post("/", data=bomb, headers=headers) as answer:
        assert (answer.status, await answer.text()) == (413, "too_large")


async def test_a_broken_compressed_body_is_malformed(client: Client) -> None:
    """Not an error of ours."""
    headers = {**JSON, "Content-Encoding": "gzip"}
    async with client.post("/", data=b"no gzip", headers=headers) as answer:
        assert answer.status == 400


async def test_a_body_that_does_not_come_is_given_up(client: Client, reader: Reader) -> None:
    """Somebody who promises ten bytes and sends three holds the handler only until the deadline."""
    reader.seconds = 0.05
    stream, writer = await asyncio.open_connection(client.host, client.port)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    writer.write(head + b"Content-Length: 10\r\n\r\n[1,")
    async with asyncio.timeout(10):
        assert b" 400 " in await stream.readline()
    writer.close()
    await writer.wait_closed()
