"""A notification's way through a whole service, beside Node: ``make bench-publish``, five minutes.

Two services do the same over HTTP, each in one process: Notifier, and one on Node with socket.io,
its Redis adapter and MongoDB (``peers/publishing.mjs``). Both verify the publisher's token, check
the notification, store it (``w: majority``, journaled), send it to the WebSockets of its user
through Redis, and answer 201. They take turns on the same MongoDB and Redis, three times, each time
on an empty database. What is measured has a core of its own; clients and databases have the other.
A stretch ends when everything is accepted *and* delivered; what is stored is counted afterwards.

The two services, with 500 users on a WebSocket each:

rate       accepted and delivered in a second, with 32 publishers who ask again when answered
CPU        CPU time of the service for each of these: all that its process used
kernel     how much of that the system used, for sending and receiving
p50, p99   from before the request until its user has the notification, in the same stretch: the
           goals are for these. ``at 200/s`` is the same when so many a second are published
generator, MongoDB, Redis
           CPU time of the others for each notification: they share a core
core       how much of its core the service used: near 100 %, it was the service that held up

Notifier alone, CPU in relation to a notification by itself on one node:

batch      500 notifications in each call of ``POST /v1/notifications/batch``, four calls at a time
queue      handed over to ``notifier.Publisher`` in Redis by another process
N nodes    the sum of all nodes; users and the 32 publishers are spread evenly over them, and who
           publishes to whom is left to chance. ``busier``: 32 publishers at each node. All nodes
           share the one core. A node writes together what comes to it during the last write, so
           both are shown: nodes with little to do, and nodes with much
elsewhere  a node whose own users get nothing, beside the one that has all the traffic
SQLite     one node without MongoDB and Redis; once
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.machine import cores, cpu
from benchmarks.message import notification, stamp
from benchmarks.peer import install
from benchmarks.report import Figures, Goal, Report
from benchmarks.services import notifier, on_node
from benchmarks.site import Make, Site, delays
from benchmarks.traffic import Traffic
from notifier.publisher import Publisher
from tests.servers import NotifierProcess

PUBLISHERS = 32
BATCHERS = 4
RATE = 200
"""Notifications a second that leave both services idle for most of the time."""

NOTIFIER, NODE, SQLITE = "Notifier", "Node", "SQLite"
BATCH, QUEUE = "batch", "queue"
HERE, ELSEWHERE = "all traffic", "elsewhere"


def on(nodes: int, *, each: bool = False) -> str:
    """The name of what so many nodes do together, with the publishers of one or ``each``."""
    return f"{nodes} node{'s' * (nodes > 1)}{', busier' * each}"


GOALS = (
    Goal("rate", NOTIFIER, NODE, at_least=2.0),
    Goal("CPU", NOTIFIER, NODE, at_most=0.55),
    Goal("p99", NOTIFIER, NODE, at_most=0.6),
    Goal("CPU", BATCH, NOTIFIER, at_most=0.25),
    Goal("CPU", QUEUE, NOTIFIER, at_most=0.25),
    Goal("CPU", on(2), on(1), at_most=1.15),
    Goal("CPU", on(4), on(1), at_most=1.15),
    Goal("CPU", on(2, each=True), on(1), at_most=1.15),
    Goal("CPU", on(4, each=True), on(1), at_most=1.15),
    Goal("CPU", ELSEWHERE, HERE, at_most=0.1),
)


@dataclass(frozen=True)
class Plan:
    """How much is done. ``seconds``: of each stretch; ``queued``: notifications by the queue."""

    rounds: int = 3
    users: int = 500
    warm_seconds: float = 1.5
    seconds: float = 5.0
    queued: int = 20_000
    nodes: Sequence[int] = (1, 2, 4)


QUICK = Plan(rounds=1, users=20, warm_seconds=0.2, seconds=0.3, queued=200, nodes=(1, 2))
"""Shows that everything works; its figures say nothing."""


class Bench:
    """All measurements on one site."""

    def __init__(self, site: Site, plan: Plan, report: Report) -> None:
        self._site = site
        self._plan = plan
        self._report = report

    async def service(self, name: str, make: Make) -> None:
        """One of the two services; Notifier also in bulk."""
        async with self._site.running(make) as services:
            with Traffic() as traffic:
                self._singles(name, services[0], traffic)
                accepted = traffic.accepted
            if name == NOTIFIER:
                accepted += self._batches(services) + self._queue(services)
            stored = await self._site.stored()
            assert stored == accepted, f"{accepted} were accepted, {stored} are stored"

    async def alone(self) -> None:
        """Notifier on SQLite."""
        async with self._site.running_alone(notifier) as service:
            with Traffic() as traffic:
                self._singles(SQLITE, service, traffic)

    async def together(self) -> None:
        """Several nodes of Notifier."""
        async with self._site.running(notifier, max(self._plan.nodes)) as nodes:
            for count in self._plan.nodes:
                self._spread(on(count), nodes[:count], PUBLISHERS)
                if count > 1:
                    self._spread(on(count, each=True), nodes[:count], PUBLISHERS * count)
            self._elsewhere(*nodes[:2])

    def _singles(self, name: str, service: NotifierProcess, traffic: Traffic) -> None:
        self._enter(traffic, [service], PUBLISHERS)
        loaded = self._press([service], traffic)
        quiet = traffic.pace(RATE, self._plan.seconds)
        self._report.add(name, loaded | delays(quiet, f" at {RATE}/s"))

    def _batches(self, services: Sequence[NotifierProcess]) -> int:
        with Traffic() as traffic:
            self._enter(traffic, services, BATCHERS)
            work = partial(traffic.press_batches, self._plan.seconds)
            self._report.add(BATCH, self._site.figures(services, work))
            return traffic.accepted

    def _queue(self, services: Sequence[NotifierProcess]) -> int:
        users, count = self._site.users(self._plan.users), self._plan.queued
        with Traffic() as traffic, ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
            traffic.read(services[0].port, users)
            # The first makes the process, and begins each user's log.
            elsewhere.submit(hand_over, self._site.redis_url, users, len(users)).result()
            traffic.receive(len(users))
            handed = elsewhere.submit(hand_over, self._site.redis_url, users, count)
            figures = self._site.figures(services, partial(traffic.receive, count))
            figures["generator"] += handed.result() / count
            self._report.add(QUEUE, figures)
            return traffic.accepted

    def _spread(self, name: str, nodes: Sequence[NotifierProcess], publishers: int) -> None:
        with Traffic() as traffic:
            self._enter(traffic, nodes, publishers)
            self._report.add(name, self._press(nodes, traffic))

    def _elsewhere(self, here: NotifierProcess, elsewhere: NotifierProcess) -> None:
        with Traffic() as traffic:
            idle = self._site.users(self._plan.users)
            traffic.read(elsewhere.port, idle, addressed=False)
            self._enter(traffic, [here], PUBLISHERS)
            before, accepted = cpu(elsewhere.pid), traffic.accepted
            figures = self._press([here], traffic)
            each = (cpu(elsewhere.pid) - before) / (traffic.accepted - accepted)
            self._report.add(HERE, figures)
            self._report.add(ELSEWHERE, {"CPU": each})

    def _enter(self, traffic: Traffic, nodes: Sequence[NotifierProcess], publishers: int) -> None:
        """Spread users and publishers over the nodes, and let everything get warm."""
        users = self._site.users(self._plan.users)
        for number, node in enumerate(nodes):
            traffic.read(node.port, users[number :: len(nodes)])
            traffic.publish_at(node.port, publishers // len(nodes))
        traffic.warm(self._plan.warm_seconds)

    def _press(self, nodes: Sequence[NotifierProcess], traffic: Traffic) -> Figures:
        return self._site.figures(nodes, partial(traffic.press, self._plan.seconds))


def hand_over(url: str, users: Sequence[str], count: int) -> float:
    """Publish by the queue, in a process of its own; returns its seconds of CPU."""

    def notifications() -> Iterator[Mapping[str, Any]]:
        for number in range(count):
            yield notification(users[number % len(users)], f"{stamp():016}")

    async def publish() -> None:
        async with Publisher(url, name="bench") as publisher:
            await publisher.publish_many(notifications())

    before = time.process_time()
    asyncio.run(publish())
    return time.process_time() - before


async def main() -> None:
    plan = _plan()
    install()
    service_core, other_core = cores()
    os.sched_setaffinity(0, {other_core})
    report = Report(NOTIFIER)
    with tempfile.TemporaryDirectory(prefix="notifier-bench-") as folder:
        async with Site(Path(folder), service_core) as site:
            bench = Bench(site, plan, report)
            for number in range(plan.rounds):
                await bench.service(NOTIFIER, notifier)
                await bench.service(NODE, on_node)
                await bench.together()
                load = os.getloadavg()[0]
                print(f"round {number + 1} of {plan.rounds} done, load {load:.1f}", flush=True)
            await bench.alone()
    print(f"{platform.python_implementation()} {platform.python_version()}, medians of all rounds")
    print("\n".join(["", *report.medians(), "", *report.goals(GOALS)]))


def _plan() -> Plan:
    parser = argparse.ArgumentParser(description="A notification's way through a whole service.")
    parser.add_argument("--quick", action="store_true", help="only show that everything works")
    return QUICK if parser.parse_args().quick else Plan()


if __name__ == "__main__":
    asyncio.run(main())
