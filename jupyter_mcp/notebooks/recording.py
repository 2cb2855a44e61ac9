"""What a change of a notebook is about to do, noted before it is done: what the history remembers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pycrdt import Map

from jupyter_mcp.rooms.live import Live

from .edit_slots import Slot
from .edits import Plan
from .history import CellRecord, Facets, Place

_NEAR = 8  # cells on each side that tell where a cell was
NOT_WRITTEN = ("trusted", "execution")  # keys of metadata that JupyterLab writes by itself
_NOTHING: Facets = {"outputs": [], "execution_count": None}


def place_in(ids: Sequence[str], at: int) -> Place:
    """Return the place of the cell at an index."""
    return Place(at, tuple(reversed(ids[max(0, at - _NEAR) : at])), tuple(ids[at + 1 : at + 1 + _NEAR]))


def _place(live: Live, at: int) -> Place:
    first = max(0, at - _NEAR)
    near = place_in([one or "" for one in live.ids()[first : at + _NEAR + 1]], at - first)
    return Place(at, near.ahead, near.behind)


def source_record(cell: Map[Any], source: str) -> tuple[list[CellRecord], int]:
    """Return what a new source of a cell does, and its size."""
    old = str(cell["source"])
    if old == source:
        return [], 0
    record = CellRecord(cell.get("id") or "", {"source": old}, {"source": source})
    return [record], len(old) + len(source)


def made_record(cell: dict[str, Any]) -> tuple[list[CellRecord], int]:
    """Return what a new cell is."""
    return [CellRecord(cell["id"], None, made(cell))], len(cell["source"])


def deleted_record(live: Live, at: int) -> tuple[list[CellRecord], int]:
    """Return what the deletion of a cell takes away."""
    shared: Map[Any] = live.document.ycells[at]
    whole = str(shared)
    return [CellRecord(shared.get("id") or "", None, None, whole, _place(live, at))], len(whole)


def retyped_record(cell: Map[Any], new: dict[str, Any]) -> tuple[list[CellRecord], int]:
    """Return what a new type of a cell does: to its source and metadata, attachments and outputs too."""
    text = str(cell)
    record = _retyped(json.loads(text), new)
    return [record], len(text) + len(new["source"])


def _retyped(old: dict[str, Any], new: dict[str, Any]) -> CellRecord:
    before: Facets = {"cell_type": old["cell_type"], "source": old["source"]}
    after: Facets = {"cell_type": new["cell_type"], "source": new["source"]}
    _note_metadata(before, after, old.get("metadata") or {}, new.get("metadata") or {})
    if (old.get("attachments") or {}) != (new.get("attachments") or {}):
        before["attachments"], after["attachments"] = old.get("attachments") or {}, new.get("attachments") or {}
    if old["cell_type"] == "code":
        before["shown"] = shown(old)
    if new["cell_type"] == "code":
        after["shown"] = shown(new)
    return CellRecord(new.get("id") or "", before, after)


def _note_metadata(before: Facets, after: Facets, old: dict[str, Any], new: dict[str, Any]) -> None:
    keys = {*old, *new} - set(NOT_WRITTEN)
    changed = [key for key in sorted(keys) if old.get(key) != new.get(key)]
    if changed:
        before["metadata"] = {key: old.get(key) for key in changed}
        after["metadata"] = {key: new.get(key) for key in changed}


def made(cell: dict[str, Any]) -> Facets:
    """Return what a cell is when it is made."""
    return {
        "cell_type": cell["cell_type"],
        "source": cell["source"],
        "metadata": written(cell.get("metadata") or {}),
        "attachments": cell.get("attachments") or {},
        "shown": shown(cell),
    }


def written(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata without what JupyterLab writes by itself."""
    return {key: value for key, value in metadata.items() if key not in NOT_WRITTEN}


def shown(cell: dict[str, Any]) -> dict[str, Any]:
    """Return a cell's outputs and count, and whether JupyterLab trusts them."""
    trusted = bool((cell.get("metadata") or {}).get("trusted"))
    return {"outputs": cell.get("outputs") or [], "execution_count": cell.get("execution_count"), "trusted": trusted}


def plan_records(live: Live, plan: Plan) -> tuple[list[CellRecord], tuple[Facets, Facets], int]:
    """Return what a plan does to cells and to the notebook's metadata, and its size."""
    old_ids, new_ids = live.ids(), [slot.id for slot in plan.slots]
    cells: list[CellRecord] = []
    for at, slot in enumerate(plan.slots):
        if slot.at is None:
            cells.append(CellRecord(slot.id, None, made(slot.final())))
        elif slot.touched:
            record = _slot_record(live, slot)
            if slot.moved:
                record.place, record.moved_to = place_in(old_ids, slot.at), place_in(new_ids, at)
            if record.old != record.new or record.place:
                cells.append(record)
    for slot in sorted(plan.deleted, key=lambda one: one.at or 0):
        at = slot.at or 0
        whole = str(live.document.ycells[at])
        cells.append(CellRecord(slot.id, None, None, whole, place_in(old_ids, at)))
    for group in plan.together:
        for record in (tied := [one for one in cells if one.cell_id in group]):
            record.tied = frozenset(one.cell_id for one in tied)
    metadata = _notebooks_metadata(live, plan) if plan.metadata else ({}, {})
    sizes = [len(one.whole) + len(json.dumps([one.old, one.new])) for one in cells]
    return cells, metadata, sum(sizes) + len(json.dumps(metadata))


def unrecorded(plan: Plan) -> str:
    """Return what a plan does that is in no record, in words: JupyterLab writes such metadata by itself."""
    keys = {key for one in (plan.metadata, *(slot.metadata for slot in plan.slots if slot.metadata)) for key in one}
    return f"metadata {', '.join(found)}" if (found := sorted(keys & set(NOT_WRITTEN))) else ""


def _slot_record(live: Live, slot: Slot) -> CellRecord:
    if slot.retyped is not None:
        old = json.loads(str(live.document.ycells[slot.at]))
        return _retyped(old, slot.final())
    before: Facets = {}
    after: Facets = {}
    if slot.source_now is not None and slot.source_now != slot.source_before:
        before["source"], after["source"] = slot.source_before, slot.source_now
    if slot.metadata:
        old = slot.original().get("metadata") or {}
        _note_metadata(before, after, old, {**old, **slot.metadata})
    if slot.attachments_now is not None:
        before["attachments"], after["attachments"] = slot.original().get("attachments") or {}, slot.attachments_now
    if slot.cleared or slot.shown_now is not None:
        old = json.loads(str(live.document.ycells[slot.at]))
        before["shown"], after["shown"] = shown(old), slot.shown_now or _NOTHING
    return CellRecord(slot.id, before, after)


def _notebooks_metadata(live: Live, plan: Plan) -> tuple[Facets, Facets]:
    metadata = live.document.ydoc.get("meta", type=Map).get("metadata")
    old = metadata.to_py() if isinstance(metadata, Map) else metadata
    before: Facets = {}
    after: Facets = {}
    _note_metadata(before, after, old if isinstance(old, dict) else {}, plan.metadata)
    keys = [key for key in after.get("metadata", {}) if key in plan.metadata]
    return {key: before["metadata"][key] for key in keys}, {key: after["metadata"][key] for key in keys}
