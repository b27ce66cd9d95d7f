"""Reading the settings: ``config/*.toml``, then environment variables, checked together and frozen.

This is the only module that reads the environment. What settings there are stands in ``settings``.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_type_hints

from marshmallow import Schema, ValidationError
from marshmallow import fields as forms

from notifier.core.types import TypeCatalogue
from notifier.errors import ConfigurationError
from notifier.resources import config_folder
from notifier.secret import kept_secret
from notifier.settings import Config

__all__ = ["Config", "environment", "load_config"]

ENVIRONMENTS = ("development", "production", "test")

MIN_SECRET = 32
"""Bytes: RFC 7518, 3.2, asks of an HS256 key to be no shorter than its hash."""

MADE_SECRET = Path("var/secret")
"""Where a secret is kept that was made because none was given, seen from the working folder."""

NAMED = {
    "PORT": "server.port",
    "NOTIFIER_ALLOWED_ORIGINS": "server.allowed_origins",
    "NOTIFIER_STORE": "store.url",
    "MONGODB_URI": "store.url",
    "REDIS_URL": "redis.url",
    "CLOUDAMQP_URL": "amqp.url",
    "AMQP_URL": "amqp.url",
    "NOTIFIER_JWT_SECRET": "auth.secrets",
    "NOTIFIER_JWKS_URL": "auth.jwks_url",
    "NOTIFIER_JWT_ISSUER": "auth.issuer",
    "NOTIFIER_JWT_AUDIENCE": "auth.audience",
    "NOTIFIER_TYPES_FILE": "types.file",
}
"""Variables with a name of their own. They win over NOTIFIER_SECTION__KEY, a later over an earlier.
"""

OTHER_VARIABLES = ("NOTIFIER_ENV", "NOTIFIER_KEY")
"""Variables that are no settings: which settings to take, and the key of ``notifier send``."""

_SERVICE_LINK = re.compile(
    r"NOTIFIER_(\w+_)?(SERVICE_(HOST|PORT\w*)=|PORT_\d+_(TCP|UDP)|PORT=(tcp|udp)://)"
)
"""What Kubernetes puts into a container for a service called notifier or notifier-something."""

_SECTIONS: dict[str, type[Any]] = {
    name: hint
    for name, hint in get_type_hints(Config).items()
    if isinstance(hint, type) and is_dataclass(hint)
}

_SCHEMAS: dict[str, Schema] = {
    name: Schema.from_dict(
        {
            key: hint.__metadata__[0]
            for key, hint in get_type_hints(section, include_extras=True).items()
        }
    )()
    for name, section in _SECTIONS.items()
}

_VARIABLES: dict[str, str] = {
    f"NOTIFIER_{name}__{entry.name}".upper(): f"{name}.{entry.name}"
    for name, section in _SECTIONS.items()
    for entry in fields(section)
} | NAMED
"""Every variable that sets something, in the order in which they win over each other."""


def environment(**changes: str | None) -> dict[str, str]:
    """The variables of this process, with those changes that are not None."""
    variables = dict(os.environ)
    for name, value in changes.items():
        if value is not None:
            variables.pop(f"{name}_FILE", None)
            variables[name] = value
    return variables


def load_config(environ: Mapping[str, str], *, folder: Path | None = None) -> Config:
    """Read and check all settings. Raises ``ConfigurationError`` with every problem there is.

    ``folder`` is where the files are, by default those that ship with the package. Outside of
    production a missing secret is made and kept in ``MADE_SECRET``.
    """
    given = {name: value for name, value in environ.items() if value}
    sheet = _Sheet()
    env = _environment_name(given, sheet)
    folder = folder or config_folder()
    for file in ("default.toml", f"{env}.toml"):
        sheet.add_file(folder / file)
    sheet.add_variables(given)
    sections = sheet.checked()
    own = sections["types"].get("file")
    catalogue = _types(Path(own) if own else folder / "types.toml", sheet)
    if env == "production":
        sheet.problems += _unfit_for_production(sections, loses_files="DYNO" in given)
    if sheet.problems:
        raise ConfigurationError(sheet.problems)
    if env != "production" and not sections["auth"]["secrets"]:
        sections["auth"]["secrets"] = (kept_secret(MADE_SECRET),)
    parts = {name: section(**sections[name]) for name, section in _SECTIONS.items()}
    return Config(env=env, catalogue=catalogue, **parts)


class _Sheet:
    """All settings on their way in: values, who gave each, and what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._values: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
        self._givers: dict[str, str] = {}

    def add_file(self, path: Path) -> None:
        for section, table in self.read(path).items():
            if section not in _SECTIONS or not isinstance(table, dict):
                known = _nearest(section, _SECTIONS)
                self.problems.append(f"{path.name}: there is no section [{section}]{known}")
                continue
            for key, value in table.items():
                self._set(section, key, value, f"{path.name}: [{section}] {key}")

    def add_variables(self, given: Mapping[str, str]) -> None:
        for name, setting in _VARIABLES.items():
            value = self._variable(name, given)
            if value is not None:
                section, _, key = setting.partition(".")
                self._set(section, key, value, name)
        known = {*_VARIABLES, *(f"{name}_FILE" for name in _VARIABLES), *OTHER_VARIABLES}
        for name, value in given.items():
            foreign = not name.startswith("NOTIFIER_") or _SERVICE_LINK.match(f"{name}={value}")
            if name not in known and not foreign:
                self.problems.append(f"{name}: there is no such setting{_nearest(name, known)}")

    def checked(self) -> dict[str, dict[str, Any]]:
        """The values in their types; the wrong ones are absent and have become problems."""
        sections: dict[str, dict[str, Any]] = {}
        for section, schema in _SCHEMAS.items():
            try:
                loaded = schema.load(self._values[section])
            except ValidationError as error:
                loaded = error.valid_data
                self._report(section, error.messages_dict)
            sections[section] = {key: _frozen(value) for key, value in loaded.items()}
        if sections["amqp"].get("url") and find_spec("aio_pika") is None:
            self._report("amqp", {"url": ["Needs aio-pika: pip install 'notifier[amqp]'."]})
        return sections

    def read(self, path: Path) -> dict[str, Any]:
        """The tables of a file; none, and a problem, if it cannot be read."""
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            self.problems.append(f"{path}: {error.strerror}")
        except ValueError as error:
            self.problems.append(f"{path}: {error}")
        return {}

    def _set(self, section: str, key: str, value: Any, giver: str) -> None:
        form = _SCHEMAS[section].fields.get(key)
        if form is None:
            known = _nearest(key, _SCHEMAS[section].fields)
            self.problems.append(f"{giver}: there is no such setting{known}")
            return
        if isinstance(form, forms.List) and isinstance(value, str):
            try:
                value = _listed(value)
            except ValueError:
                self.problems.append(f"{giver}: starts as a list in JSON does, and is none")
                return
        # TOML has no word for "not set"; an empty text stands for it.
        self._values[section][key] = None if value == "" else value
        self._givers[f"{section}.{key}"] = giver

    def _variable(self, name: str, given: Mapping[str, str]) -> str | None:
        path = given.get(f"{name}_FILE")
        if path is None:
            return given.get(name)
        if name in given:
            self.problems.append(f"{name} and {name}_FILE: set only one of them")
            return None
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            self.problems.append(f"{name}_FILE: the file {path} cannot be read")
            return None

    def _report(self, section: str, messages: Mapping[str, Any]) -> None:
        for key, found in messages.items():
            giver = self._givers.get(f"{section}.{key}", f"[{section}] {key}")
            self.problems += [f"{giver}: {message}" for message in dict.fromkeys(_leaves(found))]


