"""``notifier token`` and ``notifier keys``: who may read and publish."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import click

from notifier.cli.parameters import SCOPE_HELP, Duration, Name
from notifier.cli.program import opened_store, quiet_config, run
from notifier.config import Config
from notifier.core.models import PUBLISH, now_ms, rfc3339


@click.command()
@click.argument("user", type=Name())
@click.option("--role", "roles", multiple=True, type=Name(), help="May be repeated.")
@click.option("--scope", "scopes", multiple=True, help=SCOPE_HELP)
@click.option("--name", default="", help="What to call the user.")
@click.option("--ttl", default="1h", show_default=True, type=Duration(), help="Validity.")
def token(user: str, roles: tuple[str, ...], scopes: tuple[str, ...], name: str, ttl: int) -> None:
    """Print a token for USER, signed with the shared secret: for trying things out."""
    config = quiet_config()
    _check_scopes(config, scopes)
    click.echo(sign(config, user, lifetime=ttl, roles=roles, scopes=scopes, name=name))


@click.group()
def keys() -> None:
    """API keys for services that publish."""


@keys.command("create")
@click.argument("name", type=Name())
@click.option(
    "--scope", "scopes", multiple=True, default=[PUBLISH], show_default=True, help=SCOPE_HELP
)
def create_key(name: str, scopes: tuple[str, ...]) -> None:
    """Make a key for the service NAME and print it: it cannot be shown again."""
    from notifier.core.credentials import create_service_key

    config = quiet_config()
    _check_scopes(config, scopes)
    key, text = create_service_key(name, scopes, now_ms())

    async def work() -> None:
        async with opened_store(config) as store:
            await store.add_key(key)

    run(work())
    click.echo(f"Key {key.id} for {name}; keep it, only a hash of it is stored:", err=True)
    click.echo(text)


@keys.command("list")
def list_keys() -> None:
    """Show all keys, without their secrets."""

    async def work() -> None:
        async with opened_store(quiet_config()) as store:
            for key in sorted(await store.keys(), key=lambda key: key.created_at):
                state = "live" if key.revoked_at is None else f"revoked {rfc3339(key.revoked_at)}"
                scopes = " ".join(sorted(key.scopes))
                click.echo(f"{key.id}  {rfc3339(key.created_at)}  {state}  {key.name}  {scopes}")

    run(work())


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
def revoke_key(key_id: str) -> None:
    """End a key: servers refuse it within seconds."""

    async def work() -> None:
        async with opened_store(quiet_config()) as store:
            if not await store.revoke_key(key_id, now_ms()):
                raise click.ClickException(f"there is no key {key_id}")

    run(work())
    click.echo(f"Key {key_id} is revoked.")


def sign(config: Config, user: str, **claims: Any) -> str:
    """A token of these settings' secret; ``claims`` as ``http.tokens.sign`` takes them."""
    from notifier.http import tokens
    from notifier.identity import token_rules

    try:
        return tokens.sign(token_rules(config.auth), user, **claims)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _check_scopes(config: Config, scopes: Collection[str]) -> None:
    from notifier.core import policy
    from notifier.core.types import TypeCatalogue

    types = TypeCatalogue.load(config.catalogue)
    for scope in scopes:
        known = policy.is_scope(scope, types)
        if not known.allowed:
            raise click.BadParameter(known.reason, param_hint="--scope")
