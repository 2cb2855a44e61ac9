"""Three versions of a notebook become one: nothing that either side wrote is dropped.

Cells are matched by id. What only one side changed is taken; where both changed a cell's source
differently, the document's cell stays and the file's follows it as a new cell.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

Notebook = dict[str, Any]
Cell = dict[str, Any]


# What jupyter-ydoc puts into a document whose file names no kernel.
_FILLED_IN: dict[str, Any] = {"language_info": {"name": ""}, "kernelspec": {"name": "", "display_name": ""}}


_ABSENT = object()  # a key that a version lacks; null is a value


class UnmergeableError(ValueError):
    """A version has cells without ids, or an id twice: they can't be matched."""


@dataclass(frozen=True)
class Merged:
    """The merged notebook, and the ids of the cells that both sides had changed."""

    content: Notebook
    conflicts: tuple[str, ...]


def plain(content: Notebook) -> Notebook:
    """Return the notebook without what reading it adds: `trusted` is a property of the server, not of the file."""
    metadata = {key: value for key, value in content.get("metadata", {}).items() if value != _FILLED_IN.get(key)}
    return {**content, "metadata": metadata, "cells": [_plain_cell(cell) for cell in content["cells"]]}


def _plain_cell(cell: Cell) -> Cell:
    metadata = {key: value for key, value in cell.get("metadata", {}).items() if key != "trusted"}
    return {**cell, "metadata": metadata}


def same(one: Notebook, other: Notebook) -> bool:
    """Return whether two versions would be the same file."""
    return plain(one) == plain(other)


def fingerprint(content: Notebook) -> str:
    """Return a hash of what the file holds."""
    data = json.dumps(plain(content), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(data.encode("utf-8", "surrogatepass")).hexdigest()


def merge(base: Notebook, ours: Notebook, theirs: Notebook) -> Merged:
    """Merge the document (`ours`) and the file (`theirs`), which were both `base` once.

    Raises UnmergeableError.
    """
    old, mine, other = (_by_id(version) for version in (base, ours, theirs))
    conflicts: list[str] = []
    cells: list[Cell] = []
    for cell_id in _order(list(old), list(mine), list(other)):
        kept = _pick(old.get(cell_id), mine.get(cell_id), other.get(cell_id))
        if len(kept) > 1:
            kept[1:] = _beside(kept[1], mine, other)
        cells.extend(kept)
        if len(kept) > 1:
            conflicts.append(cell_id)
    content = {key: _three(base.get(key), ours.get(key), theirs.get(key)) for key in {**theirs, **ours}}
    metadata = {
        key: value
        for key in {**theirs.get("metadata", {}), **ours.get("metadata", {})}
        if (value := _three(*(version.get("metadata", {}).get(key, _ABSENT) for version in (base, ours, theirs))))
        is not _ABSENT
    }
    return Merged({**content, "metadata": metadata, "cells": cells}, tuple(conflicts))


def _by_id(version: Notebook) -> dict[str, Cell]:
    cells = {cell.get("id"): cell for cell in version["cells"]}
    if None in cells or len(cells) != len(version["cells"]):
        raise UnmergeableError("cells without ids, or with the same id")
    return cells


def _three(base: Any, ours: Any, theirs: Any) -> Any:
    return theirs if ours == base else ours


def _alike(one: Cell | None, other: Cell | None) -> bool:
    if one is None or other is None:
        return one is other
    return _plain_cell(one) == _plain_cell(other)


def _pick(base: Cell | None, ours: Cell | None, theirs: Cell | None) -> list[Cell]:
    if _alike(ours, theirs) or _alike(theirs, base):
        return [] if ours is None else [ours]
    if _alike(ours, base):
        return [] if theirs is None else [theirs]
    if ours is None or theirs is None:
        # One side deleted what the other changed: the change is the later thought.
        return [cell for cell in (ours, theirs) if cell is not None]
    return _both_changed(base, ours, theirs)


def _both_changed(base: Cell | None, ours: Cell, theirs: Cell) -> list[Cell]:
    text, other_text, old_text = _text(ours), _text(theirs), _text(base) if base else None
    if other_text in (text, old_text):
        return [ours]  # outputs can be made again
    if text == old_text:
        return [theirs]
    return [ours, theirs]


def _beside(theirs: Cell, mine: dict[str, Cell], other: dict[str, Cell]) -> list[Cell]:
    """Return the file's version of a cell that both changed, under an id that follows from it.

    After a crash the same file is merged once more: what is there already does not come twice.
    """
    name = str(theirs["id"])
    while True:
        name = hashlib.sha256(json.dumps([name, *_text(theirs)]).encode()).hexdigest()[:8]
        if name in mine or (name in other and _text(other[name]) == _text(theirs)):
            return []
        if name not in other:
            return [{**theirs, "id": name}]


def _text(cell: Cell) -> tuple[str, str]:
    return cell["cell_type"], cell["source"]


def _order(base: list[str], ours: list[str], theirs: list[str]) -> list[str]:
    """Return all ids in the order of the side that moved cells, the other side's own after their neighbours."""
    known = set(base)
    kept = [cell_id for cell_id in ours if cell_id in known]
    moved = kept != [cell_id for cell_id in base if cell_id in set(kept)]
    first, second = (ours, theirs) if moved else (theirs, ours)
    order = list(first)
    placed = set(first)
    before = -1
    for cell_id in second:
        if cell_id in placed:
            before = order.index(cell_id)
        else:
            before += 1
            order.insert(before, cell_id)
            placed.add(cell_id)
    return order
