"""The command line: what people type. Every command says in one line what went wrong."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click
import orjson

from notifier import __version__
from notifier.config import ENVIRONMENTS, Config, environment, load_config
from notifier.core.models import ADMIN, PUBLISH, TOPICS, Priority, Ref, is_name, now_ms, rfc3339
from notifier.errors import ConfigurationError, NotifierError
from notifier.log import configure_log

if TYPE_CHECKING:
    from notifier.core.ports import Store
    from notifier.queue.desk import Desk

# Servers, drivers and their libraries are imported by the commands that need them: the others
# answer at once.


class _Program(click.Group):
    """Turns errors into lines: exit status 2 for wrong settings, 1 for everything else."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            for problem in error.problems:
                click.echo(problem, err=True)
            ctx.exit(2)
        except NotifierError as error:
            raise click.ClickException(str(error)) from None


class _Duration(click.ParamType[int]):
    """Seconds, written as 90, 90s, 15m, 1h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        found = re.fullmatch(r"(\d{1,9})([smhd]?)", str(value))
        if found is None or not int(found[1]):
            self.fail("must be a time such as 90s, 15m, 1h or 7d", param, ctx)
        return int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]


class _Name(click.ParamType[str]):
    """What can name a user or a role."""

    name = "name"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if not is_name(str(value)):
            self.fail("must be 1 to 128 printable characters without white space", param, ctx)
        return str(value)


class _Json(click.ParamType[Any]):
    """Any JSON value."""

    name = "json"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return orjson.loads(value)
        except ValueError:
            self.fail("is not JSON", param, ctx)


_Result = TypeVar("_Result")

_env_option = click.option(
    "--env", type=click.Choice(ENVIRONMENTS), help="Which settings to take.  [env: NOTIFIER_ENV]"
)

_SCOPE_HELP = f"{PUBLISH}, {PUBLISH}:TYPE, {PUBLISH}:TYPE:AUDIENCE, {TOPICS}, {ADMIN}; repeatable."


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Notifier: notifications for web applications, stored and shown at once."""


@main.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), help="0: any free port.  [env: PORT]")
@_env_option
def serve(host: str | None, port: int | None, env: str | None) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    variables = environment(
        NOTIFIER_ENV=env, NOTIFIER_SERVER__HOST=host, PORT=None if port is None else str(port)
    )
    config = load_config(variables)
    configure_log(config.log)
    from notifier import app

    def announce(url: str) -> None:
        click.echo(f"Notifier is listening on {url}")
        if config.demo.enabled:
            click.echo(f"See what it does: {url}/demo/")

    try:
        _run(app.serve(config, ready=announce))
    except OSError as error:
        raise click.ClickException(_cannot_listen(config, error)) from None


@main.command()
@_env_option
def worker(env: str | None) -> None:
    """Run scheduled, collapsed and summed-up notifications until SIGTERM or Ctrl-C."""
    config = load_config(environment(NOTIFIER_ENV=env))
    configure_log(config.log)
    from notifier.worker import work

    _run(work(config, ready=lambda: click.echo("Notifier is waiting for jobs")))


@main.command()
@_env_option
def migrate(env: str | None) -> None:
    """Create or update schema and indexes; safe to repeat, also beside running servers."""
    config = _quiet_config(env)

    async def work() -> None:
        async with _store(config) as store:
            await store.migrate()

    _run(work())
    click.echo(f"The store is ready: {config.store.place}")


@main.command()
@click.argument("user", type=_Name())
@click.option("--role", "roles", multiple=True, type=_Name(), help="May be repeated.")
@click.option("--scope", "scopes", multiple=True, help=_SCOPE_HELP)
@click.option("--name", default="", help="What to call the user.")
@click.option("--ttl", default="1h", show_default=True, type=_Duration(), help="Validity.")
def token(user: str, roles: tuple[str, ...], scopes: tuple[str, ...], name: str, ttl: int) -> None:
    """Print a token for USER, signed with the shared secret: for trying things out."""
    config = _quiet_config()
    _check_scopes(config, scopes)
    click.echo(_sign(config, user, lifetime=ttl, roles=roles, scopes=scopes, name=name))


@main.group()
def keys() -> None:
    """API keys for services that publish."""


