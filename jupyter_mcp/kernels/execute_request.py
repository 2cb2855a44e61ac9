"""One execute request: what the kernel has said about it so far."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from .fate import Fate
from .late_output import LateOutput
from .outputs import OutputSink

LOST = "Some output may be missing: the kernel did not say when it was done."
_LONGEST = 3000  # characters of what a reply says
NO_REPLY = "The kernel said that it is done but sent no reply."


class ExecuteRequest:
    """Follows the messages of one execute request; `done` is set when the reply and idle have come."""

    def __init__(self, sink: OutputSink) -> None:
        self.sink: OutputSink | LateOutput = sink
        self.done = asyncio.Event()
        self.began = asyncio.Event()  # the kernel works on it
        self.count: int | None = None
        self.aborted = False
        self.messages = 0
        self.fate: Fate | None = None  # what became of the kernel, if it went away
        self.lost: str | None = None  # what the kernel left out, in a sentence
        self.said: list[str] = []  # what its reply has beside the outputs, in sentences
        self.heard = time.monotonic()
        self._replied = False
        self._reply: dict[str, Any] = {}
        self._error_shown: str | None = None  # its name
        self._idle = False

    @property
    def error(self) -> str | None:
        """The name of the error that the code ended with, None if it ended well or has not ended."""
        if not self._replied:
            return self._error_shown
        return str(self._reply["ename"]) if self._reply["status"] == "error" else None

    @property
    def lacks_reply(self) -> bool:
        """Return whether the kernel said that it is done, and the reply has not come."""
        return self._idle and not self._replied

    def on_status(self, state: str) -> None:
        """Note that the kernel began or ended."""
        self.heard = time.monotonic()
        if state == "busy":
            self.began.set()
        elif state == "idle":
            self._idle = True
            self._settle()

    def on_output(self, kind: str, content: dict[str, Any]) -> None:
        """Pass an output on."""
        self.heard = time.monotonic()
        self.messages += 1
        self.began.set()
        if kind == "error":
            self._error_shown = content["ename"]
        self.sink.take(kind, content)

    def on_reply(self, content: dict[str, Any]) -> None:
        """Note the reply, checked; a kernel aborts what was queued behind a cell that failed."""
        self._replied = True
        self.count = content["execution_count"]
        self.aborted = content["status"] == "aborted"
        self._reply = content
        self.heard = time.monotonic()
        self._settle()

    def settle_without_idle(self, seconds: float) -> None:
        """End a run whose idle the kernel dropped: the reply is there, and nothing was heard for `seconds`."""
        if not self.done.is_set() and self._replied and time.monotonic() - self.heard > seconds:
            self.lost = LOST
            if self._reply["status"] == "error" and not self._error_shown:
                self.sink.take("error", self._reply)
            self.done.set()

    def on_answer(self) -> None:
        """Note that the kernel answered what was asked after this run: a reply that has not come is lost."""
        if self.lacks_reply and not self.done.is_set():
            self.lost = NO_REPLY
            self.done.set()

    def _settle(self) -> None:
        if self._replied and (self._idle or self.aborted) and not self.done.is_set():
            self._take_reply()
            self.done.set()

    def _take_reply(self) -> None:
        """Show what the reply alone has; all outputs have come."""
        for page in self._reply.get("pages", ()):  # of `name?`: JupyterLab shows it below the cell, too
            self.sink.take("display_data", page)
        if self._reply["status"] == "error" and self._error_shown is None:
            raised = f"{self._reply['ename']}: {self._reply['evalue']}".strip(": ")
            self.said.append(f"The cell failed, though the kernel put out no error{_told(raised)}.")
        if (text := self._reply.get("next")) is not None:
            self.said.append(
                "The code asked for a cell with a text of its own, as %load does; no cell was made or changed. "
                f"The text{_told(text)}"
            )


def _told(text: str) -> str:
    return f": {text[:_LONGEST]}{'' if len(text) <= _LONGEST else ' …'}" if text else ""
