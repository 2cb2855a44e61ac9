"""Doing what was planned to a live notebook, without awaits: nobody reads it half done."""

from __future__ import annotations

import json
from bisect import bisect_right
from typing import Any

import nbformat
from pycrdt import Array, Map, Text

from jupyter_mcp.errors import BadCellError
from jupyter_mcp.rooms.live import Live

from .edit_slots import Slot, blank, patched
from .edits import Plan
from .text_diff import rewrite

_BAD = 200  # characters of a validation error that are told


class LiveReader:
    """A live notebook as a plan reads it."""

    def __init__(self, live: Live) -> None:
        self._document = live.document
        self._ids = live.ids()

    def ids(self) -> list[str]:
        """Return the cells' ids, in order."""
        return self._ids

    def head(self, index: int) -> tuple[str, str]:
        """Return a cell's type and source."""
        shared: Map[Any] = self._document.ycells[index]
        return shared["cell_type"], str(shared["source"])

    def cell(self, index: int) -> dict[str, Any]:
        """Return a cell as nbformat."""
        cell: dict[str, Any] = self._document.get_cell(index)
        return cell


class Change:
    """A plan with its new cells made; `size` is about what it adds to the journal, in characters."""

    def __init__(self, live: Live, plan: Plan) -> None:
        """Make what is new. Raises BadCellError for metadata that no notebook may have."""
        _check_metadata(plan)
        self._document = live.document
        self._plan = plan
        self._made = {id(slot): slot.final() for slot in plan.slots if slot.remade}
        copied = sum(len(json.dumps(cell, default=str)) for cell in self._made.values())
        patches = [plan.metadata, *(slot.metadata for slot in plan.slots if slot.metadata)]
        self.size = plan.growth + copied + len(json.dumps(patches))

    def make(self) -> None:
        """Do it: one transaction, or two, of which the second takes away the cells that the first put elsewhere.

        With both in one, JupyterLab takes the caret of a person below away, and makes another cell active.
        """
        gone = [*self._plan.deleted, *(slot for slot in self._plan.slots if slot.remade)]
        places = sorted(slot.at for slot in gone if slot.at is not None)
        with self._document.ydoc.transaction():
            self._set_metadata()
            insertions = self._change_and_insert()
            if not insertions:
                self._delete(places, insertions)
        if insertions and places:
            with self._document.ydoc.transaction():
                self._delete(places, insertions)

    def _change_and_insert(self) -> list[int]:
        """Return, for each new cell, the index that the cell after it had before."""
        cells = self._document.ycells
        insertions: list[int] = []
        ahead = 0
        for slot in self._plan.slots:
            if slot.at is not None and not slot.remade:
                ahead = slot.at + 1
                if slot.touched:
                    _change(cells[slot.at + len(insertions)], slot)
                continue
            state = None
            if slot.at is not None:
                # Of those before it, what is inserted is ahead of where it was, or not yet.
                state = cells[slot.at + bisect_right(insertions, slot.at)].get("execution_state")
            at = ahead + len(insertions)
            cells.insert(at, self._document.create_ycell(self._made[id(slot)]))
            if slot.cell_type == "code" and state not in (None, "idle"):
                cells[at]["execution_state"] = state  # it runs on, and its outputs follow it
            insertions.append(ahead)
        return insertions

    def _delete(self, places: list[int], insertions: list[int]) -> None:
        for at in reversed(places):
            del self._document.ycells[at + bisect_right(insertions, at)]

    def _set_metadata(self) -> None:
        if not self._plan.metadata:
            return
        meta: Map[Any] = self._document.ydoc.get("meta", type=Map)
        _patch(meta, self._plan.metadata)


def _change(cell: Map[Any], slot: Slot) -> None:
    """Change a cell that stays where it is, by the least that is needed."""
    if slot.source_now is not None:
        rewrite(cell["source"], slot.source_now)
    if slot.metadata:
        _patch(cell, slot.metadata)
    if slot.attachments_now is not None:
        cell["attachments"] = slot.attachments_now
    if slot.cleared and slot.shown_now is None:
        if isinstance(cell.get("outputs"), Array):
            cell["outputs"].clear()
        cell["execution_count"] = None
    if slot.shown_now is not None:
        outputs = [_shared_output(output) for output in slot.shown_now["outputs"]]
        if isinstance(cell.get("outputs"), Array):  # pages hold it, and would write into nothing if it were another
            cell["outputs"].clear()
            cell["outputs"].extend(outputs)
        else:
            cell["outputs"] = Array(outputs)
        cell["execution_count"] = slot.shown_now["execution_count"]
        _patch(cell, {"trusted": slot.shown_now["trusted"] or None})


def _shared_output(output: dict[str, Any]) -> Map[Any]:
    """Return an output as JupyterLab shares it: the text of a stream can grow."""
    if output.get("output_type") != "stream":
        return Map(output)
    text = output.get("text", "")
    return Map({**output, "text": Text(text if isinstance(text, str) else "".join(text))})


def _patch(shared: Map[Any], patch: dict[str, Any]) -> None:
    """Set keys of what a shared object has as its metadata."""
    metadata = shared.get("metadata")
    if not isinstance(metadata, Map):
        shared["metadata"] = Map(patched(metadata if isinstance(metadata, dict) else {}, patch))
        return
    for key, value in patch.items():
        if value is not None:
            metadata[key] = value
        elif key in metadata:
            del metadata[key]


def _check_metadata(plan: Plan) -> None:
    """Raise BadCellError for keys that nbformat does not allow; what is there already is not judged."""
    if not plan.metadata and not any(slot.metadata for slot in plan.slots):
        return
    cells = [
        {**blank("", slot.cell_type), "metadata": patched({}, slot.metadata)} for slot in plan.slots if slot.metadata
    ]
    notebook = {"cells": cells, "metadata": patched({}, plan.metadata), "nbformat": 4, "nbformat_minor": 5}
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        told = " ".join(str(error.message if hasattr(error, "message") else error).split())[:_BAD]
        raise BadCellError(f"No notebook may have such metadata: {told}. Nothing was changed.") from error
