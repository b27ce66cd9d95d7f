"""One run: a cluster, its clients and publishers, a schedule of faults, and the evidence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import aiohttp

from tests.chaos.cluster import Cluster
from tests.chaos.crowd import Crowd, wait_for
from tests.chaos.evidence import Evidence, Span
from tests.chaos.faults import FAULTS, Episode, Scene, schedule
from tests.chaos.oracle import Violation
from tests.chaos.plan import HOT, Message, Plan
from tests.chaos.publishers import Publisher

PUBLISHERS = 64

WATCH_SECONDS = 0.05

CALM_SECONDS = 0.5
"""Between two episodes."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is made of.

    ``rate``: messages a second; ``seconds``: the end, come what may; ``only``: words of the faults
    to choose from, none for all of them; ``probe``: whether to wait for what no node was told of.
    """

    seed: int
    messages: int
    users: int
    faults: int
    nodes: int
    rate: float
    seconds: float
    only: tuple[str, ...] = ()
    probe: bool = True

    @property
    def episodes(self) -> list[Episode]:
        pool = [fault for fault in FAULTS if any(word in fault.name for word in self.only)]
        return schedule(self.seed, self.faults, self.messages, pool or None)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found out.

    ``stuck``: why it could not come to its end, if it could not; ``broken``: what was found broken
    besides the rules of the oracle; ``pause``: the longest for which this process, and with it all
    proxies, did nothing, where that was watched.
    """

    evidence: Evidence
    seconds: float
    stuck: str | None = None
    broken: Sequence[Violation] = ()
    pause: float | None = None


async def run(options: Options, folder: Path, say: Say) -> Result:
    """Run to the end; nothing is left running, whatever happens."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        cluster = Cluster(folder, options.nodes)
        stack.push_async_callback(cluster.stop)
        await cluster.start()
        http = await stack.enter_async_context(open_http())
        stage = Stage(options, cluster, http, say)
        stuck = None
        try:
            async with asyncio.timeout(options.seconds):
                await stage.play()
        except TimeoutError:
            stuck = f"not at its end after {options.seconds:.0f} s"
        seconds = time.monotonic() - began
        return Result(await stage.evidence(), seconds, stuck, pause=stage.pause)


@asynccontextmanager
async def open_http() -> AsyncIterator[aiohttp.ClientSession]:
    """For all clients and publishers together: no limits, no memory."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as http:
        yield http


class Stage:
    """The clients and publishers of one run, and what happens to them."""

    def __init__(
        self, options: Options, cluster: Cluster, http: aiohttp.ClientSession, say: Say
    ) -> None:
        self._options = options
        self._cluster = cluster
        self._say = say
        self._plan = Plan(options.seed, options.users)
        self._crowd = Crowd(self._plan, cluster.urls, http)
        took = self._crowd.took
        self._prober = Publisher("prober", [cluster.mute.url], http, options.seed, took)
        self._publishers = [
            Publisher(f"publisher-{number}", cluster.urls, http, options.seed, took)
            for number in range(PUBLISHERS)
        ]
        self._gate = 0
        """No message is sent with this number or a higher one."""
        self._next_turn = 0.0
        self.pause = 0.0
        """Seconds for which nothing ran here at most."""
        self._spans: list[Span] = []
        self._probes: list[int] = []

    async def play(self) -> None:
        """All of it, from the first connection to the last probe."""
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch())
            tasks = await self._crowd.connect(group)
            self._say(f"{len(tasks)} clients of {self._options.users} users are connected")
            await self._publish_through_faults()
            await self._crowd.catch_up(time.monotonic())
            if self._options.probe:
                await self._probe()
            for task in (*tasks, watch):
                task.cancel()

    async def _watch(self) -> None:
        """What it is late by, everything else here is."""
        while True:
            asleep = time.monotonic()
            await asyncio.sleep(WATCH_SECONDS)
            self.pause = max(self.pause, time.monotonic() - asleep - WATCH_SECONDS)

    async def evidence(self) -> Evidence:
        """Everything that was written down, and the logs as the store has them now."""
        publishers = [*self._publishers, self._prober]
        return Evidence(
            messages=self._crowd.messages,
            attempts=[attempt for publisher in publishers for attempt in publisher.attempts],
            diaries=[client.diary for client in self._crowd.clients],
            logs=await self._cluster.logs(),
            spans=self._spans,
            probes=self._probes,
        )

    async def _publish_through_faults(self) -> None:
        """Publish everything; no message overtakes the episode after the next."""
        count = self._options.messages
        episodes = self._options.episodes
        gates = [*(episode.after for episode in episodes[1:]), count, count]
        self._gate, self._next_turn = gates[0], time.monotonic()
        async with asyncio.TaskGroup() as publishers:
            for index in range(PUBLISHERS):
                publishers.create_task(self._publish(index))
            for number, episode in enumerate(episodes):
                await wait_for(partial(self._has_accepted, episode.after - PUBLISHERS))
                self._gate = gates[number + 1]
                await self._live_through(number, episode)
            self._gate = count

    def _has_accepted(self, count: int) -> bool:
        return self._crowd.accepted >= count

    async def _publish(self, index: int) -> None:
        """Publish every message whose number has this remainder."""
        for number in range(index, self._options.messages, PUBLISHERS):
            await self._turn(number)
            await self._send(self._publishers[index], self._plan.message(number))

    async def _turn(self, number: int) -> None:
        """Wait until it is this message's time, and no episode has to come first."""
        await wait_for(lambda: number < self._gate)
        self._next_turn = max(self._next_turn + 1 / self._options.rate, time.monotonic() - 0.1)
        await asyncio.sleep(self._next_turn - time.monotonic())

    async def _send(self, publisher: Publisher, message: Message) -> None:
        self._crowd.messages[message.number] = message
        await publisher.publish(message)

    async def _live_through(self, number: int, episode: Episode) -> None:
        scene = Scene(self._cluster, self._crowd.clients, Random(episode.seed))
        began = time.monotonic()
        async with AsyncExitStack() as faults:
            for fault in episode.faults:
                await faults.enter_async_context(fault.strike(scene))
            await asyncio.sleep(episode.seconds)
        ended = time.monotonic()
        self._spans.append(Span(episode.what, episode.troubles, began, ended))
        await self._crowd.catch_up(ended)
        self._say(
            f"{number + 1:3}. {episode.what}: {ended - began:.1f} s, caught up after "
            f"{time.monotonic() - ended:.1f} s; {self._crowd.accepted} accepted"
        )
        await asyncio.sleep(CALM_SECONDS)

    async def _probe(self) -> None:
        """Store messages of which no node is told; they must be found all the same."""
        audiences = ["everyone", HOT, "role:r0", "topic:t0", "user:u0"]
        for offset, audience in enumerate(audiences):
            message = Message(self._options.messages + offset, (audience,))
            self._probes.append(message.number)
            await self._send(self._prober, message)
        began = time.monotonic()
        await self._crowd.catch_up(began)
        self._say(f"what no node was told of was shown after {time.monotonic() - began:.1f} s")
