"""How far a file has been sent, kept beside it until it has been sent to the end."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from notifier.errors import NotifierError

CHUNK_BYTES = 1024 * 1024


class NotWritable(NotifierError):
    """There is no place for the record."""


class Progress:
    """Behind so many lines and bytes, of which these lines were ``refused``, for these reasons.

    Written to ``FILE.sent``, a line for each batch. What does not come from a file in a folder has
    no record.
    """

    def __init__(self, file: BinaryIO, record: Path | None) -> None:
        self.line = 0
        self.offset = 0
        self.refused: dict[int, str] = {}
        self._file = file
        self._record = record
        self._digest = hashlib.sha256()

    @classmethod
    def of(cls, file: BinaryIO) -> Progress:
        path = Path(str(file.name))
        return cls(file, path.with_name(f"{path.name}.sent") if path.is_file() else None)

    def resume(self) -> None:
        """Find where the last try has ended, if what was sent is still the start of the file.

        Raises ``NotWritable``, before anything is sent that could not be recorded.
        """
        if self._record is None:
            return
        # No record, or none of ours: from the start.
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            self._go_to(list(_rows(self._record.read_bytes())))
        self._file.seek(0)
        with self._writing() as record:
            record.open("ab" if self.offset else "wb").close()

    def reached(self, line: int, sent: bytes, refused: Mapping[int, str]) -> None:
        """These bytes, up to this line, need not be sent again. Raises ``NotWritable``."""
        self.line = line
        self.offset += len(sent)
        self.refused |= refused
        self._digest.update(sent)
        if self._record is None:
            return
        digest = self._digest.hexdigest()
        row = {"line": self.line, "offset": self.offset, "digest": digest}
        row |= {"refused": list(refused.items())} if refused else {}
        with self._writing() as record, record.open("ab") as file:
            file.write(b"\n" + orjson.dumps(row))

    def finish(self) -> None:
        """All of it has been sent; the next time it begins anew. Raises ``NotWritable``."""
        if self._record is not None:
            with self._writing() as record:
                record.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Path]:
        assert self._record is not None
        try:
            yield self._record
        except OSError as error:
            raise NotWritable(
                f"{self._record} cannot be written ({error.strerror}), where it is kept how far "
                "the file has been sent: send it from a folder that you may write to, or without "
                f"such a record by --file - < {self._file.name}"
            ) from None

    def _go_to(self, rows: Sequence[Any]) -> None:
        line, offset, digest = (rows[-1][name] for name in ("line", "offset", "digest"))
        refused = {int(number): str(why) for r in rows for number, why in r.get("refused", ())}
        read = hashlib.sha256()
        left = int(offset)
        while left and (chunk := self._file.read(min(left, CHUNK_BYTES))):
            read.update(chunk)
            left -= len(chunk)
        if not left and read.hexdigest() == digest:
            self.line, self.offset, self.refused, self._digest = int(line), offset, refused, read


def _rows(record: bytes) -> Iterator[Any]:
    """What was written to the end: a full disk, say, may have torn a row."""
    for row in record.splitlines():
        with contextlib.suppress(ValueError):
            yield orjson.loads(row)
