"""What is shipped works alone: a source archive, the wheel made from it, an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from notifier import __version__
from tests.servers import REPOSITORY, NotifierProcess

Environment = dict[str, str]


def run(*command: str | Path, cwd: Path, env: Environment | None = None) -> str:
    """Run to the end and return the output; its errors become those of the test."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def without_node(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """This environment with nothing on the PATH but what a build of Python needs."""
    folder = tmp_path_factory.mktemp("bin")
    for name in ("sh", "env", "uname", "cc", "gcc"):
        found = shutil.which(name)
        if found is not None:
            (folder / name).symlink_to(found)
    return {**os.environ, "PATH": str(folder)}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--outdir", folder, REPOSITORY, cwd=folder)
    return folder / f"notifier-{__version__}.tar.gz"


@pytest.fixture(scope="module")
def installed(
    sdist: Path, without_node: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An empty virtual environment into which the source archive was installed; its ``bin``."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    run(folder / "bin/pip", "install", "--quiet", sdist, cwd=folder, env=without_node)
    return folder / "bin"


class InstalledProcess(NotifierProcess):
    """A server run by the installed script, which knows nothing of the checkout."""

    def __init__(self, folder: Path, script: Path) -> None:
        super().__init__(folder)
        self.script = script

    def command(self) -> list[str]:
        return [str(self.script), "serve", "--port", str(self.port)]

    def environment(self) -> Environment:
        return {k: v for k, v in super().environment().items() if k != "PYTHONPATH"}


@pytest.fixture
async def server(installed: Path, tmp_path: Path) -> AsyncIterator[InstalledProcess]:
    """The installed server, started in an empty folder."""
    process = InstalledProcess(tmp_path / "empty", installed / "notifier")
    await process.start()
    yield process
    await process.stop()


def test_the_archive_holds_sources_and_built_client(sdist: Path) -> None:
    """Whoever has the archive can build, test and install without fetching anything of ours."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "setup.cfg",
        "LICENSE",
        "README.md",
        "Makefile",
        "packaging/backend.py",
        "config/default.toml",
        "static/package-lock.json",
        "static/dist/.sources",
        "static/dist/demo/index.html",
        "tests/test_packaging.py",
    } <= names
    assert not [name for name in names if "node_modules" in name or "__pycache__" in name]


def test_the_package_brings_its_files_and_nothing_else(installed: Path) -> None:
    """Settings and client lie inside the package; tests and sources of the client stay out."""
    (package,) = installed.parent.glob("lib/python3*/site-packages/notifier")
    beside = {path.name for path in package.parent.iterdir()}
    assert {"tests", "benchmarks", "config", "static", "packaging"} & beside <= {"packaging"}
    assert not (package.parent / "packaging" / "backend.py").exists()
    files = package / "files"
    assert {path.name for path in (files / "config").iterdir()} >= {"default.toml", "types.toml"}
    assert (files / "client" / "notifier.min.js").is_file()
    assert (package / "py.typed").is_file()


def test_the_installed_command_tells_its_version(installed: Path, tmp_path: Path) -> None:
    """The script is there and finds the package."""
    assert __version__ in run(installed / "notifier", "--version", cwd=tmp_path)


def test_the_installed_package_checks_itself(installed: Path, tmp_path: Path) -> None:
    """``notifier check`` finds settings, store and client."""
    assert "No problem found." in run(installed / "notifier", "check", cwd=tmp_path)


async def test_the_installed_server_serves_the_client(server: InstalledProcess) -> None:
    """From an empty folder: every file that was built for browsers, byte for byte."""
    built = REPOSITORY / "static" / "dist"
    names = {path.relative_to(built).as_posix() for path in built.rglob("*.*js")}
    assert {"notifier.min.js", "notifier.mjs", "elements.mjs", "react.mjs", "vue.mjs"} <= names
    assert any(name.startswith("chunks/") for name in names)
    async with aiohttp.ClientSession(headers={"Accept-Encoding": "gzip"}) as session:
        for name in names:
            address = name if name.startswith("demo/") else f"client/{name}"
            async with session.get(f"{server.url}/{address}") as answer:
                assert answer.status == 200, address
                assert answer.headers["Content-Encoding"] == "gzip"
                assert await answer.read() == (built / name).read_bytes()


@pytest.mark.parametrize("page", ["", "react.html", "vue.html"])
async def test_the_installed_server_serves_the_demos(server: InstalledProcess, page: str) -> None:
    """The pages, and all that they load."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/demo/{page}") as answer:
            assert answer.status == 200
            loaded = re.findall(r'(?:src|href)="([^"#:]+\.(?:js|css))"', await answer.text())
        assert loaded
        for name in loaded:
            async with session.get(f"{server.url}/demo/{name}") as answer:
                assert answer.status == 200, name


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout with only what the client is built from."""
    shutil.copytree(REPOSITORY / "packaging", tmp_path / "packaging")
    shutil.copytree(
        REPOSITORY / "static",
        tmp_path / "static",
        ignore=shutil.ignore_patterns("node_modules", "dist"),
    )
    return tmp_path


def is_fresh(tree: Path) -> bool:
    code = "import client; print(client.is_fresh())"
    return run(sys.executable, "-c", code, cwd=tree / "packaging").strip() == "True"


def test_the_client_is_built_without_node_on_the_path(
    tree: Path, without_node: Environment
) -> None:
    """Node comes from a Python package; afterwards the build is fresh until a source changes."""
    assert not is_fresh(tree)
    run(sys.executable, tree / "packaging" / "client.py", cwd=tree, env=without_node)
    assert (tree / "static" / "dist" / "notifier.min.js").stat().st_size > 1000
    assert is_fresh(tree)
    (tree / "static" / "test" / "note.txt").write_text("Tests are no part of the build.")
    assert is_fresh(tree)
    with (tree / "static" / "src" / "index.ts").open("a") as source:
        source.write("\n")
    assert not is_fresh(tree)
