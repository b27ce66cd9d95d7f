"""How arguments and options are read that several commands take."""

from __future__ import annotations

import re
from typing import Any

import click
import orjson

from notifier.config import ENVIRONMENTS
from notifier.core.models import ADMIN, PUBLISH, TOPICS, is_name

env_option = click.option(
    "--env", type=click.Choice(ENVIRONMENTS), help="Which settings to take.  [env: NOTIFIER_ENV]"
)

SCOPE_HELP = f"{PUBLISH}, {PUBLISH}:TYPE, {PUBLISH}:TYPE:AUDIENCE, {TOPICS}, {ADMIN}; repeatable."


class Duration(click.ParamType[int]):
    """Seconds, written as 90, 90s, 15m, 1h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        found = re.fullmatch(r"(\d{1,9})([smhd]?)", str(value))
        if found is None or not int(found[1]):
            self.fail("must be a time such as 90s, 15m, 1h or 7d", param, ctx)
        return int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]


class Name(click.ParamType[str]):
    """What can name a user, a role or a service."""

    name = "name"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if not is_name(str(value)):
            self.fail("must be 1 to 128 printable characters without white space", param, ctx)
        return str(value)


class Json(click.ParamType[Any]):
    """Any JSON value."""

    name = "json"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return orjson.loads(value)
        except ValueError:
            self.fail("is not JSON", param, ctx)
