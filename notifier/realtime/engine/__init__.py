"""An Engine.IO server, revision 4, for aiohttp. Knows nothing of Socket.IO or notifications."""

from .connection import Connection
from .engine import Engine
from .errors import EngineError, PayloadTooLarge, ProtocolError, Refused, UnknownSession
from .metrics import EngineMetrics
from .options import EngineOptions
from .packets import Frame

__all__ = [
    "Connection",
    "Engine",
    "EngineError",
    "EngineMetrics",
    "EngineOptions",
    "Frame",
    "PayloadTooLarge",
    "ProtocolError",
    "Refused",
    "UnknownSession",
]
