"""Ids for the cells of files that give them none: good in the next call, and made the same way after a restart.

nbformat makes up random ids, anew at each reading, for cells of format 3, and for cells of format 4.5 that have none or
another cell's. Formats 4.0 to 4.4 have none at all, and the shared document makes them up. Here an id is made of what
the cell holds, and where an id was given before, a cell that still holds the same has it again.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import Any

from jupyter_server.utils import ensure_async

_SINCE = (4, 5)  # nbformat in which files keep ids
_LENGTH = 12  # of an id that is made here
_UUID = 36  # characters of JupyterLab's ids; those that nbformat makes up have 8
_NOTEBOOKS, _FILES = 200, 2000  # that are remembered

Cell = dict[str, Any]


def keeps_ids(content: dict[str, Any]) -> bool:
    """Return whether a notebook's format has ids."""
    major, minor = content.get("nbformat", 4), content.get("nbformat_minor", 0)
    return not (isinstance(major, int | float) and isinstance(minor, int | float)) or (major, minor) >= _SINCE


def content_hash(cell: Cell) -> str:
    """Return a hash of what a cell holds: its type and its source."""
    source = cell.get("source", "")
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    data = f"{cell.get('cell_type')}\0{text}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()[:32]


def names(cells: Sequence[Cell], own: Sequence[Any], known: dict[str, list[str]] | None = None) -> list[str]:
    """Return an id for each cell, all different: its `own`, one that is `known` for what it holds, or one made of that.

    The first of two cells with one id keeps it.
    """
    found: list[str | None] = []
    taken: set[str] = set()
    for cell_id in own:
        keeps = isinstance(cell_id, str) and bool(cell_id) and cell_id not in taken
        found.append(cell_id if keeps else None)
        if keeps:
            taken.add(cell_id)
    left: dict[str, deque[str]] = {}
    for at, cell in enumerate(cells):
        if found[at] is not None:
            continue
        content = content_hash(cell)
        if content not in left:
            left[content] = deque((known or {}).get(content, ()))
        found[at] = name = _next(content, left[content], taken)
        taken.add(name)
    return [str(name) for name in found]


def _next(content: str, known: deque[str], taken: set[str]) -> str:
    while known:
        if (name := known.popleft()) not in taken:
            return name
    number = 0
    while (name := hashlib.sha256(f"{content} {number}".encode()).hexdigest()[:_LENGTH]) in taken:
        number += 1
    return name


def ids_by_content(cells: Iterable[Cell]) -> dict[str, list[str]]:
    """Return the ids of cells by what the cells hold, in their order."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        if isinstance(cell.get("id"), str) and cell["id"]:
            found.setdefault(content_hash(cell), []).append(cell["id"])
    return found


class NamedCells(list[Cell]):
    """The cells of a notebook whose format has no ids, with ids.

    Upstream compares the file's content with the document's, which then has no ids: equal but for them is equal.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and _nameless(self) == _nameless(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # as any list


def _nameless(cells: Iterable[Cell]) -> list[Cell]:
    return [{key: value for key, value in cell.items() if key != "id"} for cell in cells]


def nameless(content: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook as its file can keep it: without ids, if its format has none."""
    return content if keeps_ids(content) else {**content, "cells": _nameless(content["cells"])}


class CellIds:
    """The ids that were given to cells whose file has none for them, by the id of the file."""

    def __init__(self) -> None:
        self._given: OrderedDict[str, dict[str, list[str]]] = OrderedDict()
        self._own: OrderedDict[str, list[Any] | None] = OrderedDict()  # by the hash of a file's bytes; None: as read

    def given(self, file_id: str | None) -> dict[str, list[str]]:
        """Return the ids given last, by what their cells held."""
        return self._given.get(file_id or "", {})

    def remember(self, file_id: str | None, cells: Iterable[Cell]) -> None:
        """Remember the ids that cells have now."""
        if not file_id:
            return
        self._given[file_id] = ids_by_content(cells)
        self._given.move_to_end(file_id)
        if len(self._given) > _NOTEBOOKS:
            self._given.popitem(last=False)

    def missing(self, file_id: str, cells: Sequence[Cell]) -> dict[int, str]:
        """Return, by index, the ids that were given to cells and that these cells don't have."""
        given, present = self.given(file_id), {cell.get("id") for cell in cells}
        known = {cell_id for ids in given.values() for cell_id in ids}
        left = {content: deque(one for one in ids if one not in present) for content, ids in given.items()}
        found: dict[int, str] = {}
        for at, cell in enumerate(cells):
            if given and cell.get("id") not in known and (ids := left.get(content_hash(cell))):
                found[at] = ids.popleft()
        return found

    async def name(self, contents: Any, path: str, file_id: str | None, model: dict[str, Any]) -> None:
        """Set ids that last on the cells of a notebook that was read from its file."""
        content = model["content"]
        cells: list[Cell] = content["cells"]
        own = await self._own_ids(contents, path, model)
        found = names(cells, own, self.given(file_id))
        if found == [cell.get("id") for cell in cells]:
            if found != own:
                self.remember(file_id, cells)
            return
        for cell, cell_id in zip(cells, found, strict=True):
            cell["id"] = cell_id
        if not keeps_ids(content):
            content["cells"] = NamedCells(cells)
        self.remember(file_id, cells)

    async def _own_ids(self, contents: Any, path: str, model: dict[str, Any]) -> list[Any]:
        """Return the ids that the file has itself, of each cell; None where reading it made one up."""
        cells, digest = model["content"]["cells"], str(model.get("hash") or "")
        read = [cell.get("id") for cell in cells]
        if all(cell_id is None or (isinstance(cell_id, str) and len(cell_id) == _UUID) for cell_id in read):
            return read
        if digest and digest in self._own:
            self._own.move_to_end(digest)
            return self._own[digest] or read
        own = await _ids_in_file(contents, path, digest)
        if own is None or len(own) != len(read):
            own = [None] * len(read) if own is not None else read
        own = [mine if mine == cell_id else None for mine, cell_id in zip(own, read, strict=True)]
        if digest:
            self._own[digest] = own if None in own else None
            if len(self._own) > _FILES:
                self._own.popitem(last=False)
        return own


async def _ids_in_file(contents: Any, path: str, digest: str) -> list[Any] | None:
    """Return the ids in the file's JSON; None if it can't be known."""
    try:
        raw = await ensure_async(contents.get(path, type="file", format="text", content=True, require_hash=True))
        if raw.get("hash") != (digest or raw.get("hash")):
            return None  # it was written meanwhile
        notebook = json.loads(raw["content"])
        if int(notebook.get("nbformat", 0)) < _SINCE[0]:
            return []
        return [cell.get("id") for cell in notebook["cells"]]
    except Exception:  # noqa: BLE001 - boundary: any contents manager, any file; it could be read as a notebook
        return None
