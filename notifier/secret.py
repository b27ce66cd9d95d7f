"""A signing secret that is made once and kept in a file, for machines that nobody has set up."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from notifier.errors import ConfigurationError


def kept_secret(path: Path) -> str:
    """The secret in this file, made if there is none. Readable by the owner alone.

    Processes that start at once agree on one: the file appears whole, and only the first wins.
    """
    try:
        if not path.exists():
            _make(path)
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        advice = "give one in NOTIFIER_JWT_SECRET"
        problem = f"{path}: no secret can be kept there ({type(error).__name__}); {advice}"
        raise ConfigurationError([problem]) from None


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
