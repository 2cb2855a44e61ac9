"""A change that is planned and not made, as people look at it before they accept it.

It is made of the records that the change itself is remembered by (`recording`), so what is shown is what will be done.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from jupyter_mcp.rooms.live import Live, revision

from .change_views import also, did, diff
from .history import CellRecord, Facets
from .recording import written

_CELLS = 50  # that are shown
_SOURCE = 4000  # characters of a source that are shown
_ALL = 40_000  # characters of all sources that are shown
_COMPARED = 400_000  # characters of a source up to which it is compared with the new one
_VALUE = 200  # characters of a metadata's value that are shown
_OPS = {"made": "insert", "deleted": "delete"}


class Proposal:
    """The cells that a change is about, and where they will be. Good until the next await, what it returns for ever."""

    def __init__(
        self,
        live: Live,
        cells: Sequence[CellRecord],
        order: Callable[[], list[str]],
        metadata: tuple[Facets, Facets] = ({}, {}),
        unseen: str = "",
    ) -> None:
        """Take the records, the cells' ids in order as they will be, and what of it the records don't tell."""
        self._live = live
        self._cells = cells
        self._order = order
        self._metadata = metadata
        self._unseen = unseen

    def __bool__(self) -> bool:
        return bool(self._cells or self._metadata[0] or self._metadata[1] or self._unseen)

    @cached_property
    def _places(self) -> dict[str, tuple[str | None, int]]:
        """For each cell to be: the cell before it of those that are there now, and its index."""
        there = set(self._live.ids())
        places: dict[str, tuple[str | None, int]] = {}
        before: str | None = None
        for at, cell_id in enumerate(self._order()):
            places[cell_id] = before, at
            before = cell_id if cell_id in there else before
        return places

    @cached_property
    def signature(self) -> str:
        """The change in one short text; ids of new cells are made anew each time it is planned, and are not in it."""
        parts: list[list[object]] = [[self._metadata, self._unseen]]
        for record in self._cells:
            cell_id = "" if record.made else record.cell_id
            parts.append([cell_id, did(record), _essence(_old(record)), _essence(record.new), *self._moves(record)])
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()

    def _moves(self, record: CellRecord) -> Iterator[object]:
        if record.made or record.moved_to is not None:
            yield self._places[record.cell_id][0]

    @property
    def words(self) -> str:
        """What it does, in a few words."""
        counts = Counter(_op(record) for record in self._cells)
        parts = [f"{op} {'a cell' if count == 1 else f'{count} cells'}" for op, count in counts.items()]
        if any(self._metadata) or self._unseen:
            parts.append("change the notebook's metadata" if any(self._metadata) else f"change {self._unseen}")
        return " and ".join(parts)

    @property
    def cell_ids(self) -> list[str]:
        """The cells that are there and change or go."""
        return [record.cell_id for record in self._cells if not record.made]

    @property
    def code(self) -> dict[str, str]:
        """The code cells whose source or type is new, with the revisions they will have."""
        found: dict[str, str] = {}
        for record in self._cells:
            new = record.new or {}
            if "source" not in new or record.deleted:
                continue
            cell_type = new.get("cell_type") or self._type_now(record.cell_id)
            if cell_type == "code":
                found[record.cell_id] = revision("code", new["source"])
        return found

    def _type_now(self, cell_id: str) -> str:
        at = self._live.find(cell_id)
        return "" if at is None else str(self._live.document.ycells[at]["cell_type"])

    def preview(self) -> dict[str, Any]:
        """Return what each cell was and will be, and where; cut where it is long, and it says so."""
        left = _ALL
        cells: list[dict[str, Any]] = []
        for record in self._cells[:_CELLS]:
            cell = self._cell(record, min(_SOURCE, left))
            left -= len(cell["source_before"]) + len(cell["source_after"])
            cells.append(cell)
        about = [*_values(*self._metadata), *([f" {self._unseen}"] if self._unseen else [])]
        return {
            "cells": cells,
            "more_cells": max(0, len(self._cells) - _CELLS),
            "metadata": "\n".join(about[:_CELLS]),
            "runnable": bool(self.code),
        }

    def _cell(self, record: CellRecord, most: int) -> dict[str, Any]:
        old, new = _old(record), record.new or {}
        before, after = str(old.get("source", "")), str(new.get("source", ""))
        if most <= 0:
            shown = "[left out: the change is too long to be shown]" if before or after else ""
        else:
            shown = _diff(before, after, most)
        lines = [
            shown,
            *(_values(old.get("metadata", {}), new.get("metadata", {})) if did(record) == "changed" else ()),
        ]
        after_id, index = self._places.get(record.cell_id, (None, None))
        cell_type = new.get("cell_type") or old.get("cell_type") or self._type_now(record.cell_id)
        return {
            "op": _op(record),
            "id": None if record.made else record.cell_id,
            "cell_type": cell_type,
            "after": after_id,
            "index": index,
            "also": also(record),
            "source_before": before[: max(0, most)],
            "source_after": after[: max(0, most)],
            "cut": max(len(before), len(after)) > most,
            "diff": "\n".join(line for line in lines if line),
        }


def _diff(before: str, after: str, most: int) -> str:
    """Return the lines before and after; of sources that would take long to compare only how long they are."""
    if before and after:
        whole = max(len(before), len(after)) <= _COMPARED
        return diff(before, after, most) if whole else f" {len(before)} characters, now {len(after)}"
    return diff(before[: most + 1], after[: most + 1], most)  # all of it came or went: its start is as good


def _op(record: CellRecord) -> str:
    if (op := _OPS.get(did(record))) is not None:
        return op
    return "move" if record.moved_to is not None and not record.new else "change"


def _old(record: CellRecord) -> Facets:
    return json.loads(record.whole) if record.deleted else record.old or {}


def _essence(facets: Facets | None) -> dict[str, Any]:
    """Return what of a cell a person accepts: all but outputs, of which it counts only whether some are there."""
    facets = facets or {}
    found: dict[str, Any] = {key: facets[key] for key in ("cell_type", "source", "attachments") if key in facets}
    if "metadata" in facets:
        found["metadata"] = written(facets["metadata"])
    if "shown" in facets:
        found["shows"] = bool(facets["shown"]["outputs"])
    return found


def _values(old: Facets, new: Facets) -> Iterator[str]:
    """Yield lines, as of a diff, for values of metadata."""
    for key in sorted({*old, *new}):
        for sign, values in (("-", old), ("+", new)):
            if values.get(key) is not None:
                text = json.dumps(values[key], ensure_ascii=False, sort_keys=True, default=str)
                yield f"{sign}{key}: {text if len(text) <= _VALUE else text[:_VALUE] + '…'}"
