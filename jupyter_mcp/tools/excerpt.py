"""A part of a notebook, for an agent that does not need the whole: a range of cells, no outputs, an outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_mcp.errors import CellMissingError

_HEADING = 100  # characters of a cell that an outline shows


@dataclass(frozen=True)
class Wanted:
    """What of a notebook is wanted; `start` may count from the end, no `count` means to the end."""

    start: int = 0
    count: int | None = None
    outputs: bool = True
    outline: bool = False


def excerpt(notebook: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    """Give the wanted part as nbformat, each cell with its `index`, and `cell_count` of the whole.

    Gives the notebook itself if all of it is wanted. Raises CellMissingError.
    """
    if wanted == Wanted():
        return notebook
    cells: list[dict[str, Any]] = notebook["cells"]
    total = len(cells)
    start = wanted.start + total if wanted.start < 0 else wanted.start
    if not 0 <= start <= total:
        raise CellMissingError(f"Can't start at cell {wanted.start}: the notebook has {total}, 0 to {total - 1}.")
    end = total if wanted.count is None else min(total, start + wanted.count)
    shown = [{**_shown(cells[index], wanted), "index": index} for index in range(start, end)]
    return {**notebook, "cells": shown, "cell_count": total}


def _shown(cell: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    if wanted.outline:
        kept: dict[str, Any] = {key: cell[key] for key in ("id", "cell_type", "execution_count") if key in cell}
        return {**kept, "source": _heading(cell["source"]), "metadata": {}}
    return cell if wanted.outputs else {key: value for key, value in cell.items() if key != "outputs"}


def _heading(source: str) -> str:
    """Give the first line that says something, with an ellipsis if there is more."""
    line = next((line.rstrip() for line in source.splitlines() if line.strip()), "")
    return line if line == source.strip() and len(line) <= _HEADING else f"{line[:_HEADING]} …"
