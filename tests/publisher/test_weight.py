"""What a service loads when it publishes: nothing of the server."""

from __future__ import annotations

import asyncio
import sys
import tomllib
from typing import get_type_hints

import pytest

from notifier.core.schemas import NOTIFICATION
from notifier.publisher import Fields
from tests.servers import REPOSITORY, clean_environment

SERVER = {
    "aiohttp.web",
    "socketio",
    "engineio",
    "pymongo",
    "bson",
    "click",
    "apispec",
    "prometheus_client",
    "structlog",
    "uvloop",
    "sqlite3",
    "notifier.app",
    "notifier.http",
    "notifier.realtime",
    "notifier.store",
    "notifier.config",
}
"""Modules of the server, its own and others'. redis-py itself loads PyJWT where it finds it."""

LOADED = """
import sys
{work}
print("\\n".join(sys.modules))
"""

OPEN = """
import asyncio
from notifier import Publisher, SyncPublisher
async def main():
    async with Publisher({arguments}) as publisher:
        publisher._using()
asyncio.run(main())
"""


async def modules_after(work: str) -> set[str]:
    script = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LOADED.format(work=work)),
        env={**clean_environment(), "PYTHONPATH": str(REPOSITORY)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await script.communicate()
    assert script.returncode == 0
    return set(output.decode().split())


async def test_the_package_itself_loads_nothing() -> None:
    """Only what is asked for is imported."""
    loaded = await modules_after("import notifier")
    assert {name for name in loaded if name.startswith("notifier")} == {"notifier"}


async def test_a_node_without_rabbitmq_loads_nothing_of_it() -> None:
    """What reads from it is imported when there is an address. python-socketio itself loads its
    library where it finds it."""
    loaded = await modules_after("import notifier.app, notifier.worker, notifier.cli.checkup")
    assert "notifier.app" in loaded
    assert "notifier.queue.amqp" not in loaded


@pytest.mark.parametrize(
    ("arguments", "driver", "other"),
    [
        ('"redis://127.0.0.1:1"', "redis", "aiohttp"),
        ('"http://127.0.0.1:1", key="x"', "aiohttp", "redis"),
    ],
)
async def test_a_publisher_loads_its_own_driver_only(
    arguments: str, driver: str, other: str
) -> None:
    """No server, no other driver."""
    loaded = await modules_after(OPEN.format(arguments=arguments))
    assert driver in loaded
    assert other not in loaded
    assert not loaded & SERVER


def test_what_it_loads_is_what_the_extra_asks_for() -> None:
    """``notifier[publisher]`` names every library that publishing needs."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extra = {
        line.partition(">")[0].partition("[")[0]
        for line in project["optional-dependencies"]["publisher"]
    }
    assert extra == {"aiohttp", "marshmallow", "orjson", "redis"}
    assert set(project["optional-dependencies"]["publisher"]) <= set(project["dependencies"])


def test_every_field_of_a_notification_can_be_given() -> None:
    """What the schema takes, the signature names."""
    taken = {field.data_key or name for name, field in NOTIFICATION.fields.items()}
    named = {name.rstrip("_") for name in get_type_hints(Fields)} - {"idempotency_key"}
    assert named | {"to", "title"} == taken
