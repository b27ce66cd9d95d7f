"""The command line, run as people run it, against real servers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import jwt
import pytest

from notifier import __version__
from notifier.core.credentials import parse_service_key
from tests.servers import (
    PATIENCE,
    REPOSITORY,
    Mongod,
    NotifierProcess,
    Valkey,
    clean_environment,
    free_port,
)

SECRET = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    output: str
    errors: str


@dataclass(frozen=True)
class CommandLine:
    """Runs ``notifier`` in a folder, with these environment variables and no other settings."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    async def __call__(self, *arguments: str, **env: str) -> Outcome:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "notifier", *arguments],
            cwd=self.folder,
            env={**clean_environment(), "PYTHONPATH": str(REPOSITORY), **self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def notifier(tmp_path: Path) -> CommandLine:
    """The command line in an empty folder."""
    return CommandLine(tmp_path)


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NotifierProcess]:
    """A server in development, and its folder."""
    process = NotifierProcess(tmp_path_factory.mktemp("node"))
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
def at_node(node: NotifierProcess) -> CommandLine:
    """The command line in the server's folder: it shares the server's secret and store."""
    return CommandLine(node.folder, {"PORT": str(node.port)})


async def feed(node: NotifierProcess, token: str) -> list[dict[str, object]]:
    """What a user finds."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(node.url, headers=headers) as session,
        session.get("/v1/feed", params={"limit": 100}) as answer,
    ):
        items: list[dict[str, object]] = (await answer.json())["items"]
        return items


async def titles(node: NotifierProcess, at_node: CommandLine, user: str) -> list[object]:
    token = (await at_node("token", user)).output.strip()
    return [item["title"] for item in await feed(node, token)]


async def test_the_version_is_told(notifier: CommandLine) -> None:
    """--version prints the package's version."""
    assert __version__ in (await notifier("--version")).output


async def test_wrong_settings_are_told_one_a_line(notifier: CommandLine) -> None:
    """Every command stops with status 2 and one line for each problem."""
    outcome = await notifier("serve", PORT="x", NOTIFIER_LOG__LEVEL="loud")
    assert outcome.status == 2
    assert [line.partition(":")[0] for line in outcome.errors.splitlines()] == [
        "PORT",
        "NOTIFIER_LOG__LEVEL",
    ]


async def test_serve_prints_its_address_first(node: NotifierProcess) -> None:
    """The first line holds the URL, the second that of the demo; both answer."""
    first, second = node.output.splitlines()[:2]
    assert first == f"Notifier is listening on {node.url}"
    assert second.endswith(f"{node.url}/demo/")


async def test_serve_takes_host_port_and_environment(notifier: CommandLine, tmp_path: Path) -> None:
    """Options win over variables."""
    process = NotifierProcess(
        tmp_path / "node", {"PORT": "1", "NOTIFIER_ENV": "production"}, ("--env", "test")
    )
    await process.start()
    assert process.port != 1
    assert "demo" not in process.output
    assert await process.stop() == 0


async def test_serve_tells_that_the_port_is_taken(
    node: NotifierProcess, notifier: CommandLine
) -> None:
    """One line, no traceback."""
    outcome = await notifier("serve", "--port", str(node.port))
    assert outcome.status == 1
    (line,) = [line for line in outcome.errors.splitlines() if line.startswith("Error")]
    assert line == f"Error: cannot listen on 127.0.0.1:{node.port}: Address already in use"
    assert "Traceback" not in outcome.errors


async def test_serve_ends_orderly_on_sigterm(tmp_path: Path) -> None:
    """SIGTERM ends it with status 0, and the same folder serves again."""
    process = NotifierProcess(tmp_path / "node")
    for _ in range(2):
        await process.start()
        assert await process.stop() == 0


async def test_migrate_can_be_repeated(notifier: CommandLine) -> None:
    """On SQLite the file is there afterwards, and a second time changes nothing."""
    for _ in range(2):
        outcome = await notifier("migrate")
        assert outcome == Outcome(0, "The store is ready: sqlite:///var/notifier.db\n", "")
    assert (notifier.folder / "var" / "notifier.db").exists()


async def test_a_token_says_what_was_asked_for(notifier: CommandLine) -> None:
    """User, roles, scopes, name and time of the token are those of the options."""
    outcome = await notifier(
        *("token", "ada", "--role", "admin", "--role", "ops", "--name", "Ada L."),
        *("--scope", "notifications:publish:like:user", "--scope", "notifications:topics"),
        *("--ttl", "2h"),
        NOTIFIER_JWT_SECRET=SECRET,
    )
    claims = jwt.decode(outcome.output.strip(), SECRET, algorithms=["HS256"])
    assert claims["sub"] == "ada"
    assert claims["roles"] == ["admin", "ops"]
    assert claims["scope"] == "notifications:publish:like:user notifications:topics"
    assert claims["name"] == "Ada L."
    assert claims["exp"] - claims["iat"] == 7200


