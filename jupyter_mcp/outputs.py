"""Kernel messages become cell outputs, in the live document and in the tool's reply.

Messages are collected and written together, at most every `FLUSH_EVERY` seconds: 20,000 prints are
a few dozen transactions. The cell is looked up by its id at each writing, since people move cells
(which makes new shared objects) and delete them (pycrdt 0.14 corrupts memory when a deleted shared
object is written to).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict
from typing import Any

from pycrdt import Array, Map, Text

from .collaboration import settled, update_lock
from .live import Live

Output = dict[str, Any]

FLUSH_EVERY = 0.05  # seconds
NOTICE = "\n[output cut off: the limit of this server is reached]\n"
_MAX_TRACEBACK = 64 << 10  # characters of an error that are shown after the limit is reached
_MAX_DISPLAYS = 256  # display ids remembered for each kernel
_OVERWRITE_UP_TO = 64 << 10  # characters of a stream in which carriage returns are applied
_EXACT = 1 << 53  # integers up to here are the same number in every client


class Displays:
    """Where a kernel's displays are, for updates from other cells and from background threads."""

    def __init__(self) -> None:
        self._places: OrderedDict[str, dict[tuple[str, int], OutputSink]] = OrderedDict()

    def add(self, display_id: str, sink: OutputSink, number: int) -> None:
        """Remember that output `number` of the sink's cell shows the display."""
        places = self._places.setdefault(display_id, {})
        places[(sink.cell_id, number)] = sink
        self._places.move_to_end(display_id)
        if len(self._places) > _MAX_DISPLAYS:
            self._places.popitem(last=False)

    def update(self, content: dict[str, Any]) -> None:
        """Apply an `update_display_data` message to every place of its display."""
        for (_, number), sink in self._places.get(content.get("transient", {}).get("display_id", ""), {}).items():
            sink.replace(number, content)

    def forget(self, cell_id: str) -> None:
        """Drop a cell's displays: it runs anew."""
        for display_id in list(self._places):
            places = self._places[display_id]
            for place in [place for place in places if place[0] == cell_id]:
                del places[place]
            if not places:
                del self._places[display_id]