@keys.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, default=[PUBLISH], show_default=True, help=_SCOPE_HELP
)
def create_key(name: str, scopes: tuple[str, ...]) -> None:
    """Make a key for the service NAME and print it: it cannot be shown again."""
    from notifier.core.credentials import create_service_key

    config = _quiet_config()
    _check_scopes(config, scopes)
    key, text = create_service_key(name, scopes, now_ms())

    async def work() -> None:
        async with _store(config) as store:
            await store.add_key(key)

    _run(work())
    click.echo(f"Key {key.id} for {name}; keep it, only a hash of it is stored:", err=True)
    click.echo(text)


@keys.command("list")
def list_keys() -> None:
    """Show all keys, without their secrets."""

    async def work() -> None:
        async with _store(_quiet_config()) as store:
            for key in sorted(await store.keys(), key=lambda key: key.created_at):
                state = "live" if key.revoked_at is None else f"revoked {rfc3339(key.revoked_at)}"
                scopes = " ".join(sorted(key.scopes))
                click.echo(f"{key.id}  {rfc3339(key.created_at)}  {state}  {key.name}  {scopes}")

    _run(work())


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
def revoke_key(key_id: str) -> None:
    """End a key: servers refuse it within seconds."""

    async def work() -> None:
        async with _store(_quiet_config()) as store:
            if not await store.revoke_key(key_id, now_ms()):
                raise click.ClickException(f"there is no key {key_id}")

    _run(work())
    click.echo(f"Key {key_id} is revoked.")


@main.group()
def queue() -> None:
    """What services have queued in Redis."""


@queue.command("status")
def queue_status() -> None:
    """Show how much waits in each priority, how much is dead, and who reads."""
    for line in _at_desk(lambda listing, desk: listing.status(desk)):
        click.echo(line)


@queue.command("dead")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
def queue_dead(limit: int) -> None:
    """List the newest dead letters: id, time, priority, who sent what, and why it is dead."""
    for line in _at_desk(lambda listing, desk: listing.dead(desk, limit)):
        click.echo(line)


_letters = click.argument("ids", metavar="[ID]...", nargs=-1)
_all_letters = click.option("--all", "everything", is_flag=True, help="All there are.")


@queue.command("retry")
@_letters
@_all_letters
def retry_dead(ids: tuple[str, ...], everything: bool) -> None:
    """Put dead letters back into the queue, at the end."""
    _check_choice(ids, everything)
    count = _at_desk(lambda listing, desk: listing.retry(desk, ids))
    click.echo(f"{count} put back into the queue.")


@queue.command("drop")
@_letters
@_all_letters
def drop_dead(ids: tuple[str, ...], everything: bool) -> None:
    """Forget dead letters for ever."""
    _check_choice(ids, everything)
    count = _at_desk(lambda listing, desk: listing.drop(desk, ids))
    click.echo(f"{count} dropped.")


@main.command()
@click.argument("entry", metavar="ENTRY_ID")
@click.argument("user", type=_Name())
def explain(entry: str, user: str) -> None:
    """Say why USER did or did not get an entry such as 17@user:42: every rule, every channel."""
    from notifier.core.explain import Explainer
    from notifier.core.types import TypeCatalogue

    try:
        ref = Ref.parse(entry)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="ENTRY_ID") from None
    config = _quiet_config()

    async def work() -> None:
        async with _store(config) as store:
            explainer = Explainer(store, TypeCatalogue.load(config.catalogue))
            explanation = await explainer.explain(ref, user)
        for rule in explanation.rules:
            at = "" if rule.at is None else f"  {rfc3339(rule.at)}"
            click.echo(f"{_yes_or_no(rule.passed)}  {rule.rule:9}  {rule.reason}{at}")
        for channel, (allowed, reason) in explanation.channels.items():
            click.echo(f"{_yes_or_no(allowed)}  {channel:9}  {reason}")
        click.echo(f"{entry} is {'shown to' if explanation.shown else 'hidden from'} {user}.")

    _run(work())


def _yes_or_no(answer: bool) -> str:
    return "yes" if answer else "no "