async def test_a_token_is_believed_by_the_server(
    node: NotifierProcess, at_node: CommandLine
) -> None:
    """In the server's folder the made secret signs."""
    assert await titles(node, at_node, "nobody-wrote-to-me") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("token", "a b"),
        ("token", "ada", "--ttl", "soon"),
        ("token", "ada", "--role", ""),
        ("token", "ada", "--scope", "notifications:publish:lkie"),
        ("keys", "create", "shop", "--scope", "notifications:publish:like:users"),
        ("keys", "create", "shop", "--scope", "notifications:subscribe"),
    ],
)
async def test_a_wrong_token_request_is_refused(
    notifier: CommandLine, arguments: tuple[str, ...]
) -> None:
    """Names with white space, odd times, and scopes that mean nothing are told."""
    outcome = await notifier(*arguments)
    assert outcome.status == 2
    assert "Invalid value" in outcome.errors


async def test_without_a_shared_secret_there_are_no_tokens(notifier: CommandLine) -> None:
    """With a JWKS URL somebody else signs."""
    outcome = await notifier(
        *("token", "ada"),
        NOTIFIER_ENV="production",
        NOTIFIER_JWKS_URL="https://id.example/keys",
        NOTIFIER_ALLOWED_ORIGINS="https://app.example",
    )
    assert outcome.status == 1
    assert "no shared secret" in outcome.errors


async def test_sending_reaches_the_feed(node: NotifierProcess, at_node: CommandLine) -> None:
    """All fields given on the command line arrive."""
    outcome = await at_node(
        *("send", "--to", "user:s1", "--to", "user:s2", "--title", "Hello", "--body", "World"),
        *("--type", "message", "--priority", "high", "--url", "/chat/7", "--data", '{"chat": 7}'),
    )
    assert outcome.status == 0, outcome.errors
    assert "@user:s1" in outcome.output
    assert "@user:s2" in outcome.output
    (item,) = await feed(node, (await at_node("token", "s2")).output.strip())
    assert (item["title"], item["body"], item["type"]) == ("Hello", "World", "message")
    assert (item["priority"], item["url"], item["data"]) == ("high", "/chat/7", {"chat": 7})


async def test_a_key_can_be_made_used_listed_and_revoked(
    node: NotifierProcess, at_node: CommandLine
) -> None:
    """The whole life of a service key."""
    key = (await at_node("keys", "create", "billing")).output.strip()
    parsed = parse_service_key(key)
    assert parsed is not None
    send = ("send", "--to", "user:k", "--title", "Invoice")
    assert (await at_node(*send, NOTIFIER_KEY=key)).status == 0
    listed = (await at_node("keys", "list")).output
    assert parsed.id in listed
    assert "billing" in listed
    assert parsed.secret not in listed
    assert (await at_node("keys", "revoke", parsed.id)).status == 0
    assert "revoked" in (await at_node("keys", "list")).output
    assert (await at_node("keys", "revoke", "0123456789ab")).status == 1


async def test_sending_with_a_wrong_key_is_refused(at_node: CommandLine) -> None:
    """The server's reason is told, with status 1."""
    outcome = await at_node("send", "--to", "everyone", "--title", "x", "--key", "nk_wrong")
    assert outcome.status == 1
    assert "refused (401)" in outcome.errors


async def test_sending_a_wrong_notification_names_the_field(at_node: CommandLine) -> None:
    """What the server says of each field is told."""
    outcome = await at_node("send", "--to", "nobody", "--title", "x", "--type", "nonsense")
    assert outcome.status == 1
    assert "refused (422)" in outcome.errors
    assert "to" in outcome.errors


async def test_sending_to_nobody_listening_is_told_in_one_line(notifier: CommandLine) -> None:
    """No server: one line that names the address."""
    port = str(free_port())
    outcome = await notifier("send", "--to", "everyone", "--title", "x", "--port", port)
    assert outcome.status == 1
    assert outcome.errors.splitlines() == [
        f"Error: no answer from http://127.0.0.1:{port}/v1/notifications (ClientConnectorError)"
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("send",),
        ("send", "--to", "everyone"),
        ("send", "--title", "x"),
        ("send", "--to", "everyone", "--title", "x", "--data", "{"),
        ("send", "--to", "everyone", "--title", "x", "--priority", "urgent"),
        ("send", "--file", "gone.jsonl"),
    ],
)
async def test_a_wrong_send_command_is_refused(
    notifier: CommandLine, arguments: tuple[str, ...]
) -> None:
    """What is missing or cannot be read is told before anything is sent."""
    outcome = await notifier(*arguments)
    assert outcome.status == 2
    assert "Error" in outcome.errors


def write_lines(path: Path, *notifications: object) -> str:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in notifications))
    return str(path)


