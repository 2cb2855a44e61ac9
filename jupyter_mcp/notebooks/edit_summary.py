"""What was done by edits, in few words: cells with their new revisions, and a short diff."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from .edit_slots import Slot
from .edits import Plan
from .line_diff import line_diff

_DIFF = 2000  # characters of the diff
_LINE = 160  # characters of one of its lines
_MOST_LINES = 400  # of a cell that are compared line by line
_NEW_CELLS = 60  # that are named: nobody else tells their ids
_CHANGED_CELLS = 12  # that are named beside them
_NOTES = 1500  # characters of what each edit did


def summary(path: str, plan: Plan) -> dict[str, Any]:
    """Return what an agent needs to go on; bounded, and it says what it leaves out."""
    changed = [(index, slot) for index, slot in enumerate(plan.slots) if slot.at is None or slot.touched]
    names = {id(slot): name for name, slot in plan.names.items()}
    new = [slot for _, slot in changed if slot.at is None][:_NEW_CELLS]
    others = [slot for _, slot in changed if slot.at is not None][:_CHANGED_CELLS]
    told = {id(slot) for slot in (*new, *others)}
    cells = []
    for index, slot in ((index, slot) for index, slot in changed if id(slot) in told):
        cell: dict[str, Any] = {"id": slot.id, "index": index, "revision": slot.revision}
        if slot.at is None:
            cell["new"] = True
        if id(slot) in names:
            cell["name"] = names[id(slot)]
        cells.append(cell)
    reply = {"path": path, "cell_count": len(plan.slots), "done": _notes(plan.notes), "cells": cells}
    if len(changed) > len(cells):
        reply["more_cells"] = len(changed) - len(cells)
    return {**reply, "diff": diff(plan)}


def _notes(notes: list[str]) -> list[str]:
    kept: list[str] = []
    size = 0
    for note in notes:
        size += len(note) + 3
        if size > _NOTES:
            return [*kept, f"{len(notes) - len(kept)} more edits done"]
        kept.append(note)
    return kept


def diff(plan: Plan) -> str:
    """Return a unified diff of the sources that changed, at most 2,000 characters and a notice."""
    changed = [slot for slot in plan.slots if slot.at is None or slot.source_now not in (None, slot.source_before)]
    lines: list[str] = []
    size = 0
    for slot in chain(changed, plan.deleted):
        for line in _of(slot, gone=slot in plan.deleted):
            shown = line if len(line) <= _LINE else f"{line[:_LINE]}…"
            size += len(shown) + 1
            if size > _DIFF:
                return "\n".join([*lines, "[the rest of the diff is left out; get_cell shows each cell]"])
            lines.append(shown)
    return "\n".join(lines)


def _of(slot: Slot, *, gone: bool) -> Iterator[str]:
    old, new = slot.source_before, "" if gone else slot.source
    yield f"--- {slot.id if slot.at is not None else '(new)'}"
    yield f"+++ {'(deleted)' if gone else slot.id}"
    yield from line_diff(old, new, around=1, most=_MOST_LINES)
