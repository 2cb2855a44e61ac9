"""The audit log: a file with a line of JSON for each call of an agent that changes or runs something.

A thread of its own writes it, so that a disk that is slow, full or gone holds up no call. Lines that could not be
written are counted, and the count is in the next line that could.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from logging import Logger
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any

from pycrdt import Map

from .audit_file import AuditFile

if TYPE_CHECKING:
    from .calls import Call

_WAITING = 10_000  # lines that wait for the disk
_AT_ONCE = 500  # lines that are written together
_LONGEST_SOURCE = 100_000  # characters of one cell's source
_LEAST_SECRET = 8  # characters: what is shorter is in texts by chance
HIDDEN = "[token]"


class AuditLog:
    """Takes notes of calls, and lets a thread write them."""

    def __init__(
        self,
        file: AuditFile,
        log: Logger,
        *,
        sources: bool = False,
        secret: Callable[[], str] = lambda: "",
    ) -> None:
        """Write to `file`, with the source texts if `sources`; what `secret` returns is never written."""
        self._file = file
        self.log = log
        self._sources = sources
        self._secret = secret
        self._waiting: Queue[dict[str, Any] | None] = Queue(_WAITING)
        self._lost = 0  # lines, since the last that was written; counted by both threads
        self._counting = threading.Lock()
        self._fault: str | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write; tell at once if the file can't be written."""
        self._thread = threading.Thread(target=self._write_on, name="jupyter_mcp audit", daemon=True)
        self._thread.start()
        self._waiting.put_nowait({})

    def note(self, call: Call, event: dict[str, Any]) -> None:
        """Note what a call does, in the words of its event; never waits, never raises."""
        try:
            self._waiting.put_nowait(self._line(call, event))
        except Full:
            self._count_lost(1)
        except Exception:  # boundary: what is noted must not stop what is done
            self._count_lost(1)
            self.log.exception("A call could not be noted in the audit log")

    def _line(self, call: Call, event: dict[str, Any]) -> dict[str, Any]:
        line = {"time": self._file.now(), "user": event["agent"]["user"], **event}
        line["agent"] = {key: value for key, value in event["agent"].items() if key != "user"}
        line["agent"]["client"] = call.agent.client
        if self._sources:
            line["cells"] = [{**cell, "source": _source(call, cell["id"])} for cell in event["cells"]]
            if call.code is not None:
                line["source"] = call.code[:_LONGEST_SOURCE]
        return line

    def close(self, within: float) -> None:
        """Write what waits, within some seconds."""
        if self._thread is None:
            return
        with suppress(Full):
            self._waiting.put(None, timeout=within)
            self._thread.join(within)

    def _write_on(self) -> None:
        ends = False
        while not ends:
            notes = [self._waiting.get()]
            with suppress(Empty):
                while len(notes) < _AT_ONCE:
                    notes.append(self._waiting.get_nowait())
            ends = None in notes
            self._write([self._text(note) for note in notes if note])

    def _text(self, note: dict[str, Any]) -> str:
        text = json.dumps(note)  # ASCII, and so one line whatever is in it
        secret = self._secret()
        return text.replace(json.dumps(secret)[1:-1], HIDDEN) if len(secret) >= _LEAST_SECRET else text

    def _count_lost(self, lines: int) -> int:
        with self._counting:
            self._lost += lines
            return self._lost

    def _write(self, lines: list[str]) -> None:
        lost = self._count_lost(0) if lines else 0
        about = [json.dumps({"time": self._file.now(), "lost": lost})] if lost else []
        try:
            self._file.append([*about, *lines])
        except OSError as error:
            self._count_lost(len(lines))
            fault = error.strerror or str(error)
            if self._fault is None:
                self.log.error(  # noqa: TRY400 - a traceback says no more
                    "The audit log %s can't be written (%s). Calls go on; how many are missing will be in it.",
                    self._file.path,
                    fault,
                )
            self._fault = fault
            return
        self._count_lost(-lost)
        if self._fault is not None and lines:
            self._fault = None
            self.log.warning("The audit log %s is written again; %d lines are missing.", self._file.path, lost)


def _source(call: Call, cell_id: str) -> str | None:
    """Return a cell's source as it is now, None if the cell is no more."""
    live = call.live
    at = None if live is None or live.released else live.find(cell_id)
    if live is None or at is None:
        return None
    cell: Map[Any] = live.document.ycells[at]
    return str(cell["source"])[:_LONGEST_SOURCE]