async def test_a_file_is_sent_line_by_line_and_only_once(
    node: NotifierProcess, at_node: CommandLine, tmp_path: Path
) -> None:
    """Sending the same file again publishes nothing twice."""
    lines = [{"to": "user:f", "title": f"line {n}"} for n in range(30)]
    file = write_lines(tmp_path / "many.jsonl", *lines)
    for _ in range(2):
        outcome = await at_node("send", "--file", file)
        assert outcome.status == 0, outcome.errors
        assert "30 published, 0 refused" in outcome.output
    assert sorted(map(str, await titles(node, at_node, "f"))) == sorted(
        line["title"] for line in lines
    )


async def test_refused_lines_are_told_and_the_others_sent(
    node: NotifierProcess, at_node: CommandLine, tmp_path: Path
) -> None:
    """Each refused line is named with the reason; the rest arrives; the status is 1."""
    file = tmp_path / "mixed.jsonl"
    file.write_text('{"to": "user:m", "title": "good"}\n\n{"to": "user:m"}\nnot json\n')
    outcome = await at_node("send", "--file", str(file))
    assert outcome.status == 1
    assert "1 published, 2 refused" in outcome.output
    third, fourth = [line for line in outcome.errors.splitlines() if line.startswith("line")]
    assert third.startswith("line 3: refused (422): title")
    assert fourth.startswith("line 4: refused (400)")
    assert await titles(node, at_node, "m") == ["good"]


async def test_a_file_stops_where_the_server_is_lost(notifier: CommandLine) -> None:
    """The line to go on from is named."""
    file = write_lines(notifier.folder / "x.jsonl", {"to": "everyone", "title": "x"})
    outcome = await notifier("send", "--file", file, "--port", str(free_port()))
    assert outcome.status == 1
    assert "Error: line 1: no answer from" in outcome.errors
    assert "0 published" in outcome.output


async def test_check_finds_nothing_wrong_on_a_laptop(at_node: CommandLine) -> None:
    """Where the server runs, all is well."""
    outcome = await at_node("check")
    assert outcome.status == 0, outcome.errors
    assert "No problem found." in outcome.output


async def test_check_reaches_real_servers_and_shows_no_password(
    notifier: CommandLine, mongod: Mongod, valkey: Valkey
) -> None:
    """MongoDB and Redis answer; what is shown of their addresses is without credentials."""
    await notifier("migrate", MONGODB_URI=mongod.uri)
    outcome = await notifier("check", MONGODB_URI=mongod.uri, REDIS_URL=valkey.url)
    assert outcome.status == 0, outcome.errors
    assert f"127.0.0.1:{mongod.port}" in outcome.output


async def test_check_tells_every_problem(notifier: CommandLine) -> None:
    """Each server that cannot be reached is named, none of their passwords."""
    outcome = await notifier(
        "check",
        MONGODB_URI=f"mongodb://user:hunter2@127.0.0.1:{free_port()}/app?replicaSet=rs0",
        REDIS_URL=f"redis://:hunter2@127.0.0.1:{free_port()}/0",
        AMQP_URL=f"amqp://shop:hunter2@127.0.0.1:{free_port()}/",
        NOTIFIER_JWKS_URL=f"http://127.0.0.1:{free_port()}/keys",
    )
    assert outcome.status == 1
    for part in ("store", "redis", "rabbitmq", "jwks"):
        assert f"Problem: {part}: " in outcome.errors
    assert "hunter2" not in outcome.output + outcome.errors
    assert "Traceback" not in outcome.errors


async def test_check_lists_wrong_settings(notifier: CommandLine) -> None:
    """Settings that cannot work are problems too, all of them."""
    outcome = await notifier("check", NOTIFIER_ENV="production", PORT="x")
    assert outcome.status == 1
    assert outcome.errors.count("Problem: ") == 3


async def test_why_is_explained(node: NotifierProcess, at_node: CommandLine) -> None:
    """Every rule and every channel on a line of its own, and in the end the answer."""
    await titles(node, at_node, "curious")
    sent = await at_node("send", "--to", "user:curious", "--title", "Hello")
    entry = sent.output.split()[-1]
    shown = (await at_node("explain", entry, "curious")).output.splitlines()
    assert [line.split()[:2] for line in shown[:2]] == [["yes", "stored"], ["yes", "visited"]]
    assert any(line.startswith("yes  toast") for line in shown)
    assert shown[-1] == f"{entry} is shown to curious."
    hidden = (await at_node("explain", entry, "somebody-else")).output.splitlines()
    assert hidden[-1] == f"{entry} is hidden from somebody-else."
    assert any(line.startswith("no   audience") for line in hidden)


async def test_what_is_not_there_is_not_explained(notifier: CommandLine) -> None:
    """An entry that never was, or what is no entry."""
    unknown = await notifier("explain", "1@user:ada", "ada")
    assert (unknown.status, "no entry" in unknown.errors) == (1, True)
    assert (await notifier("explain", "ada", "ada")).status == 2
