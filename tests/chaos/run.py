"""One run: a cluster, its clients and publishers, a schedule of faults, and the evidence."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import aiohttp

from tests.chaos.clients import TRANSPORTS, Client
from tests.chaos.cluster import Cluster, user_token
from tests.chaos.evidence import Diary, Evidence, Span
from tests.chaos.faults import FAULTS, Episode, Scene, schedule
from tests.chaos.plan import HOT, Message, Plan
from tests.chaos.publishers import Publisher

PUBLISHERS = 24

SECOND_PAGES = 0.2
"""The share of users who have two pages open."""

SETTLE_SECONDS = 90.0
"""How long clients get after a fault, and at the end, to show everything; then the run goes on and
the oracle decides."""

CALM_SECONDS = 0.5
"""Between two episodes."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is made of.

    ``rate``: messages a second; ``seconds``: the end, come what may; ``only``: words of the faults
    to choose from, none for all of them.
    """

    seed: int
    messages: int
    users: int
    faults: int
    nodes: int
    rate: float
    seconds: float
    only: tuple[str, ...] = ()

    @property
    def episodes(self) -> list[Episode]:
        pool = [fault for fault in FAULTS if any(word in fault.name for word in self.only)]
        return schedule(self.seed, self.faults, self.messages, pool or None)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found out. ``stuck``: why it could not come to its end, if it could not."""

    evidence: Evidence
    seconds: float
    stuck: str | None


