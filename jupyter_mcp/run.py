"""One run of one cell: what the kernel has said about it so far."""

from __future__ import annotations

import asyncio
from typing import Any

from .outputs import OutputSink


class Run:
    """Follows the messages of one execute request; `done` is set when the reply and idle have come."""

    def __init__(self, sink: OutputSink) -> None:
        self.sink = sink
        self.done = asyncio.Event()
        self.began = asyncio.Event()  # the kernel works on it
        self.count: int | None = None
        self.aborted = False
        self.messages = 0
        self._replied = False
        self._idle = False

    def on_status(self, state: str) -> None:
        """Note that the kernel began or ended."""
        if state == "busy":
            self.began.set()
        elif state == "idle":
            self._idle = True
            self._settle()

    def on_output(self, kind: str, content: dict[str, Any]) -> None:
        """Pass an output on."""
        self.messages += 1
        self.sink.take(kind, content)

    def on_reply(self, content: dict[str, Any]) -> None:
        """Note the reply; a kernel aborts what was queued behind a cell that failed."""
        self._replied = True
        self.count = content.get("execution_count")
        self.aborted = content.get("status") == "aborted"
        self._settle()

    def _settle(self) -> None:
        if self._replied and (self._idle or self.aborted):
            self.done.set()
