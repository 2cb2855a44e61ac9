"""What a notebook must hold after edits and runs: a model in plain Python, to compare a live one with.

Each line of a cell is unique and an expression: `'agent 3'`, or `__import__('held').wait('agent 4')`, which prints its
text, waits until a file `go` is there, and returns it. So it is known what a run of a cell shows, and a line that is
lost, doubled or in the wrong cell is seen; so is an output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from .plain_edits import edited

HELD = """\
import pathlib, time

def wait(text):
    print("first", text, flush=True)
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    return text
"""
_WAITS = "__import__('held').wait("
_TOKEN = re.compile(r"'(\w+ \d+)'")


def line(token: str, *, held: bool) -> str:
    """Return a cell's line."""
    return f"{_WAITS}'{token}')" if held else f"'{token}'"


def tokens(text: str) -> list[str]:
    """Return the tokens of a source or of an output."""
    return _TOKEN.findall(text.replace("__import__('held')", ""))


def waits(source: str) -> bool:
    """Return whether a run of this source waits for the file."""
    return _WAITS in source


def shown(source: str, *, held: bool = False) -> list[str]:
    """Return what a run shows, at its end or (`held`) while it waits: a stream's text, and the result."""
    printed, lines = "", [one for one in source.split("\n") if one]
    for one in lines:
        if waits(one):
            printed += f"first {tokens(one)[0]}\n"
            if held:
                return [printed]
    result = [f"'{tokens(lines[-1])[0]}'"] if lines else []
    return [*([printed] if printed else []), *result]


def texts(outputs: list[dict[str, Any]]) -> list[str]:
    """Return what outputs of nbformat show, in the words of `shown`."""
    found: list[str] = []
    for one in outputs:
        if one["output_type"] == "error":
            found.append(one["ename"])
        else:
            text = one["text"] if one["output_type"] == "stream" else one["data"]["text/plain"]
            found.append("".join(text))  # in a file it is a list of lines
    return found


@dataclass
class Asked:
    """A run that goes on or waits: the ids of the cells that are left of it, the first of which may run."""

    id: str
    cells: list[str]
    running: str | None = None  # the source that runs, of cells[0]


