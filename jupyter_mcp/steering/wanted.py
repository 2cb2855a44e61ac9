"""What a call wants to do that a person is asked about, by its tool's name and its arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from jupyter_mcp.notebooks.edit_requests import ALIASES

_DETAIL = 4000  # characters of code that are shown
_DELETING_OPS = {"delete": "delete", "merge": "merge", "clear_outputs": "clear the outputs of"}
# These destroy too, but neither run nor delete: a cell's source is known to `undo_edits`, and a run can be run again.
_NOT_ASKED = frozenset({"update_cell", "undo_edits", "stop_run", "interrupt_kernel"})
_RUNNING = {
    "execute_cell": "run a cell",
    "run_code": "run code that is in no cell",
    "restart_kernel": "restart the kernel (its variables go)",
    "shutdown_kernel": "shut the kernel down (its variables go)",
    "set_kernel": "choose another kernel (the variables of this one go)",
}


@dataclass(frozen=True)
class Wanted:
    """What a call wants to do that a person is asked about."""

    what: str
    runs: bool  # else it changes or deletes cells
    detail: str = ""  # the code
    of_a_cell: bool = False  # the code is in a cell that the call names
    cell_ids: tuple[str, ...] = ()  # that the call names as no other does


def wanted(tool: str, arguments: Mapping[str, object], *, reads: bool, destroys: bool) -> Wanted | None:
    """Return what a person is asked about; None if the call neither runs nor deletes anything."""
    if reads or tool in _NOT_ASKED:
        return None
    if tool == "run_cells":
        cells = arguments.get("cells")
        named = tuple(one for one in cells if isinstance(one, str)) if isinstance(cells, list) else ()
        some = {0: "cells", 1: "a cell"}.get(len(named), f"{len(named)} cells")
        restart = ", after a restart of the kernel" if arguments.get("restart") else ""
        return Wanted(f"run {some}{restart}", runs=True, of_a_cell=True, cell_ids=named)
    if tool == "edit_notebook":
        return _of_edits(arguments.get("edits"))
    if tool == "delete_cell":
        return Wanted("delete a cell", runs=False, of_a_cell=True)
    if tool in _RUNNING:
        code = str(arguments.get("code", ""))[:_DETAIL]
        return Wanted(_RUNNING[tool], runs=True, detail=code, of_a_cell=tool == "execute_cell")
    return Wanted(f"call {tool}", runs=True) if destroys else None


def _of_edits(edits: object) -> Wanted | None:
    if isinstance(edits, str):  # some models send a list so
        try:
            edits = json.loads(edits)
        except ValueError:
            return None  # the tool will say so
    counts: dict[str, int] = {}
    for edit in edits if isinstance(edits, list) else ():
        op = edit.get("op") if isinstance(edit, dict) else None
        if isinstance(op, str) and (op := ALIASES.get(op, op)) in _DELETING_OPS:
            ids = edit.get("cell_ids")
            counts[op] = counts.get(op, 0) + (len(ids) if isinstance(ids, list) else 1)
    parts = [f"{_DELETING_OPS[op]} {'a cell' if count == 1 else f'{count} cells'}" for op, count in counts.items()]
    return Wanted(" and ".join(parts), runs=False, of_a_cell=True) if parts else None
