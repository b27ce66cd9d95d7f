"""Where an entry meets this node's connections: once, in order, whatever the bus does.

The bus only hints. For every log that has readers on this node the hub remembers the last seq it
delivered: the next one is delivered, an older one dropped, a later one held until what lies between
has come, from the bus or from the store. What no hint told of is found by comparing with the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from notifier.core.models import Entry, Revocation, Standing, follows, now_ms
from notifier.core.ports import Log
from notifier.core.validity import REVOKED
from notifier.errors import Overloaded, StoreUnavailable

logger = logging.getLogger(__name__)

CHECK_SECONDS = 20.0
"""How often all logs are compared with the store. A lost hint costs at most this long."""

DEGRADED_CHECK_SECONDS = 0.5
"""The same while the bus is known to be broken: delivery falls back to asking the store. If that
came less often, it would be in gushes that publishers have to wait for."""

CHECKED_PER_SECOND = 10_000
"""Logs compared then: who has more does it less often. It takes MongoDB a tenth of a second."""

REPAIR_LIMIT = 500
"""Entries of one log read at a time when catching up."""

GATHER_SECONDS = 0.05
"""Between two comparisons: of many logs with something wrong, most are compared together."""

REST = 4
"""Between two comparisons also so many times as long as the last one took, but no longer than
``DEGRADED_CHECK_SECONDS``: a bus that loses hints without end has a fifth of our time."""

RETRY_SECONDS = 1.0
"""Until a store that could not be read is asked again."""

ARRIVALS = 100
"""Readers that catch up at the same time; the others wait for their turn. Each asks the store
several times. If thousands did so together, the loop would take so long for one round that every
answer came too late: all would be refused, and come back together."""


class Sink(Protocol):
    """One kind of connection: takes what the hub delivers, without waiting."""

    def deliver(self, entry: Entry) -> None:
        """Write the entry to every local reader of its log."""
        ...

    def tell(self, user: str, event: str, data: Any, skip: str | None) -> None:
        """Write an event to every local connection of the user but ``skip``."""
        ...

    def restrict(self, user: str, revocation: Revocation) -> None:
        """End every local connection of the user whose token is revoked, take from the others the
        roles that they have lost. Repeating it changes nothing."""
        ...

    def compare(self, user: str, standing: Standing) -> None:
        """Look the user up anew for every local connection that does not stand where the store
        says. It may be called for thousands at once."""
        ...


class Channels(Protocol):
    """The receiving side of a bus: which logs this node wants to hear of."""

    healthy: bool
    """False while hints are known to be lost."""

    async def listen(self, audiences: Collection[str]) -> None:
        """Return once hints arrive, or after a bounded time if the bus is broken."""
        ...

    def unlisten(self, audiences: Collection[str]) -> None: ...


class LocalChannels:
    """One node: every hint arrives by itself."""

    healthy = True

    async def listen(self, audiences: Collection[str]) -> None:
        return

    def unlisten(self, audiences: Collection[str]) -> None:
        return


@dataclass(slots=True)
class HubMetrics:
    """Since the start of this node."""

    delivered: int = 0
    """Entries handed to the local connections."""

    dropped: int = 0
    """Hints for what had been delivered already."""

    repaired: int = 0
    """Entries that no hint told of, or that came out of order, and that the store supplied."""


@dataclass(slots=True)
class _Tail:
    """The end of one log as this node follows it. ``position`` None: not yet opened."""

    opened: asyncio.Future[None]
    readers: int = 0
    position: int | None = None
    ahead: dict[int, Entry] = field(default_factory=dict)

    def keep(self, entry: Entry) -> None:
        """Keep what came too early, within bounds: the store has it anyway."""
        if len(self.ahead) < REPAIR_LIMIT:
            self.ahead[entry.seq] = entry


class Hub:
    """This node's readers by log. ``start`` and ``close`` frame its life."""

    def __init__(self, log: Log, channels: Channels | None = None) -> None:
        self._log = log
        self.channels: Channels = channels or LocalChannels()
        self.sinks: list[Sink] = []
        self.on_revoked: Callable[[str], None] = lambda user: None
        """Called when something was taken back from a user's tokens."""
        self.metrics = HubMetrics()
        self.arrivals = asyncio.Semaphore(ARRIVALS)
        """Held by whoever reads from the store what a reader has missed, of whatever kind."""
        self._tails: dict[str, _Tail] = {}
        self._stale: set[str] = set()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._spawn(self._repair_stale())
        self._spawn(self._check_forever())

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def logs(self) -> int:
        """How many logs have readers here."""
        return len(self._tails)

    @property
    def users(self) -> list[str]:
        """Who has a reader here: every reader follows the log of its user."""
        return [a.removeprefix("user:") for a in self._tails if a.startswith("user:")]

    # Readers

    async def join(self, audiences: Collection[str]) -> None:
        """Count one more reader of each log. When this returns, every later entry is delivered.

        Raises ``StoreUnavailable``, or ``Overloaded`` when the hub closes; then nothing was joined.
        """
        audiences = list(audiences)
        new = [a for a in audiences if a not in self._tails]
        for audience in new:
            self._tails[audience] = _Tail(asyncio.get_running_loop().create_future())
        tails = [self._tails[a] for a in audiences]
        for tail in tails:
            tail.readers += 1
        if new:
            self._spawn(self._open({a: self._tails[a] for a in new}))
        try:
            for tail in tails:
                await asyncio.shield(tail.opened)
        except BaseException:
            # A log that failed is gone, and may have been joined anew by somebody else.
            ours = zip(audiences, tails, strict=True)
            self.leave([a for a, tail in ours if self._tails.get(a) is tail])
            raise

    def leave(self, audiences: Iterable[str]) -> None:
        """Count one reader less of each log."""
        forsaken = []
        for audience in audiences:
            tail = self._tails.get(audience)
            if tail is None:
                continue
            tail.readers -= 1
            if tail.readers == 0:
                del self._tails[audience]
                forsaken.append(audience)
        if forsaken:
            self.channels.unlisten(forsaken)

    def position(self, audience: str) -> int:
        """The last seq of a joined log that was delivered here: what a new reader starts behind."""
        return self._tails[audience].position or 0

    async def _open(self, tails: dict[str, _Tail]) -> None:
        # Listening comes first: an entry stored after the heads were read is then hinted at.
        try:
            await self.channels.listen(tails)
            heads = await self._log.heads(tails)
        except asyncio.CancelledError:
            self._fail(tails, Overloaded("This node is shutting down."))
            raise
        except Exception as error:
            self._fail(tails, error)
            return
        for audience, tail in tails.items():
            tail.position = heads[audience]
            tail.opened.set_result(None)
            self._release(tail, through=tail.position)
            if tail.ahead:
                self.catch_up([audience])

    def _fail(self, tails: Mapping[str, _Tail], error: Exception) -> None:
        """These logs could not be opened: forget them and tell who waits."""
        failed = [audience for audience, tail in tails.items() if self._tails.get(audience) is tail]
        for audience in failed:
            del self._tails[audience]
        for tail in tails.values():
            tail.opened.set_exception(error)
            tail.opened.exception()  # a log that everybody left meanwhile has no one to tell
        self.channels.unlisten(failed)

    # Entries

    def deliver(self, entry: Entry) -> None:
        """Take a hint: deliver the entry now, later, or not again."""
        tail = self._tails.get(entry.audience)
        if tail is None:
            return  # no reader: the store will tell those who come
        if tail.position is None:
            tail.keep(entry)
        elif entry.seq <= tail.position:
            self.metrics.dropped += 1
        elif follows(entry.seq, tail.position, now=now_ms()):
            self._pass_on(tail, entry)
            if tail.ahead:
                self._release(tail, through=entry.seq)
        else:
            tail.keep(entry)
            self.catch_up([entry.audience])

    def tell(self, user: str, event: str, data: Any, skip: str | None = None) -> None:
        """Hand an event for one user to the local connections."""
        if event == REVOKED:
            self.on_revoked(user)
            return
        for sink in self.sinks:
            sink.tell(user, event, data, skip)

    def catch_up(self, audiences: Iterable[str] | None = None) -> None:
        """Compare logs (all of them, if none are named) with the store, soon."""
        self._stale.update(self._tails if audiences is None else audiences)
        self._wake.set()

    def _pass_on(self, tail: _Tail, entry: Entry) -> None:
        tail.position = entry.seq
        self.metrics.delivered += 1
        for sink in self.sinks:
            try:
                sink.deliver(entry)
            except Exception:  # one kind of connection must not cost the others theirs
                logger.exception("an entry could not be written to its readers")

    def _release(self, tail: _Tail, *, through: int) -> None:
        """Forget what came too early up to a number; deliver what is next in line now."""
        tail.ahead = {seq: entry for seq, entry in tail.ahead.items() if seq > through}
        while tail.position and (entry := tail.ahead.pop(tail.position + 1, None)):
            self._pass_on(tail, entry)

    # Repair

    async def _check_forever(self) -> None:
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while True:
            await asyncio.sleep(DEGRADED_CHECK_SECONDS)
            degraded = len(self._tails) / CHECKED_PER_SECOND
            due = CHECK_SECONDS if self.channels.healthy else min(degraded, CHECK_SECONDS)
            if loop.time() - checked >= due:
                checked = loop.time()
                self.catch_up()

    async def _repair_stale(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            stale, self._stale = self._stale, set()
            began = loop.time()
            try:
                await self._repair(stale)
            except StoreUnavailable:
                logger.warning("catching up failed: the store is not available; trying again")
            except Exception:  # whatever it is, the logs must not go without repair from here on
                logger.exception("catching up failed; trying again")
            else:
                rest = min(REST * (loop.time() - began), DEGRADED_CHECK_SECONDS)
                await asyncio.sleep(max(rest, GATHER_SECONDS))
                continue
            self._stale |= stale
            self._wake.set()
            await asyncio.sleep(RETRY_SECONDS)

    async def _repair(self, audiences: Collection[str]) -> None:
        """Deliver what the store has behind our positions, then what has become next in line.

        What had come too early when the store was asked, and what it still does not have, has
        expired, or was never there: whoever can write to the bus can announce anything.
        """
        positions = {
            a: self._tails[a].position or 0
            for a in audiences
            if a in self._tails and self._tails[a].position is not None
        }
        if not positions:
            return
        early = {a: max(self._tails[a].ahead, default=0) for a in positions}
        found = await self._log.after(positions, limit=REPAIR_LIMIT, now=now_ms())
        for audience in positions:
            tail = self._tails.get(audience)
            if tail is None or tail.position is None:
                continue
            entries = found.get(audience, [])
            for entry in entries:
                if entry.seq > tail.position:
                    self.metrics.repaired += 1
                    self._pass_on(tail, entry)
            if len(entries) == REPAIR_LIMIT:
                self.catch_up([audience])
            else:
                self._release(tail, through=max(tail.position, early[audience]))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
