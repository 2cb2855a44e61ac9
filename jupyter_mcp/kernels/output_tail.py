"""The end of an output that is over its limit: its last messages, not decoded until the run has ended."""

from __future__ import annotations

from collections import deque

import zmq

from .output_limit import RESERVE, Message

Frames = list[zmq.Frame]
Held = Frames | Message


class Tail:
    """The last messages that were dropped, about RESERVE bytes of them; a longer one is kept alone."""

    def __init__(self) -> None:
        self._held: deque[tuple[int, Held]] = deque()
        self._size = 0

    def add(self, frames: Frames) -> None:
        """Keep a message, and let go of older ones."""
        self._add(sum(len(frame) for frame in frames), frames)

    def add_rest(self, name: str, text: str) -> None:
        """Keep the end of what did not fit of a stream's message."""
        if text:
            text = text[-RESERVE:]
            self._add(len(text), ("stream", {"name": name, "text": text}))

    def _add(self, size: int, held: Held) -> None:
        self._held.append((size, held))
        self._size += size
        while self._size > RESERVE and len(self._held) > 1:
            self._size -= self._held.popleft()[0]

    def take(self) -> list[Held]:
        """Return what is kept, oldest first, and keep it no longer."""
        held = [one for _, one in self._held]
        self.clear()
        return held

    def clear(self) -> None:
        """Let go of everything."""
        self._held.clear()
        self._size = 0