class OutputSink:
    """Writes one run's outputs into one cell.

    At most `max_bytes` of content and `max_messages` messages are kept; what is past either is
    dropped, a notice on stderr says so, and an error that ends the run is still shown.
    """

    def __init__(self, live: Live, cell_id: str, max_bytes: int, max_messages: int) -> None:
        self.cell_id = cell_id
        self.outputs: list[Output] = []
        self.displays = Displays()
        self._live = live
        self._left = max_bytes
        self._messages_left = max_messages
        self._clear_next = False
        self._full = False
        self._column: int | None = None  # where in the last line the stream goes on; None: at its end
        self._parts: list[str] = []  # of the last output, a stream: what its text does not have yet
        self._written: list[Output] = []  # what the document holds, as it was written
        self._timer: asyncio.TimerHandle | None = None

    @property
    def full(self) -> bool:
        """Tell whether the limit is reached."""
        return self._full

    def _cell(self) -> Map[Any] | None:
        at = self._live.find(self.cell_id)
        return None if at is None else self._live.document.ycells[at]

    async def settled(self) -> None:
        """Wait until `begin` and `end` may be called; good until the next await."""
        await settled(self._live.room)

    def begin(self) -> None:
        """Empty the cell and mark it running."""
        self.displays.forget(self.cell_id)
        cell = self._cell()
        if cell is None:
            return
        with self._live.document.ydoc.transaction():
            if isinstance(cell.get("outputs"), Array):
                cell["outputs"].clear()
            else:
                cell["outputs"] = Array()
            cell["execution_count"] = None
            cell["execution_state"] = "running"

    def end(self, count: int | None) -> None:
        """Write what is left, mark the cell idle and write the kernel's execution count."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with self._live.document.ydoc.transaction():
            self._write()
            cell = self._cell()
            if cell is None:
                return
            if count is not None:
                cell["execution_count"] = float(count)
            cell["execution_state"] = "idle"

    def take(self, kind: str, content: dict[str, Any]) -> None:
        """Apply one IOPub message; kinds that are no output are ignored."""
        if kind == "clear_output":
            self._clear_next = bool(content.get("wait"))
            if not self._clear_next:
                self._clear()
        elif kind == "update_display_data":
            self.displays.update(content)
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if self._clear_next:
                self._clear()
                self._clear_next = False
            self._add(kind, content)
        else:
            return
        self._flush_soon()

    def _add(self, kind: str, content: dict[str, Any]) -> None:
        if self._full:
            if kind == "error":
                self._append(_shortened(_as_output(kind, content)))
            return
        self._messages_left -= 1
        size = len(content["text"]) if kind == "stream" else len(json.dumps(content, default=str))
        if size > self._left or self._messages_left < 0:
            self._full = True
            if kind == "stream" and self._messages_left >= 0:
                self._stream(content["name"], content["text"][: max(self._left, 0)])
            self._stream("stderr", NOTICE)
            if kind == "error":
                self._append(_shortened(_as_output(kind, content)))
            return
        self._left -= size
        if kind == "stream":
            self._stream(content["name"], content["text"])
        else:
            output = _as_output(kind, content)
            self._append(output)
            if display_id := output.get("transient", {}).get("display_id"):
                self.displays.add(display_id, self, len(self.outputs) - 1)

    def fail(self, name: str, message: str) -> None:
        """Show a failure of the run itself (timeout, dead kernel) where the person looks."""
        self._append({"output_type": "error", "ename": name, "evalue": message, "traceback": [message]})

    def replace(self, number: int, content: dict[str, Any]) -> None:
        """Show a display's new data."""
        if number < len(self.outputs) and "data" in self.outputs[number]:
            changed = {**self.outputs[number], "data": content["data"], "metadata": content["metadata"]}
            self.outputs[number] = clean(changed)
            self._flush_soon()

    def _append(self, output: Output) -> None:
        self._join()
        self.outputs.append(output)

    def _clear(self) -> None:
        self._join()
        self.outputs.clear()
        self.displays.forget(self.cell_id)

    def _stream(self, name: str, text: str) -> None:
        last = self.outputs[-1] if self.outputs else None
        if last is None or last["output_type"] != "stream" or last["name"] != name:
            self._append({"output_type": "stream", "name": name, "text": ""})
            self._column = None
        self._parts.append(clean(text))

    def _join(self) -> None:
        """Give the last output, a stream, the text that has come since."""
        if not self._parts:
            return
        last, text = self.outputs[-1], "".join(self._parts)
        self._parts.clear()
        if len(last["text"]) <= _OVERWRITE_UP_TO and (self._column is not None or "\r" in text):
            last["text"], self._column = overwrite(last["text"], self._column, text)
        else:
            last["text"] += text

    def _flush_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_EVERY, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if update_lock(self._live.room).locked():
            self._flush_soon()  # upstream is writing; a transaction now would join its own
            return
        with self._live.document.ydoc.transaction():
            self._write()

    def _write(self) -> None:
        """Make the document's outputs those of this run, with the least change."""
        self._join()
        cell = self._cell()
        shared = None if cell is None else cell.get("outputs")
        if not isinstance(shared, Array):
            return
        if len(shared) != len(self._written):
            # Somebody else changed the outputs meanwhile, or a moved cell was made anew.
            shared.clear()
            self._written = []
        if len(self.outputs) < len(self._written):
            shared.clear()
            self._written = []
        for number, output in enumerate(self.outputs):
            self._write_one(shared, number, output)

    def _write_one(self, shared: Array[Any], number: int, output: Output) -> None:
        if number >= len(self._written):
            shared.append(_shared(output))
            self._written.append(dict(output))
            return
        old = self._written[number]
        if old == output:
            return
        text = shared[number].get("text") if output["output_type"] == old["output_type"] == "stream" else None
        if isinstance(text, Text) and old["name"] == output["name"] and output["text"].startswith(old["text"]):
            text += output["text"][len(old["text"]) :]
        else:
            shared[number] = _shared(output)
        self._written[number] = dict(output)


def _shared(output: Output) -> Map[Any]:
    stored = {key: value for key, value in output.items() if key != "transient"}
    if stored["output_type"] == "stream":
        stored["text"] = Text(stored["text"])
    return Map(stored)


def _shortened(output: Output) -> Output:
    traceback = "\n".join(output["traceback"])[-_MAX_TRACEBACK:]
    return {**output, "evalue": output["evalue"][:_MAX_TRACEBACK], "traceback": traceback.split("\n")}


def _as_output(kind: str, content: dict[str, Any]) -> Output:
    """Give the nbformat output of a message; `transient` is kept for display updates only."""
    if kind == "error":
        output = {"output_type": kind, **{key: content[key] for key in ("ename", "evalue", "traceback")}}
    else:
        output = {
            "output_type": kind,
            "data": content["data"],
            "metadata": content["metadata"],
            "transient": content.get("transient", {}),
        }
    if kind == "execute_result":
        output["execution_count"] = content["execution_count"]
    cleaned: Output = clean(output)
    return cleaned


def clean(value: Any) -> Any:
    """Give `value` as every client can hold it: no half of a surrogate pair, no integer past a double's precision."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {clean(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXACT:
        return float(value) if abs(value) < 1 << 1000 else str(value)
    return value


def overwrite(text: str, column: int | None, more: str) -> tuple[str, int | None]:
    """Add `more` to a stream as a terminal does: a carriage return goes back to the start of its line.

    `column` is where in the last line the next character goes, None at its end; the new one is given
    back beside the text. Progress bars stay one line.
    """
    start = text.rfind("\n") + 1
    head, line = [text[:start]], text[start:]
    for part in re.findall(r"\r\n|\n|\r|[^\r\n]+", more):
        if part in ("\n", "\r\n"):
            head.append(line + "\n")
            line, column = "", None
        elif part == "\r":
            column = 0
        elif column is None:
            line += part
        else:
            line = line[:column] + part + line[column + len(part) :]
            column += len(part)
            if column >= len(line):
                column = None
    return "".join(head) + line, column