async def run(options: Options, folder: Path, say: Say) -> Result:
    """Run to the end; nothing is left running, whatever happens."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        cluster = Cluster(folder, options.nodes)
        stack.push_async_callback(cluster.stop)
        await cluster.start()
        http = await stack.enter_async_context(_http())
        stage = Stage(options, cluster, http, say)
        stuck = None
        try:
            async with asyncio.timeout(options.seconds):
                await stage.play()
        except TimeoutError:
            stuck = f"not at its end after {options.seconds:.0f} s"
        return Result(await stage.evidence(), time.monotonic() - began, stuck)


@asynccontextmanager
async def _http() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as http:
        http._retry_connection = False
        yield http


class Stage:
    """The clients and publishers of one run, and what happens to them."""

    def __init__(
        self, options: Options, cluster: Cluster, http: aiohttp.ClientSession, say: Say
    ) -> None:
        self._options = options
        self._cluster = cluster
        self._http = http
        self._say = say
        self._plan = Plan(options.seed, options.users)
        self._clients = self._make_clients()
        self._publishers = [
            Publisher(f"publisher-{number}", cluster.urls, http, options.seed, self._took)
            for number in range(PUBLISHERS)
        ]
        self._prober = Publisher("prober", [cluster.mute.url], http, options.seed, self._took)
        self._publishers.append(self._prober)
        self._pages: dict[str, list[Client]] = {user.name: [] for user in self._plan.users}
        for client in self._clients:
            self._pages[client.diary.user.name].append(client)
        self._messages: dict[int, Message] = {}
        self._unseen: dict[int, float] = {}
        """Accepted messages, with the time, that somebody may not have shown yet."""
        self._accepted = 0
        self._gate = 0
        self._next_turn = 0.0
        self._spans: list[Span] = []
        self._probes: list[int] = []

    async def play(self) -> None:
        """All of it, from the first connection to the last probe."""
        await self._set_preferences()
        async with asyncio.TaskGroup() as crowd:
            tasks = [crowd.create_task(client.run()) for client in self._clients]
            await self._wait_for(self._all_up)
            self._say(f"{len(tasks)} clients of {self._options.users} users are connected")
            await self._publish_through_faults()
            await self._caught_up(time.monotonic())
            await self._probe()
            for task in tasks:
                task.cancel()

    async def evidence(self) -> Evidence:
        """Everything that was written down, and the logs as the store has them now."""
        return Evidence(
            messages=self._messages,
            attempts=[a for publisher in self._publishers for a in publisher.attempts],
            diaries=[client.diary for client in self._clients],
            logs=await self._cluster.logs(),
            spans=self._spans,
            probes=self._probes,
        )

    # Before

    def _make_clients(self) -> list[Client]:
        chance = Random(f"{self._options.seed}/clients")
        clients = []
        for user in self._plan.users:
            for page in range(1 + (chance.random() < SECOND_PAGES)):
                transport = chance.choice([*TRANSPORTS, "any"])
                diary = Diary(f"{user.name}.{page}", user, transport)
                own = Random(f"{self._options.seed}/{diary.client}")
                token = user_token(user)
                clients.append(Client(diary, token, self._cluster.urls, self._http, own))
        return clients

    async def _set_preferences(self) -> None:
        """Users say what they follow and what they do not want, before anything is published."""
        room = asyncio.Semaphore(20)

        async def prepare(client: Client) -> None:
            user = client.diary.user
            async with room:
                for topic in user.topics:
                    await self._change(client, "PUT", f"/v1/topics/{topic}/subscription", None)
                if user.muted:
                    body = {"types": {kind: {"bell": False} for kind in user.muted}}
                    await self._change(client, "PATCH", "/v1/preferences", body)

        first_pages = [client for client in self._clients if client.diary.client.endswith(".0")]
        await asyncio.gather(*map(prepare, first_pages))

    async def _change(self, client: Client, method: str, path: str, body: object) -> None:
        """Make a call that may be repeated, until it has been carried out."""
        headers = {"Authorization": f"Bearer {client.token}"}
        url = self._cluster.urls[0] + path
        while True:
            async with self._http.request(method, url, json=body, headers=headers) as answer:
                if answer.status < 300:
                    return
                assert answer.status == 503, await answer.text()
            await asyncio.sleep(0.5)

    # Publishing, and what goes wrong meanwhile

    async def _publish_through_faults(self) -> None:
        count = self._options.messages
        episodes = self._options.episodes
        gates = [*(episode.after for episode in episodes[1:]), count]
        self._gate, self._next_turn = (gates[0] if episodes else count), time.monotonic()
        async with asyncio.TaskGroup() as publishers:
            for index in range(PUBLISHERS):
                publishers.create_task(self._publish(index))
            for number, episode in enumerate(episodes):
                await self._wait_for(partial(self._has_accepted, episode.after - PUBLISHERS))
                self._gate = gates[min(number + 1, len(gates) - 1)]
                await self._live_through(number, episode)
            self._gate = count

    def _has_accepted(self, count: int) -> bool:
        return self._accepted >= count

    async def _publish(self, index: int) -> None:
        """Publish every message with this remainder."""
        for number in range(index, self._options.messages, PUBLISHERS):
            await self._turn(number)
            await self._send(self._publishers[index], self._plan.message(number))

    async def _send(self, publisher: Publisher, message: Message) -> None:
        self._messages[message.number] = message
        await publisher.publish(message)

    def _took(self, number: int) -> None:
        """A message was accepted for the first time."""
        self._accepted += 1
        self._unseen[number] = time.monotonic()

    async def _turn(self, number: int) -> None:
        """Wait until it is this message's time, and no episode has to come first."""
        await self._wait_for(lambda: number < self._gate)
        self._next_turn = max(self._next_turn + 1 / self._options.rate, time.monotonic() - 0.1)
        await asyncio.sleep(self._next_turn - time.monotonic())

    async def _live_through(self, number: int, episode: Episode) -> None:
        scene = Scene(self._cluster, self._clients, Random(episode.seed))
        began = time.monotonic()
        async with AsyncExitStack() as faults:
            for fault in episode.faults:
                await faults.enter_async_context(fault.strike(scene))
            await asyncio.sleep(episode.seconds)
        ended = time.monotonic()
        self._spans.append(Span(episode.what, episode.troubles, began, ended))
        await self._caught_up(ended)
        self._say(
            f"{number + 1:3}. {episode.what}: {ended - began:.1f} s, caught up after "
            f"{time.monotonic() - ended:.1f} s; {self._accepted} accepted"
        )
        await asyncio.sleep(CALM_SECONDS)

    # After

    async def _caught_up(self, moment: float) -> None:
        """Wait until everybody is connected and has shown what was accepted before a moment.

        For SETTLE_SECONDS at most: what is missing then is for the oracle to find.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                await self._wait_for(lambda: self._all_up() and self._all_shown(moment))

    def _all_shown(self, moment: float) -> bool:
        for number, at in list(self._unseen.items()):
            if at <= moment:
                if not self._is_shown(number):
                    return False
                del self._unseen[number]
        return True

    def _is_shown(self, number: int) -> bool:
        return all(
            number in client.diary.numbers
            for user in self._plan.meant(self._messages[number])
            for client in self._pages[user]
        )

    async def _probe(self) -> None:
        """Store messages of which no node is told; they must be found all the same."""
        audiences = ["everyone", HOT, "role:r0", "topic:t0", "user:u0"]
        for offset, audience in enumerate(audiences):
            message = Message(self._options.messages + offset, (audience,))
            self._probes.append(message.number)
            await self._send(self._prober, message)
        began = time.monotonic()
        await self._caught_up(began)
        self._say(f"what no node was told of was shown after {time.monotonic() - began:.1f} s")

    def _all_up(self) -> bool:
        return all(client.up for client in self._clients)

    async def _wait_for(self, condition: Callable[[], bool]) -> None:
        """Within the time of the whole run."""
        while not condition():  # noqa: ASYNC110 - what it depends on changes in many places
            await asyncio.sleep(0.05)
