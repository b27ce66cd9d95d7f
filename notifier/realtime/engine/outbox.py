"""Frames that wait for a reader."""

from __future__ import annotations

from collections import deque

from .metrics import EngineMetrics
from .packets import Frame


class Outbox:
    """What one connection could not be given yet, oldest first, with its size in bytes.

    Holds references to shared frames: a thousand slow readers of one room cost one copy.
    """

    __slots__ = ("_frames", "_metrics", "size")

    def __init__(self, metrics: EngineMetrics) -> None:
        self._frames: deque[tuple[float, Frame]] = deque()
        self._metrics = metrics
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._frames)

    @property
    def oldest(self) -> float | None:
        """When the frame that waits longest was put in, None if nothing waits."""
        return self._frames[0][0] if self._frames else None

    def put(self, frame: Frame, now: float) -> None:
        """Append a frame."""
        self._frames.append((now, frame))
        self._grow(len(frame.websocket))

    def pop(self) -> Frame:
        """Take the oldest frame."""
        _, frame = self._frames.popleft()
        self._grow(-len(frame.websocket))
        return frame

    def take(self) -> list[Frame]:
        """Take everything."""
        frames = [frame for _, frame in self._frames]
        self.clear()
        return frames

    def clear(self) -> None:
        """Drop everything."""
        self._frames.clear()
        self._grow(-self.size)

    def _grow(self, size: int) -> None:
        self.size += size
        self._metrics.outbox_bytes += size
