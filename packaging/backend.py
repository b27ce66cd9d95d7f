"""The build backend (PEP 517, PEP 660): setuptools, plus what is not Python.

The JavaScript client is built first if it is not there. ``config/`` and the built client travel
inside the package, in ``notifier/files``, where ``notifier.resources`` finds them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import client
from setuptools import build_meta
from setuptools.build_meta import (
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)
from setuptools.command.build_py import build_py

__all__ = [
    "BuildWithFiles",
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).parent.parent
SHIPPED = {"config": ROOT / "config", "client": client.DIST}

Settings = dict[str, Any] | None


class BuildWithFiles(build_py):
    """Copies the files that ship beside the code into the package."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return  # then they are used where they are
        for name, folder in SHIPPED.items():
            target = Path(self.build_lib) / "notifier" / "files" / name
            shutil.copytree(folder, target, dirs_exist_ok=True)


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    return build_meta.get_requires_for_build_wheel(config_settings) + _node()


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    return build_meta.get_requires_for_build_editable(config_settings) + _node()


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    return build_meta.get_requires_for_build_sdist(config_settings) + _node()


def build_wheel(folder: str, settings: Settings = None, metadata: str | None = None) -> str:
    client.build()
    # setuptools keeps what it once built, and would ship modules that are gone.
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    return build_meta.build_wheel(folder, settings, metadata)


def build_editable(folder: str, settings: Settings = None, metadata: str | None = None) -> str:
    client.build()
    return build_meta.build_editable(folder, settings, metadata)


def build_sdist(folder: str, settings: Settings = None) -> str:
    """The built client is in it: installing from it needs no Node."""
    client.build()
    return build_meta.build_sdist(folder, settings)


def _node() -> list[str]:
    return [] if client.is_fresh() or client.has_node() else [client.NODE_PACKAGE]