@main.command()
def check() -> None:
    """Say what is configured and reach every server; exit status 1 with every problem found."""
    try:
        config = _quiet_config()
    except ConfigurationError as error:
        problems = list(error.problems)
    else:
        from notifier import checkup

        for line in checkup.describe(config):
            click.echo(line)
        problems = _run(checkup.find_problems(config))
    for problem in problems:
        click.echo(f"Problem: {problem}", err=True)
    if problems:
        sys.exit(1)
    click.echo("No problem found.")


@main.command()
@click.option("--to", multiple=True, help="user:ID, role:NAME, topic:NAME, everyone; repeatable.")
@click.option("--title")
@click.option("--body")
@click.option("--type")
@click.option("--priority", type=click.Choice([priority.value for priority in Priority]))
@click.option("--url", help="Where a click leads.")
@click.option("--data", type=_Json(), help="JSON for the application.")
@click.option("--file", type=click.File("rb"), help="One notification as JSON per line.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    help="With --file: the most notifications a second.",
)
@click.option("--server", help="Address of the server; default: this machine at --port.")
@click.option("--port", envvar="PORT", default=8080, show_default=True, show_envvar=True)
@click.option("--key", envvar="NOTIFIER_KEY", show_envvar=True, help="Default: a token of our own.")
def send(
    file: Any, rate: float | None, server: str | None, port: int, key: str | None, **fields: Any
) -> None:
    """Publish one notification, or with --file one per line.

    After an interruption the same command goes on where it ended, as FILE.sent tells. For a day,
    each line counts once, however often it is sent.
    """
    given = {name: value for name, value in fields.items() if value not in (None, ())}
    if file is not None and given:
        raise click.UsageError("with --file, the lines of the file bring all fields")
    if file is None and rate is not None:
        raise click.UsageError("--rate is for --file")
    if file is None and not {"to", "title"} <= given.keys():
        raise click.UsageError("give --to and --title, or --file")
    from notifier import sending

    address = server or f"http://127.0.0.1:{port}"
    bearer = (lambda: key) if key else _own_token()
    if file is None:
        click.echo(_run(sending.send_one(address, bearer, given)))
    elif not _run(sending.send_file(address, bearer, file, rate=rate)):
        sys.exit(1)


def _check_choice(ids: tuple[str, ...], everything: bool) -> None:
    if everything == bool(ids):
        raise click.UsageError("give either ids, as notifier queue dead lists them, or --all")


def _at_desk(act: Callable[[Any, Desk], Coroutine[Any, Any, _Result]]) -> _Result:
    from notifier.queue import listing

    redis = _quiet_config().redis
    if redis.url is None:
        raise click.ClickException("there is no queue without REDIS_URL")
    place = redis.url

    async def work() -> _Result:
        async with listing.open_desk(
            place, prefix=redis.channel, verify_tls=redis.verify_tls
        ) as desk:
            return await act(listing, desk)

    return _run(work())


def _own_token() -> Callable[[], str]:
    """Fresh tokens of this machine: whoever has the server's secret may publish."""
    config = _quiet_config()
    if not config.auth.secrets:
        raise click.ClickException("without a shared secret, sending needs --key")
    return lambda: _sign(config, "cli", lifetime=60, scopes=[ADMIN])


def _check_scopes(config: Config, scopes: Collection[str]) -> None:
    from notifier.core import policy
    from notifier.core.types import TypeCatalogue

    types = TypeCatalogue.load(config.catalogue)
    for scope in scopes:
        known = policy.is_scope(scope, types)
        if not known.allowed:
            raise click.BadParameter(known.reason, param_hint="--scope")


def _sign(config: Config, user: str, **claims: Any) -> str:
    from notifier.http.tokens import sign
    from notifier.identity import token_rules

    try:
        return sign(token_rules(config.auth), user, **claims)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _cannot_listen(config: Config, error: OSError) -> str:
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return f"cannot listen on {config.server.host}:{config.server.port}: {reason}"


def _quiet_config(env: str | None = None) -> Config:
    """The settings, for commands whose own output is what people want to see."""
    config = load_config(environment(NOTIFIER_ENV=env))
    configure_log(replace(config.log, level="warning"))
    return config


@asynccontextmanager
async def _store(config: Config) -> AsyncIterator[Store]:
    from notifier.store import open_store

    store = await open_store(config.store.url)
    try:
        yield store
    finally:
        await store.close()


def _run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run to the end, on uvloop where there is one (not on Windows)."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)
