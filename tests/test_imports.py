"""The layers: who may import whom, and that nothing is used that is not asked for."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import REPOSITORY

PACKAGE = REPOSITORY / "notifier"

SETTINGS = {"config", "settings", "secret", "resources", "log"}

LAYERS: dict[str, set[str]] = {
    "__init__": {"app", "publisher"},
    "__main__": {"cli"},
    "cli": {"app", "worker", "identity"}
    | {"http", "publisher", "queue", "redis", "store", "core", "errors"}
    | SETTINGS,
    "identity": {"http", "settings"},
    "app": {"process", "metering", "identity"}
    | {"http", "queue", "realtime", "store", "core", "errors"}
    | SETTINGS,
    "worker": {"process", "queue", "realtime", "store", "core"} | SETTINGS,
    "process": {"queue", "core"} | SETTINGS,
    "metering": {"http", "queue"},
    "config": {"core", "errors"} | SETTINGS,
    "settings": set(),
    "secret": {"errors"},
    "resources": set(),
    "log": {"settings"},
    "http": {"core", "errors"},
    "realtime": {"redis", "core", "errors"},
    "queue": {"redis", "core", "errors"},
    "publisher": {"queue", "redis", "core", "errors"},
    "redis": {"errors"},
    "store": {"core", "errors"},
    "core": {"errors"},
    "errors": set(),
}
"""Each part of the package, and the other parts that it may import."""

EXCEPTIONS = {
    ("http.readers", "realtime.hub"),
}
"""Single modules that may import a single module of another part."""

CORE_LIBRARIES = {"marshmallow", "orjson"}
"""What the domain may use besides the standard library."""

EXTRAS = {"amqp": "queue.amqp"}
"""Optional dependencies, and the only part whose modules may import them."""

DISTRIBUTIONS = {
    "aio_pika": "aio-pika",
    "engineio": "python-engineio",
    "jwt": "pyjwt",
    "prometheus_client": "prometheus-client",
    "socketio": "python-socketio",
    "bson": "pymongo",
}
"""Packages that are imported under another name than they are installed by."""

FROM_AIOHTTP = {"multidict", "yarl"}
"""Types in aiohttp's own interface; it asks for them itself."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    """The module's name inside the package: ``http.api`` for ``notifier/http/api.py``."""
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """The full names of all modules that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(path, node)
            if base == "notifier":
                yield from (f"notifier.{alias.name}" for alias in node.names)
            else:
                yield base


def _base(path: Path, node: ast.ImportFrom) -> str:
    """What follows ``from``, with leading dots resolved."""
    if not node.level:
        return node.module or ""
    package = path.relative_to(PACKAGE.parent).parts[: -node.level]
    return ".".join([*package, node.module] if node.module else package)


def own_imports(path: Path) -> set[str]:
    own = {name.removeprefix("notifier.") for name in imports(path) if name.startswith("notifier.")}
    return own - {"__version__"}


def foreign_imports(path: Path) -> set[str]:
    tops = {name.partition(".")[0] for name in imports(path)}
    return tops - sys.stdlib_module_names - {"notifier"}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_modules_import_only_what_their_layer_may(path: Path) -> None:
    """Every import inside the package is one that the table allows."""
    module = dotted(path)
    part = module.partition(".")[0]
    allowed = LAYERS[part] | {part}
    wrong = {
        name
        for name in own_imports(path)
        if name.partition(".")[0] not in allowed and (module, name) not in EXCEPTIONS
    }
    assert not wrong


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("core/**/*.py")), ids=dotted)
def test_the_domain_knows_no_library_of_the_outside(path: Path) -> None:
    """No web framework and no driver is imported in ``core``."""
    assert foreign_imports(path) <= CORE_LIBRARIES


def test_what_is_imported_is_asked_for() -> None:
    """Every library that a module imports stands among the dependencies, or in its extra."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    always = names(project["dependencies"])
    for path in MODULES:
        asked = set(always)
        for extra, part in EXTRAS.items():
            if dotted(path).startswith(part):
                asked |= names(project["optional-dependencies"][extra])
        used = {DISTRIBUTIONS.get(name, name) for name in foreign_imports(path) - FROM_AIOHTTP}
        assert used <= asked, path


def names(requirements: list[str]) -> set[str]:
    """The distributions that a list of requirements asks for."""
    return {re.split(r"[^\w-]", line)[0].lower() for line in requirements}


def test_only_the_configuration_reads_the_environment() -> None:
    """``os.environ`` and ``getenv`` appear in one module."""
    reading = re.compile(r"\bos\.environ|\bgetenv|from os import .*environ")
    readers = {dotted(path) for path in MODULES if reading.search(path.read_text())}
    assert readers == {"config"}