def _environment_name(given: Mapping[str, str], sheet: _Sheet) -> str:
    name = given.get("NOTIFIER_ENV", "development")
    if name in ENVIRONMENTS:
        return name
    sheet.problems.append(f"NOTIFIER_ENV: must be one of {', '.join(ENVIRONMENTS)}")
    return "development"


def _types(path: Path, sheet: _Sheet) -> Mapping[str, Any]:
    tables = sheet.read(path)
    try:
        TypeCatalogue.load(tables)
    except ValidationError as error:
        for name, found in error.messages_dict.items():
            sheet.problems += [f"{path.name}: [{name}] {message}" for message in _leaves(found)]
    return tables


def _unfit_for_production(
    sections: Mapping[str, Mapping[str, Any]], *, loses_files: bool
) -> Iterator[str]:
    """What may be on a laptop and must not be where strangers come. Skips what is wrong anyway."""
    auth, server, store = sections["auth"], sections["server"], sections["store"]
    if auth.get("secrets") == () and auth.get("jwks_url", "") is None:
        yield "NOTIFIER_JWT_SECRET or NOTIFIER_JWKS_URL: production needs one of them"
    names_audience = auth.get("audience", "") is not None or auth.get("any_audience")
    if auth.get("jwks_url") and not names_audience:
        yield (
            "NOTIFIER_JWT_AUDIENCE: production needs it with NOTIFIER_JWKS_URL, as a provider "
            "signs tokens for other applications too; set it, or NOTIFIER_AUTH__ANY_AUDIENCE=true "
            "if those are to be believed"
        )
    if any(len(secret.encode()) < MIN_SECRET for secret in auth.get("secrets", ())):
        yield f"NOTIFIER_JWT_SECRET: production needs secrets of at least {MIN_SECRET} bytes"
    if server.get("allowed_origins") == ():
        yield "NOTIFIER_ALLOWED_ORIGINS: production needs the origins of your pages"
    on_disk = store.get("url", "").startswith("sqlite:")
    if loses_files and on_disk and not store.get("allow_ephemeral"):
        yield (
            "MONGODB_URI: SQLite is a file, and this host does not keep files; set it, or "
            "NOTIFIER_STORE__ALLOW_EPHEMERAL=true if notifications may be lost"
        )
    if sections["demo"].get("enabled"):
        yield "NOTIFIER_DEMO__ENABLED: the demo hands out tokens to anybody, production must not"


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _listed(text: str) -> list[Any]:
    """A list as a variable gives it: in JSON, or its parts with commas in between."""
    if text.startswith("["):
        parts: list[Any] = json.loads(text)
        return parts
    return [part.strip() for part in text.split(",") if part.strip()]


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _leaves(messages: Any) -> Iterator[str]:
    """The sentences at the ends of nested messages, each behind the keys that lead there."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            for sentence in _leaves(inner):
                yield sentence if isinstance(key, int) else f"{key}: {sentence}"
    else:
        yield from messages
