"""The cells of a notebook while edits of it are planned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import uuid4

from jupyter_mcp.rooms.live import revision


class Reader(Protocol):
    """The notebook as it is."""

    def ids(self) -> list[str]:
        """Return the cells' ids, in order."""

    def head(self, index: int) -> tuple[str, str]:
        """Return a cell's type and source."""

    def cell(self, index: int) -> dict[str, Any]:
        """Return a cell as nbformat."""


class Slot:
    """A place in the planned notebook: a cell that is there, with what becomes of it, or a new one."""

    def __init__(self, reader: Reader, cell_id: str, at: int | None, cell: dict[str, Any] | None = None) -> None:
        self._reader = reader
        self.id = cell_id
        self.at = at  # its index before; None: new
        self._cell = cell
        self._head: tuple[str, str] | None = None if cell is None else (cell["cell_type"], cell["source"])
        self.source_now: str | None = None
        self.retyped: str | None = None
        self.metadata: dict[str, Any] = {}  # keys that are set; None removes one
        self.attachments_now: dict[str, Any] | None = None
        self.cleared = False
        self.moved = False
        self.shown_now: dict[str, Any] | None = None  # outputs, execution_count and trust that it gets back

    @property
    def _read(self) -> tuple[str, str]:
        if self._head is None:
            self._head = self._reader.head(self.at)  # type: ignore[arg-type] # what has no index has its head
        return self._head

    @property
    def source(self) -> str:
        """The source as it is planned by now."""
        return self._read[1] if self.source_now is None else self.source_now

    @property
    def source_before(self) -> str:
        """The source as it is; empty for a new cell."""
        return "" if self.at is None else self._read[1]

    @property
    def cell_type(self) -> str:
        """The type as it is planned by now."""
        return self.retyped or self._read[0]

    @property
    def revision_before(self) -> str:
        """The revision that get_cell gives."""
        return revision(*self._read)

    @property
    def revision(self) -> str:
        """The revision that get_cell will give."""
        return revision(self.cell_type, self.source)

    def original(self) -> dict[str, Any]:
        """Return the cell as it was, or as it was made, as nbformat."""
        if self._cell is None:
            self._cell = self._reader.cell(self.at)  # type: ignore[arg-type] # likewise
        return self._cell

    @property
    def attachments(self) -> dict[str, Any]:
        """The attachments as they are planned by now."""
        if self.attachments_now is not None:
            return self.attachments_now
        return self.original().get("attachments") or {}

    @property
    def remade(self) -> bool:
        """Return whether a new shared cell takes the old one's place: a type can't be changed, nor a cell moved."""
        return self.at is None or self.moved or self.retyped is not None

    @property
    def touched(self) -> bool:
        """Return whether anything of a cell that is there changes."""
        return self.at is not None and (
            self.remade
            or self.source_now is not None
            or self.attachments_now is not None
            or bool(self.metadata)
            or self.cleared
            or self.shown_now is not None
        )

    def final(self) -> dict[str, Any]:
        """Return the cell as it will be, as nbformat."""
        cell = dict(self.original())
        old_type = cell["cell_type"]
        retyped = self.retyped is not None  # also back to the type it had: what it showed went with the first change
        cell |= {"id": self.id, "cell_type": self.cell_type, "source": self.source}
        cell["metadata"] = patched(cell.get("metadata") or {}, self.metadata)
        if self.attachments_now is not None:
            cell["attachments"] = self.attachments_now
        if retyped:
            cell["metadata"].pop("trusted", None)
            for key in ("outputs", "execution_count"):
                cell.pop(key, None)
            if "code" in (old_type, cell["cell_type"]):
                cell.pop("attachments", None)
        if cell["cell_type"] == "code":
            if retyped:
                cell["metadata"]["trusted"] = True  # as of a cell that is made in JupyterLab: it has no outputs
            if self.cleared or retyped:
                cell |= {"outputs": [], "execution_count": None}
            if self.shown_now is not None:
                cell |= {key: self.shown_now[key] for key in ("outputs", "execution_count")}
                cell["metadata"] = patched(cell["metadata"], {"trusted": self.shown_now["trusted"] or None})
        return cell


def patched(metadata: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with the patch's keys set; those that are None are gone."""
    return {key: value for key, value in {**metadata, **patch}.items() if not (key in patch and value is None)}


def blank(source: str, cell_type: str) -> dict[str, Any]:
    """Return a new cell as nbformat."""
    cell: dict[str, Any] = {"id": str(uuid4()), "cell_type": cell_type, "source": source, "metadata": {}}
    if cell_type == "code":
        cell |= {"metadata": {"trusted": True}, "outputs": [], "execution_count": None}
    return cell
