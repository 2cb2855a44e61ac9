"""A remembered change, as people look at it: what it did to each cell, before and after; bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .history import CellRecord, ChangeRecord, Facets
from .line_diff import line_diff

_CELLS = 100  # that are shown
_DIFF = 4000  # characters of a cell's diff
_MOST_LINES = 2000  # of a source that are compared line by line


def view(change: ChangeRecord) -> dict[str, Any]:
    """Return a change with the diff of each cell."""
    return {
        "change": change.number,
        "by": change.author.name,
        "tool": change.tool,
        "at": change.at.isoformat(timespec="seconds"),
        "undone_by": change.undone_by,
        "forgotten": change.forgotten,
        "cells": [_cell(record) for record in change.cells[:_CELLS]],
        "more_cells": max(0, len(change.cells) - _CELLS),
        "metadata": sorted({*change.metadata[0], *change.metadata[1]}),
    }


def brief(change: ChangeRecord) -> dict[str, Any]:
    """Return what there is to do about a change."""
    return {
        "change": change.number,
        "open": change.open,
        "undone_by": change.undone_by,
        "over": change.over,
        "deleted": [record.cell_id for record in change.cells if record.deleted and not record.undone][:_CELLS],
    }


def _cell(record: CellRecord) -> dict[str, Any]:
    old, new = record.old or {}, record.new or {}
    if record.deleted:
        old = json.loads(record.whole)
    before, after = str(old.get("source", "")), str(new.get("source", ""))
    return {"id": record.cell_id, "did": did(record), "also": also(record), "diff": diff(before, after)}


def did(record: CellRecord) -> str:
    """Return whether a cell was made, deleted or changed."""
    return "made" if record.made else "deleted" if record.deleted else "changed"


def also(record: CellRecord) -> list[str]:
    """Return what of a cell changed beside its source, in words."""
    found = list(_also(record.old or {}, record.new or {})) if did(record) == "changed" else []
    return [*found, "moved"] if record.moved_to is not None else found


def _also(old: Facets, new: Facets) -> Iterator[str]:
    if old.get("cell_type") != new.get("cell_type"):
        yield f"{old.get('cell_type')} → {new.get('cell_type')}"
    if "metadata" in new:
        yield f"metadata {', '.join(sorted(new['metadata']))}"
    if "attachments" in new:
        yield "attachments"
    if "shown" in old and old["shown"]["outputs"] and not new.get("shown", {}).get("outputs"):
        yield "outputs cleared"


def diff(old: str, new: str, most: int = _DIFF) -> str:
    """Return what changed from one source to the other, line by line, in at most so many characters and a notice."""
    text = "\n".join(line for line in line_diff(old, new, around=2, most=_MOST_LINES) if not line.startswith("@@"))
    return text if len(text) <= most else f"{text[:most]}\n[the rest is left out]"
