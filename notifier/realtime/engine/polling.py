"""HTTP long-polling: the client asks with GET, sends with POST, one of each at a time."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING

from aiohttp import web

from .errors import PayloadTooLarge, ProtocolError
from .outbox import Outbox
from .packets import CLOSE_FRAME, NOOP_FRAME, decode_payload, encode_payload

if TYPE_CHECKING:
    from .core import Core
    from .packets import Frame
    from .websocket import Owner

# Some clients send the time in whole seconds as `t`: two requests of one second look the same.
SECONDS = re.compile(r"[0-9]{10}")


class Polling:
    """The transport between requests: what waits for the next poll, what came with a POST."""

    __slots__ = (
        "_core", "_inbox", "_last_poll", "_last_post", "_poll", "_taken", "outbox", "owner",
        "posting", "probing",
    )  # fmt: skip
    name = "polling"

    def __init__(self, core: Core, owner: Owner) -> None:
        self._core = core
        self.owner: Owner | None = owner
        self._poll: asyncio.Future[None] | None = None
        self._last_poll: str | None = None
        self._last_post: str | None = None
        self._inbox: deque[str | bytes] = deque()
        self._taken: asyncio.Future[None] | None = None
        self.outbox = Outbox(core.metrics)
        self.posting = False
        """True from when a POST begins until it is answered."""
        self.probing = False
        """While a WebSocket is probed polls are answered at once, so that they end."""

    @property
    def unread(self) -> bool:
        """True while packets of a POST wait because their owner is busy."""
        return bool(self._inbox) or self.posting

    def send(self, frame: Frame) -> None:
        """Give the frame to the poll that waits, or keep it for the next one."""
        first = not self.outbox
        self.outbox.put(frame, asyncio.get_running_loop().time())
        if self._poll is not None:
            self.release()
        elif self.owner is None:
            return
        elif self.outbox.size > self._core.options.outbox_bytes:
            self.owner.too_slow()
        elif first:
            self.owner.waiting()

    def take(self) -> str | bytes | None:
        """The next packet that was posted. When the last is taken, the next POST is read."""
        packet = self._inbox.popleft() if self._inbox else None
        if not self._inbox and self._taken is not None and not self._taken.done():
            self._taken.set_result(None)
        return packet

    async def poll(self, stamp: str | None) -> str:
        """The body for a GET, once there is something to tell.

        ProtocolError on a second poll, and on a repeated one. `stamp` is the `t` of the request,
        which clients make a fresh one for each. If it comes again, the network lost the answer and
        the client's HTTP library asked again by itself: what was in that answer is gone, and only
        a new connection can bring it back.
        """
        if self._poll is not None:
            raise ProtocolError("overlapping polls")
        if _is_repeated(stamp, self._last_poll):
            raise ProtocolError("a repeated poll")
        self._last_poll = stamp
        if not self.outbox and not self.probing:
            self._poll = asyncio.get_running_loop().create_future()
            try:
                await self._poll
            except asyncio.CancelledError:
                if self.owner is None:
                    self.outbox.clear()
                raise
            finally:
                self._poll = None
        frames = self.outbox.take()
        if self.owner is not None:
            self.owner.emptied()
        return encode_payload(frames or [NOOP_FRAME])

    async def post(self, request: web.Request, stamp: str | None) -> None:
        """Take in the packets of a POST; they are handled after those of the last one.

        It need not wait until they are: a handler may wait for the client to poll, and there are
        clients that poll only when their POST was answered. But it is read only when all packets
        of the last one were taken, so a client that sends faster than it is served has to wait.

        ProtocolError if the body is invalid, too large, too slow, comes while another does, or is
        repeated (see `poll`): nothing is handled twice.
        """
        if self.posting:
            raise ProtocolError("overlapping posts")
        if _is_repeated(stamp, self._last_post):
            raise ProtocolError("a repeated post")
        self._last_post = stamp
        self.posting = True
        try:
            await self._all_taken()
            packets = decode_payload(await self._body(request))
        finally:
            self.posting = False
        if self.owner is not None:
            self._inbox.extend(packets)
            self.owner.readable()

    def release(self) -> None:
        """Let the poll that waits be answered, with a noop if there is nothing else."""
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(None)

    def close(self, code: int, reason: str) -> None:
        """Answer the poll that waits: there is nothing more to come."""
        self.outbox.put(CLOSE_FRAME, asyncio.get_running_loop().time())
        self.discard()
        if self._poll is None:
            self.outbox.clear()

    def abort(self) -> None:
        """End everything without a word."""
        self.outbox.clear()
        self.discard()

    def discard(self) -> None:
        """Take nothing more of what came, and end."""
        self._inbox.clear()
        self.take()
        self.detach()

    def detach(self) -> deque[str | bytes]:
        """End; returns what has come and was not taken yet, which still can be."""
        self.owner = None
        self.release()
        return self._inbox

    async def _all_taken(self) -> None:
        if self._inbox:
            self._taken = asyncio.get_running_loop().create_future()
            await self._taken

    async def _body(self, request: web.Request) -> str:
        limit, body = self._core.options.max_payload, bytearray()
        if (request.content_length or 0) > limit:
            raise PayloadTooLarge(limit)
        try:
            async with asyncio.timeout(self._core.options.body_timeout):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > limit:
                        raise PayloadTooLarge(limit)
            return body.decode()
        except TimeoutError:
            raise ProtocolError("the body came too slowly") from None
        except (ConnectionError, web.RequestPayloadError):
            raise ProtocolError("the body did not come to its end") from None
        except UnicodeDecodeError:
            raise ProtocolError("invalid UTF-8") from None


def _is_repeated(stamp: str | None, last: str | None) -> bool:
    return stamp is not None and stamp == last and not SECONDS.fullmatch(stamp)
