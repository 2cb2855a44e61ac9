"""The end of an output that is over its limit: its last messages, not decoded until the run has ended."""

from __future__ import annotations

from collections import deque

import zmq

from .output_limit import RESERVE

Frames = list[zmq.Frame]


class Tail:
    """The last messages that were dropped, about RESERVE bytes of them; a longer one is kept alone."""

    def __init__(self) -> None:
        self._held: deque[tuple[int, Frames]] = deque()
        self._size = 0

    def add(self, frames: Frames) -> None:
        """Keep a message, and let go of older ones."""
        size = sum(len(frame) for frame in frames)
        self._held.append((size, frames))
        self._size += size
        while self._size > RESERVE and len(self._held) > 1:
            self._size -= self._held.popleft()[0]

    def take(self) -> list[Frames]:
        """Return what is kept, oldest first, and keep it no longer."""
        held = [frames for _, frames in self._held]
        self.clear()
        return held

    def clear(self) -> None:
        """Let go of everything."""
        self._held.clear()
        self._size = 0