@dataclass
class Model:
    """A notebook, its kernel's queue, and who wrote which line."""

    notebook: dict[str, Any] = field(default_factory=lambda: {"cells": [], "metadata": {}})
    queue: list[Asked] = field(default_factory=list)
    held: bool = False
    over: list[str] = field(default_factory=list)  # runs that must have ended
    loose: set[str] = field(default_factory=set)  # cells whose outputs depend on what came first
    ran: dict[str, set[str]] = field(default_factory=dict)  # what was run in a cell: its lines' tokens
    seen: set[str] = field(default_factory=set)  # ids that ever were

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The cells, in order."""
        found: list[dict[str, Any]] = self.notebook["cells"]
        return found

    def cell(self, cell_id: str) -> dict[str, Any] | None:
        """Return the cell of that id, if it is there."""
        return next((one for one in self.cells if one["id"] == cell_id), None)

    def tokens(self) -> list[str]:
        """Return the tokens of all lines."""
        return [token for cell in self.cells for token in tokens(cell["source"])]

    def edit(self, edits: list[dict[str, Any]]) -> None:
        """Do edits as edit_notebook does. Raises RefusedError, and nothing is changed."""
        after = edited(self.notebook, edits)
        before = {cell["id"]: cell for cell in self.cells}
        self.notebook = after
        for cell in self.cells:
            old = before.get(cell["id"])
            if old is not None and old.get("outputs") != cell.get("outputs") and self.runs(cell["id"]):
                self.loose.add(cell["id"])  # it was cleared, or had another type, while its run goes on
        self.loose |= {asked.cells[0] for asked in self.queue if asked.running and not self.cell(asked.cells[0])}

    def runs(self, cell_id: str) -> bool:
        """Return whether the cell runs."""
        return any(asked.running is not None and asked.cells[0] == cell_id for asked in self.queue)

    def ask(self, run_id: str, cells: list[str]) -> None:
        """Have cells run after what is in the queue."""
        self.queue.append(Asked(run_id, list(cells)))
        self.advance()

    def advance(self) -> None:
        """Run what can be run."""
        while self.queue:
            asked = self.queue[0]
            if asked.running is not None:
                if self.held:
                    return
                self._end(asked)
            while asked.cells:
                cell = self.cell(asked.cells[0])
                if cell is None or cell["cell_type"] != "code":
                    asked.cells.clear()  # an error, and the rest is skipped
                    break
                self.ran.setdefault(cell["id"], set()).update(tokens(cell["source"]))
                if self.held and waits(cell["source"]):
                    asked.running = cell["source"]
                    cell["outputs"] = shown(cell["source"], held=True)
                    return
                cell["outputs"] = shown(cell["source"])
                del asked.cells[0]
            self.over.append(self.queue.pop(0).id)

    def _end(self, asked: Asked) -> None:
        cell = self.cell(asked.cells.pop(0))
        if cell is not None and cell["cell_type"] == "code" and cell["id"] not in self.loose:
            cell["outputs"] = shown(asked.running or "")
        asked.running = None

    def stop(self, asked: Asked) -> None:
        """Interrupt a run, or take it from the queue."""
        if asked.running is not None and (cell := self.cell(asked.cells[0])) is not None:
            cell["outputs"] = [*cell.get("outputs", []), "KeyboardInterrupt"]
        self.queue.remove(asked)
        self.over.append(asked.id)
        self.advance()

    def drop_queue(self) -> None:
        """Forget what runs and waits: its kernel is gone."""
        self.loose |= {asked.cells[0] for asked in self.queue if asked.running is not None}
        self.over += [asked.id for asked in self.queue]
        self.queue.clear()

    def copy(self) -> dict[str, Any]:
        """Return the notebook as it is now, to compare with later."""
        return deepcopy(self.notebook)

    def faults(self, found: list[dict[str, Any]]) -> Iterator[str]:
        """Yield what is wrong with the cells of the notebook; `outputs` in the words of `shown`."""
        wanted = self.cells
        pairs = zip(wanted, found, strict=False)
        if len(found) != len(wanted) or any(want["id"] not in (None, "", have["id"]) for want, have in pairs):
            yield f"cells {[cell['id'] for cell in found]}, not {[cell['id'] for cell in wanted]}"
            return
        for want, have in zip(wanted, found, strict=True):
            for key in ("cell_type", "source"):
                if want[key] != have[key]:
                    yield f"{have['id']} {key} {have[key]!r}, not {want[key]!r}"
            if _own(want["metadata"]) != _own(have["metadata"]):
                yield f"{have['id']} metadata {have['metadata']}, not {want['metadata']}"
            yield from self._wrong_outputs(want, have)

    def _wrong_outputs(self, want: dict[str, Any], have: dict[str, Any]) -> Iterator[str]:
        outputs = have.get("outputs") or []
        foreign = {one for text in outputs for one in _shown_tokens(text)} - self.ran.get(have["id"], set())
        if foreign:
            yield f"{have['id']} shows {sorted(foreign)}, which was never run in it"
        if have["id"] not in self.loose and outputs != (want.get("outputs") or []):
            yield f"{have['id']} shows {outputs}, not {want.get('outputs')}"

    def take(self, found: list[dict[str, Any]]) -> None:
        """Take the ids of new cells, and of loose ones the outputs if no run of theirs goes on."""
        for want, have in zip(self.cells, found, strict=True):
            if not want["id"]:
                assert have["id"] not in self.seen, f"the id {have['id']} was another cell's"
                want["id"] = have["id"]
            self.seen.add(want["id"])
            if want["id"] in self.loose and not self.runs(want["id"]):
                want["outputs"] = have.get("outputs") or []
        self.loose = {one for one in self.loose if self.runs(one)}


def _own(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key != "trusted"}


def _shown_tokens(text: str) -> list[str]:
    return re.findall(r"\b(?:first )?'?((?:agent|person)\w* \d+)", text)
