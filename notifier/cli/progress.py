"""How far a file has been sent, kept beside it until it has been sent to the end."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

CHUNK_BYTES = 1024 * 1024


class Place(NamedTuple):
    """Behind so many lines and bytes."""

    line: int
    offset: int


class Progress:
    """Written to ``FILE.sent``. What does not come from a file in a folder has no progress."""

    def __init__(self, file: BinaryIO, record: Path | None) -> None:
        self._file = file
        self._record = record
        self._line = 0
        self._offset = 0
        self._digest = hashlib.sha256()

    @classmethod
    def of(cls, file: BinaryIO) -> Progress:
        path = Path(str(file.name))
        return cls(file, path.with_name(f"{path.name}.sent") if path.is_file() else None)

    def resume(self) -> Place:
        """Move the file to where the last try has ended, if what was sent is still its start."""
        if self._record is not None:
            # No record, or none of ours: from the start.
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                self._go_to(orjson.loads(self._record.read_bytes()))
            self._file.seek(self._offset)
        return Place(self._line, self._offset)

    def reached(self, line: int, sent: bytes) -> None:
        """These bytes, up to this line, need not be sent again."""
        self._line = line
        self._offset += len(sent)
        self._digest.update(sent)
        if self._record is not None:
            digest = self._digest.hexdigest()
            place = {"line": self._line, "offset": self._offset, "digest": digest}
            new = self._record.with_name(f"{self._record.name}.new")
            new.write_bytes(orjson.dumps(place))
            new.replace(self._record)

    def finish(self) -> None:
        """All of it has been sent; the next time it begins anew."""
        if self._record is not None:
            self._record.unlink(missing_ok=True)

    def _go_to(self, place: Any) -> None:
        line, offset, digest = int(place["line"]), int(place["offset"]), str(place["digest"])
        read = hashlib.sha256()
        left = offset
        while left and (chunk := self._file.read(min(left, CHUNK_BYTES))):
            read.update(chunk)
            left -= len(chunk)
        if not left and read.hexdigest() == digest:
            self._line, self._offset, self._digest = line, offset, read
