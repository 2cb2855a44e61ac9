"""Output that comes after its cell has ended: what a thread prints, a display that another cell updates.

The kernel says which run it belongs to, and it goes on into that run's cell, as in JupyterLab, until the
cell is deleted or run again, by an agent or by a person (whose browser writes that run's outputs). Nothing
of the run is kept for it but its allowance: it is added to whatever outputs the cell has now.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from itertools import groupby
from typing import Any

from pycrdt import Array, Map, Text

from jupyter_mcp.rooms.live import Live
from jupyter_mcp.rooms.ydoc_private import update_lock

from .messages import OVERWRITE_UP_TO, as_output, as_shared, clean, overwrite
from .output_limit import Kept, Message, kept_of
from .outputs import FLUSH_EVERY, OutputSink

_MAX_ENDED = 256  # ended runs remembered for each kernel
_OUTPUTS = ("stream", "display_data", "execute_result", "error")
_CHANGES = ("clear_output", "update_display_data")


class LateOutput:
    """Adds to the outputs of one cell what comes after its run; `over` once the cell is no longer that run's."""

    def __init__(self, sink: OutputSink, count: int | None) -> None:
        self.cell_id = sink.cell_id
        self.live = sink.live
        self.over = False
        self._count = count
        self.allowance = sink.allowance
        self._displays = sink.displays
        self._clear_next = self._emptied_next = sink.clear_next
        self._known = len(sink.outputs)  # outputs that the cell has, if nobody clears it
        self._column: int | None = None  # as in OutputSink
        self._pending: list[Message] = []
        self._timer: asyncio.TimerHandle | None = None
        sink.displays.hand_over(sink, self)

    @property
    def full(self) -> bool:
        """Return whether what comes next is dropped."""
        return self.over or (self.allowance.full and not self._emptied_next)

    def take(self, kind: str, content: dict[str, Any]) -> None:
        """Apply one IOPub message, checked; kinds that are no output are ignored."""
        if self.over:
            return
        if kind in _OUTPUTS:
            if self._emptied_next:
                self._emptied_next = False
                self.allowance.emptied()
            self._later(self.allowance.admit(kind, content, self._kept))
        elif kind in _CHANGES:
            if kind == "clear_output":
                self._emptied_next = content["wait"]
                if not self._emptied_next:
                    self.allowance.emptied()
            self._later([(kind, content)])

    def replace(self, number: int, content: dict[str, Any]) -> None:
        """Show a display's new data."""
        refused = self.allowance.swap({"data": content["data"], "metadata": content["metadata"]}, self._kept)
        self._later([("replace", {**content, "number": number})] if refused is None else refused)

    def _kept(self) -> Kept:
        """Count what the cell holds, and what it is about to."""
        outputs = self._outputs()
        held = [] if outputs is None else [output.to_py() or {} for output in outputs if isinstance(output, Map)]
        waiting = [{**content, "output_type": kind} for kind, content in self._pending]
        counted = [kept_of(one) for one in held + waiting]
        return Kept(sum(one.size for one in counted), sum(one.messages for one in counted))

    def _later(self, messages: list[Message]) -> None:
        if self.over or not messages:
            return
        self._pending.extend(messages)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_EVERY, self._flush)

    def end(self) -> None:
        """Write nothing more."""
        self.over = True
        self._pending.clear()
        self._displays.forget(self.cell_id)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _outputs(self) -> Array[Any] | None:
        """Return the outputs of the cell if they are still those of this run."""
        at = None if self.live.released else self.live.find(self.cell_id)
        if at is None:
            return None
        cell: Map[Any] = self.live.document.ycells[at]
        outputs = cell.get("outputs")
        # Who clears a cell empties its count; who runs it gives it another.
        another = cell.get("execution_state") == "running" or cell.get("execution_count") not in (None, self._count)
        return None if another or not isinstance(outputs, Array) else outputs

    def check(self) -> None:
        """End if the cell is gone, or another run's."""
        if not self.over and self._outputs() is None:
            self.end()

    def _flush(self) -> None:
        self._timer = None
        if update_lock(self.live.room).locked():
            self._flush_soon()  # upstream is writing; a transaction now would join its own
            return
        outputs = self._outputs()
        if outputs is None:
            self.end()
            return
        self.live.used = time.monotonic()
        if len(outputs) < self._known:
            self._cleared()
        pending, self._pending = self._pending, []
        with self.live.document.ydoc.transaction():
            for (kind, name), group in groupby(pending, lambda message: (message[0], message[1].get("name"))):
                if kind == "stream":
                    self._stream(outputs, name, clean("".join(content["text"] for _, content in group)))
                else:
                    for _, content in group:
                        self._apply(outputs, kind, content)
        self._known = len(outputs)

    def _cleared(self) -> None:
        """Forget where displays were."""
        self._displays.forget(self.cell_id)
        self._pending = [message for message in self._pending if message[0] != "replace"]
        self._column = None

    def _apply(self, outputs: Array[Any], kind: str, content: dict[str, Any]) -> None:
        if kind == "clear_output":
            self._clear_next = bool(content.get("wait"))
            if not self._clear_next:
                self._clear(outputs)
        elif kind == "update_display_data":
            self._displays.update(content)
        elif kind == "replace":
            self._replace(outputs, content)
        else:
            self._clear_if_due(outputs)
            output = as_output(kind, content)
            outputs.append(as_shared(output))
            self._column = None
            if display_id := output.get("transient", {}).get("display_id"):
                self._displays.add(display_id, self, len(outputs) - 1)

    def _clear(self, outputs: Array[Any]) -> None:
        outputs.clear()
        self._cleared()

    def _clear_if_due(self, outputs: Array[Any]) -> None:
        if self._clear_next:
            self._clear_next = False
            self._clear(outputs)

    def _replace(self, outputs: Array[Any], content: dict[str, Any]) -> None:
        number = content["number"]
        if number < len(outputs) and "data" in outputs[number]:
            changed = {**outputs[number].to_py(), "data": content["data"], "metadata": content["metadata"]}
            outputs[number] = as_shared(clean(changed))

    def _stream(self, outputs: Array[Any], name: str, more: str) -> None:
        self._clear_if_due(outputs)
        last = outputs[-1] if len(outputs) else None
        text = last.get("text") if isinstance(last, Map) and last.get("name") == name else None
        if not isinstance(text, Text):
            self._column = None
            new = more
            if "\r" in more and len(more) <= OVERWRITE_UP_TO:
                new, self._column = overwrite("", None, more)
            outputs.append(as_shared({"output_type": "stream", "name": name, "text": new}))
        elif len(text) <= OVERWRITE_UP_TO and ("\r" in more or self._column is not None):
            old = str(text)
            new, self._column = overwrite(old, self._column, more)
            if new.startswith(old):
                text += new[len(old) :]
            else:
                outputs[len(outputs) - 1] = as_shared({"output_type": "stream", "name": name, "text": new})
        else:
            text += more


class Ended:
    """The ended runs of one kernel, by the id of their request: the last one of each cell, and not too many."""

    def __init__(self) -> None:
        self._late: OrderedDict[str, LateOutput] = OrderedDict()

    def __len__(self) -> int:
        return len(self._late)

    def add(self, message_id: str, late: LateOutput) -> LateOutput:
        """Remember a run that ended."""
        self._late[message_id] = late
        if len(self._late) > _MAX_ENDED:
            self._late.popitem(last=False)[1].end()
        return late

    def get(self, message_id: str) -> LateOutput | None:
        """Return what takes the late output of a run, if it is remembered."""
        return self._late.get(message_id)

    def forget(self, live: Live, cell_id: str) -> None:
        """Drop a cell's earlier run: it runs anew."""
        for message_id, late in list(self._late.items()):
            if late.cell_id == cell_id and late.live.room_id == live.room_id:
                late.end()
                del self._late[message_id]

    def sweep(self) -> None:
        """Forget runs whose cell is gone, is another run's, or whose room is closed."""
        for message_id, late in list(self._late.items()):
            late.check()
            if late.over:
                del self._late[message_id]

    def clear(self) -> None:
        """Forget all."""
        for late in self._late.values():
            late.end()
        self._late.clear()
