"""``notifier check`` and ``notifier explain``, run as people run them."""

from __future__ import annotations

from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.cli.command_line import CommandLine
from tests.cli.reader import titles
from tests.servers import Mongod, NotifierProcess, Valkey, free_port


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


async def test_check_looks_for_a_key_that_can_be_used(notifier: CommandLine) -> None:
    """An address that answers with none lets nobody in."""
    keys = [{"kty": "oct", "k": "c2VjcmV0"}]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"keys": keys})

    app = web.Application()
    app.router.add_get("/keys", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        url = str(server.make_url("/keys"))
        outcome = await notifier("check", NOTIFIER_JWKS_URL=url)
        assert (outcome.status, "jwks: NOTIFIER_JWKS_URL: no key" in outcome.errors) == (1, True)
        public = ec.generate_private_key(ec.SECP256R1()).public_key()
        keys.append(ECAlgorithm.to_jwk(public, as_dict=True))
        assert (await notifier("check", NOTIFIER_JWKS_URL=url)).status == 0


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
