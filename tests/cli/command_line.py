"""``notifier``, run as people run it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import PATIENCE, REPOSITORY, clean_environment


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
