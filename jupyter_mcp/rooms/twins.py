"""Cells that are in a shared document twice: a page brought what the room had taken from its file, as another item."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jupyter_ydoc import YNotebook

from .cell_ids import content_hash


def twins(cells: Sequence[dict[str, Any]]) -> list[int]:
    """Return the indexes of cells that are there once more: with another's id, type and source.

    The one with outputs stays, or else the first.
    """
    first: dict[tuple[str, str], int] = {}
    found: list[int] = []
    for at, cell in enumerate(cells):
        if not isinstance(cell.get("id"), str) or not cell["id"]:
            continue
        key = cell["id"], content_hash(cell)
        earlier = first.setdefault(key, at)
        if earlier == at:
            continue
        if cell.get("outputs") and not cells[earlier].get("outputs"):
            found.append(earlier)
            first[key] = at
        else:
            found.append(at)
    return sorted(found)


def without_twins(document: YNotebook) -> list[dict[str, Any]]:
    """Delete the twins of cells; return the cells that are left, as they are in the document.

    Upstream leaves exact ones out of the file, and gives others a new id: the cell is there twice from then on.
    """
    cells: list[dict[str, Any]] = json.loads(str(document.ycells))
    gone = twins(cells)
    if gone:
        with document.ydoc.transaction():
            for at in reversed(gone):
                del document.ycells[at]
    return [cell for at, cell in enumerate(cells) if at not in set(gone)]
