"""Socket.IO packets, revision 5: python-socketio's packet with a strict reader and orjson."""

from __future__ import annotations

import re
from typing import Any

import orjson
from socketio import packet

from .engine import ProtocolError

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
BINARY = (BINARY_EVENT, BINARY_ACK)
WITH_ID = (EVENT, ACK, *BINARY)

# type, attachments and "-", namespace and ",", acknowledgement id (up to 2**53), JSON.
PATTERN = re.compile(r"([0-6])(?:([0-9]{1,4})-)?(?:(/[^,]*)(?:,|\Z))?([0-9]{1,16})?(.*)", re.DOTALL)


class Json:
    """orjson with the interface python-socketio expects."""

    @staticmethod
    def dumps(value: Any, **ignored: Any) -> str:
        """JSON text, without spaces. TypeError if the value cannot be written."""
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()

    @staticmethod
    def loads(text: str | bytes) -> Any:
        """The value of JSON text. ValueError if it is not."""
        return orjson.loads(text)


class Packet(packet.Packet):  # type: ignore[misc]
    """A packet, to be sent or received."""

    json = Json

    @classmethod
    def read(cls, text: str, max_attachments: int) -> Packet:
        """The packet a client sent, its attachments still missing. ProtocolError if invalid."""
        match = PATTERN.fullmatch(text)
        if match is None:
            raise ProtocolError("invalid packet")
        kind, count, namespace, id_, data = match.groups()
        self = cls(
            int(kind),
            data=_load(data),
            namespace=(namespace or "/").partition("?")[0],
            id=int(id_) if id_ else None,
            binary=False,
        )
        self.attachment_count = int(count or 0)
        self._check(has_count=count is not None, max_attachments=max_attachments)
        return self

    @property
    def complete(self) -> bool:
        """True if no attachment is missing."""
        return len(self.attachments) >= int(self.attachment_count)

    @property
    def arguments(self) -> list[Any]:
        """The data with its attachments put in. ProtocolError if they do not fit together."""
        try:
            data = _fill(self.data, self.attachments) if self.attachments else self.data
        except (IndexError, RecursionError, TypeError):
            raise ProtocolError("invalid attachments") from None
        assert isinstance(data, list)
        return data

    def _check(self, *, has_count: bool, max_attachments: int) -> None:
        if has_count != (self.packet_type in BINARY) or self.attachment_count > max_attachments:
            raise ProtocolError("invalid attachments")
        if self.id is not None and self.packet_type not in WITH_ID:
            raise ProtocolError("invalid id")
        if not self._data_fits():
            raise ProtocolError("invalid data")

    def _data_fits(self) -> bool:
        data = self.data
        if self.packet_type == CONNECT:
            return data is None or isinstance(data, dict)
        if self.packet_type == DISCONNECT:
            return data is None
        if self.packet_type in (ACK, BINARY_ACK):
            return isinstance(data, list) and self.id is not None
        if self.packet_type in (EVENT, BINARY_EVENT):
            return isinstance(data, list) and bool(data) and isinstance(data[0], str)
        return False


def _load(text: str) -> Any:
    if not text:
        return None
    try:
        return Json.loads(text)
    except ValueError:
        raise ProtocolError("invalid JSON") from None


def _fill(value: Any, attachments: list[bytes]) -> Any:
    if isinstance(value, list):
        return [_fill(item, attachments) for item in value]
    if isinstance(value, dict):
        if value.get("_placeholder") is True:
            return _attachment(value.get("num"), attachments)
        return {key: _fill(item, attachments) for key, item in value.items()}
    return value


def _attachment(number: Any, attachments: list[bytes]) -> bytes:
    if type(number) is not int or number < 0:
        raise TypeError("not the number of an attachment")
    return attachments[number]
