"""Kernel messages become cell outputs, in the live document and in the tool's reply.

Messages are collected and written together, at most every `FLUSH_EVERY` seconds: 20,000 prints are
a few dozen transactions. The cell is looked up by its id at each writing, since people move cells
(which makes new shared objects) and delete them (pycrdt 0.14 corrupts memory when a deleted shared
object is written to).
"""

from __future__ import annotations

import asyncio
from typing import Any

from pycrdt import Array, Map, Text

from jupyter_mcp.rooms.live import Live
from jupyter_mcp.rooms.ydoc_private import settled, update_lock

from .displays import Displays
from .messages import OVERWRITE_UP_TO, Output, as_output, as_shared, clean, overwrite
from .output_limit import THE_END, Allowance, Kept, kept_of
from .output_tail import Tail

FLUSH_EVERY = 0.05  # seconds


class OutputSink:
    """Writes one run's outputs into one cell.

    What is past the allowance is dropped.
    """

    def __init__(self, live: Live, cell_id: str, allowance: Allowance) -> None:
        self.cell_id = cell_id
        self.outputs: list[Output] = []
        self.displays = Displays()
        self.live = live
        self.allowance = allowance
        self.clear_next = False
        self.tail = Tail()
        self._pieces: list[int] = []  # of each output: the messages that made it
        self._column: int | None = None  # where in the last line the stream goes on; None: at its end
        self._parts: list[str] = []  # of the last output, a stream: what its text does not have yet
        self._returns = False  # whether those have carriage returns
        self._shown = 0  # how many of them the document has: a flood is not put together at each writing
        self._written: list[Output] = []  # what the document holds beside those, as it was written
        self._changed = False  # an output before the last one is another since
        self._timer: asyncio.TimerHandle | None = None

    @property
    def full(self) -> bool:
        """Return whether what comes next is dropped: the limit is reached, and nothing is to be cleared."""
        return self.allowance.full and not self.clear_next

    def kept(self) -> Kept:
        """Count what the cell holds."""
        self._join()
        counted = [kept_of(output, pieces) for output, pieces in zip(self.outputs, self._pieces, strict=True)]
        return Kept(sum(one.size for one in counted), sum(one.messages for one in counted))

    def _cell(self) -> Map[Any] | None:
        at = self.live.find(self.cell_id)
        return None if at is None else self.live.document.ycells[at]

    async def settled(self) -> None:
        """Wait until `begin` and `end` may be called; good until the next await."""
        await settled(self.live.room)

    def begin(self) -> None:
        """Empty the cell, mark it running, and trust what it will put out, as JupyterLab does when a person runs it."""
        self.displays.forget(self.cell_id)
        cell = self._cell()
        if cell is None:
            return
        with self.live.document.ydoc.transaction():
            if isinstance(cell.get("outputs"), Array):
                cell["outputs"].clear()
            else:
                cell["outputs"] = Array()
            if isinstance(metadata := cell.get("metadata"), Map) and metadata.get("trusted") is not True:
                metadata["trusted"] = True
            cell["execution_count"] = None
            cell["execution_state"] = "running"

    def end(self, count: int | None) -> None:
        """Write what is left, mark the cell idle and write the kernel's execution count."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with self.live.document.ydoc.transaction():
            self._write()
            self._join()
            cell = self._cell()
            if cell is None:
                return
            if count is not None:
                cell["execution_count"] = float(count)
            cell["execution_state"] = "idle"

    def take(self, kind: str, content: dict[str, Any]) -> None:
        """Apply one IOPub message, checked; kinds that are no output are ignored."""
        if kind == "clear_output":
            self.clear_next = content["wait"]
            if not self.clear_next:
                self._clear()
        elif kind == "update_display_data":
            self.displays.update(content)
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if self.clear_next:
                self.clear_next = False
                self._clear()
            was_full = self.allowance.full
            shown = self.allowance.admit(kind, content, self.kept)
            for one in shown:
                self._add(*one)
            if kind == "stream" and self.allowance.full and not was_full:
                fitted = len(shown[0][1]["text"]) if len(shown) > 1 else 0  # the notice is the last
                self.tail.add_rest(content["name"], content["text"][fitted:])
        else:
            return
        self._flush_soon()

    def take_last(self, messages: list[tuple[str, dict[str, Any]]]) -> None:
        """Show, out of the reserve, how an output that is over its limit ended."""
        shown = [last for message in _joined(messages) for last in self.allowance.last(*message)]
        if shown:
            self._add("stream", {"name": "stderr", "text": THE_END})
            for last in shown:
                self._add(*last)
            self._flush_soon()

    def _add(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "stream":
            self._stream(content["name"], content["text"])
            return
        output = as_output(kind, content)
        self._append(output)
        if display_id := output.get("transient", {}).get("display_id"):
            self.displays.add(display_id, self, len(self.outputs) - 1)

    def so_far(self) -> list[Output]:
        """Return what has been put out."""
        self._join()
        return list(self.outputs)

    def replace(self, number: int, content: dict[str, Any]) -> None:
        """Show a display's new data."""
        if number < len(self.outputs) and "data" in self.outputs[number]:
            new = {"data": content["data"], "metadata": content["metadata"]}
            refused = self.allowance.swap(new, self.kept)
            if refused is None:
                self.outputs[number] = clean({**self.outputs[number], **new})
                self._changed = True
            for shown in refused or []:
                self._add(*shown)
            self._flush_soon()

    def _append(self, output: Output) -> None:
        self._join()
        self.outputs.append(output)
        self._pieces.append(1)

    def _clear(self) -> None:
        self._parts.clear()
        self._shown, self._returns = 0, False
        self._column = None
        self._changed = True  # what comes next is another stream, also where it looks like the one that was written
        self.outputs.clear()
        self._pieces.clear()
        self.tail.clear()
        self.allowance.emptied()
        self.displays.forget(self.cell_id)

    def _stream(self, name: str, text: str) -> None:
        last = self.outputs[-1] if self.outputs else None
        if last is None or last["output_type"] != "stream" or last["name"] != name:
            self._append({"output_type": "stream", "name": name, "text": ""})
            self._column = None
        else:
            self._pieces[-1] += 1
        if not self._returns and ("\r" in text or self._column is not None):
            self._join()
            self._returns = True
        self._parts.append(clean(text))

    def _join(self) -> None:
        """Add the text that has come since to the last output, a stream."""
        if not self._parts:
            return
        last, number = self.outputs[-1], len(self.outputs) - 1
        shown, text = self._parts[: self._shown], "".join(self._parts)
        complete = self._shown == len(self._parts)
        self._parts.clear()
        self._shown = 0
        if len(last["text"]) <= OVERWRITE_UP_TO and self._returns:
            last["text"], self._column = overwrite(last["text"], self._column, text)
        else:
            last["text"] += text
        self._returns = False
        if shown and number < len(self._written):
            held = self._written[number]
            held["text"] = last["text"] if complete else "".join([held["text"], *shown])

    def _flush_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_EVERY, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if update_lock(self.live.room).locked():
            self._flush_soon()  # upstream is writing; a transaction now would join its own
            return
        with self.live.document.ydoc.transaction():
            self._write()

    def _write(self) -> None:
        """Make the document's outputs those of this run, with the least change."""
        cell = self._cell()
        shared = None if cell is None else cell.get("outputs")
        if not isinstance(shared, Array):
            self._join()
            return
        if len(shared) == len(self._written) == len(self.outputs) and self._goes_on(shared):
            return
        self._join()
        if len(shared) != len(self._written):
            # Somebody else changed the outputs meanwhile, or a moved cell was made anew.
            shared.clear()
            self._written = []
        if len(self.outputs) < len(self._written):
            shared.clear()
            self._written = []
        for number, output in enumerate(self.outputs):
            self._write_one(shared, number, output)
        self._changed = False

    def _goes_on(self, shared: Array[Any]) -> bool:
        """Add to the last output, a stream, what came since, if nothing else did."""
        if not self._parts or self._returns or self._changed or "text" not in self._written[-1]:
            return False
        text = shared[len(shared) - 1].get("text")
        if not isinstance(text, Text) or self._written[-1]["text"] is not self.outputs[-1]["text"]:
            return False
        if self._shown < len(self._parts):
            text += "".join(self._parts[self._shown :])
            self._shown = len(self._parts)
        return True

    def _write_one(self, shared: Array[Any], number: int, output: Output) -> None:
        if number >= len(self._written):
            shared.append(as_shared(output))
            self._written.append(dict(output))
            return
        old = self._written[number]
        if old == output:
            return
        text = shared[number].get("text") if output["output_type"] == old["output_type"] == "stream" else None
        if isinstance(text, Text) and old["name"] == output["name"] and output["text"].startswith(old["text"]):
            text += output["text"][len(old["text"]) :]
        else:
            shared[number] = as_shared(output)
        self._written[number] = dict(output)


def _joined(messages: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Return the messages with neighbouring pieces of a stream put together, so that its end is one message."""
    joined: list[tuple[str, dict[str, Any]]] = []
    for kind, content in messages:
        if kind == "stream" and joined and joined[-1][0] == kind and joined[-1][1]["name"] == content["name"]:
            joined[-1] = kind, {**content, "text": joined[-1][1]["text"] + content["text"]}
        else:
            joined.append((kind, content))
    return joined
