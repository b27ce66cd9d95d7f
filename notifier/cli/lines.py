"""The lines of a file of notifications: in batches, each with a key by which it counts once."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple
from uuid import uuid4

BATCH_LINES = 100
BATCH_BYTES = 900_000
"""Where a file is cut; a server takes requests of 1 MiB."""


class Line(NamedTuple):
    """A line that is not blank: its number, its JSON, its idempotency key."""

    number: int
    text: bytes
    key: str


@dataclass(slots=True)
class Batch:
    """Lines that are sent together; ``text`` is their part of the file, blank lines included."""

    lines: list[Line] = field(default_factory=list)
    last_line: int = 0
    text: bytearray = field(default_factory=bytearray)


class Keys:
    """Makes a key of the name of the file, of the line, and of how many equal ones it follows.

    So it stays the same whatever becomes of other lines. Remembers some 100 bytes for each line.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._name = hashlib.sha256(f"{_name(file)}\n".encode())
        self._counts: Counter[bytes] = Counter()

    def key(self, text: bytes) -> str:
        """The key of the next line."""
        digest = self._name.copy()
        digest.update(text)
        short = digest.digest()[:16]
        self._counts[short] += 1
        return f"file-{short.hex()}-{self._counts[short]}"


def batches(file: BinaryIO, sent: int) -> Iterator[Batch]:
    """What a file holds behind so many lines, which are read for the keys of those that follow."""
    keys = Keys(file)
    batch = Batch()
    for number, line in enumerate(file, 1):
        text = line.strip()
        key = keys.key(text) if text else ""
        if number <= sent:
            continue
        if len(batch.lines) == BATCH_LINES or len(batch.text) + len(line) > BATCH_BYTES:
            yield batch
            batch = Batch()
        if text:
            batch.lines.append(Line(number, text, key))
        batch.last_line = number
        batch.text += line
    if batch.text:
        yield batch


def _name(file: BinaryIO) -> str:
    """By which a file is known again; what comes through a pipe is another file each time."""
    path = Path(str(file.name))
    if path.is_file():
        return str(path.resolve())
    about = os.fstat(file.fileno())
    return f"{about.st_dev}:{about.st_ino}" if stat.S_ISREG(about.st_mode) else uuid4().hex
