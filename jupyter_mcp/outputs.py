"""Kernel messages become cell outputs, in the live document and in the tool's reply."""

from __future__ import annotations

import json
from typing import Any

from jupyter_ydoc import YNotebook
from pycrdt import Array, Map, Text

Output = dict[str, Any]


class OutputSink:
    """Writes one run's outputs into one cell, held by the shared cell itself, never by index.

    At most `max_bytes` of content and `max_messages` messages are kept; what is past either is
    dropped and a notice on stderr says so.
    """

    def __init__(self, document: YNotebook, cell: Map[Any], max_bytes: int, max_messages: int) -> None:
        self._document = document
        self._cell = cell
        self._left = max_bytes
        self._messages_left = max_messages
        self._clear_next = False
        self._full = False
        self.outputs: list[Output] = []

    def begin(self) -> None:
        """Empty the cell and mark it running."""
        with self._document.ydoc.transaction():
            if not isinstance(self._cell.get("outputs"), Array):
                self._cell["outputs"] = Array()
            self._shared().clear()
            self._cell["execution_count"] = None
            self._cell["execution_state"] = "running"

    def end(self, count: int | None) -> None:
        """Mark the cell idle and write the kernel's execution count."""
        with self._document.ydoc.transaction():
            if count is not None:
                self._cell["execution_count"] = float(count)
            self._cell["execution_state"] = "idle"

    def _shared(self) -> Array[Any]:
        outputs: Array[Any] = self._cell["outputs"]
        return outputs

    def take(self, kind: str, content: dict[str, Any]) -> None:
        """Apply one IOPub message; kinds that are no output are ignored."""
        if kind == "clear_output":
            self._clear_next = bool(content.get("wait"))
            if not self._clear_next:
                self._clear()
            return
        if kind == "update_display_data":
            self._update_display(content)
            return
        if kind not in ("stream", "display_data", "execute_result", "error"):
            return
        if self._clear_next:
            self._clear()
            self._clear_next = False
        if self._full:
            return
        size = len(content["text"]) if kind == "stream" else len(json.dumps(content, default=str))
        self._left -= size
        self._messages_left -= 1
        if self._left < 0 or self._messages_left < 0:
            self._full = True
            self._stream("stderr", "\n[output cut off: the limit of this server is reached]\n")
        elif kind == "stream":
            self._stream(content["name"], content["text"])
        else:
            self._append(_as_output(kind, content))

    def fail(self, name: str, message: str) -> None:
        """Show a failure of the run itself (timeout, dead kernel) where the person looks."""
        self._append({"output_type": "error", "ename": name, "evalue": message, "traceback": [message]})

    def _clear(self) -> None:
        self.outputs.clear()
        self._shared().clear()

    def _stream(self, name: str, text: str) -> None:
        shared = self._shared()
        last = self.outputs[-1] if self.outputs else None
        if last and last["output_type"] == "stream" and last["name"] == name and len(shared):
            shared_text = shared[len(shared) - 1].get("text")
            if isinstance(shared_text, Text):
                last["text"] += text
                shared_text += text
                return
        self.outputs.append({"output_type": "stream", "name": name, "text": text})
        shared.append(Map({"output_type": "stream", "name": name, "text": Text(text)}))

    def _append(self, output: Output) -> None:
        self.outputs.append(output)
        stored = {key: value for key, value in output.items() if key != "transient"}
        self._shared().append(Map(stored))

    def _update_display(self, content: dict[str, Any]) -> None:
        wanted = content.get("transient", {}).get("display_id")
        for index, output in enumerate(self.outputs):
            if wanted and output.get("transient", {}).get("display_id") == wanted:
                output.update(data=content["data"], metadata=content["metadata"])
                stored = {key: value for key, value in output.items() if key != "transient"}
                if index < len(self._shared()):
                    self._shared()[index] = Map(stored)


def _as_output(kind: str, content: dict[str, Any]) -> Output:
    """Give the nbformat output of a message; `transient` is kept for display updates only."""
    if kind == "error":
        keys = ("ename", "evalue", "traceback")
        return {"output_type": kind, **{key: content[key] for key in keys}}
    output: Output = {
        "output_type": kind,
        "data": content["data"],
        "metadata": content["metadata"],
        "transient": content.get("transient", {}),
    }
    if kind == "execute_result":
        output["execution_count"] = content["execution_count"]
    return output
