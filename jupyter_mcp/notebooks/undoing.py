"""Taking back what agents changed: which changes are meant, and who may."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from jupyter_mcp.errors import CellMissingError, ChangeMissingError, NotAllowedError
from jupyter_mcp.kernels.runs import OVER, Runs
from jupyter_mcp.rooms.actor import Author
from jupyter_mcp.rooms.live import Live

from .cells import Cells
from .history import MOST_CHANGES, CellRecord, ChangeRecord
from .notebooks import Notebooks
from .undo_plan import Around

MOST_AT_ONCE = 50  # changes
_NAMED = 5  # changes or cells that an error names


class Undoing:
    """Takes changes back and restores cells, for agents and for people."""

    def __init__(self, notebooks: Notebooks, cells: Cells, runs: Runs) -> None:
        self._notebooks = notebooks
        self._cells = cells
        self._runs = runs

    async def undo(
        self, path: str, asking: Author, *, count: int = 1, number: int | None = None, over_person: bool = False
    ) -> dict[str, Any]:
        """Take back the last changes of the agent that asks, or the one of that number; return what was done.

        Raises ChangeMissingError, NotAllowedError, and CellChangedError if nothing could be taken back.
        """

        def back(live: Live, seen: bool) -> dict[str, Any]:
            changes = self._meant(live, asking, count, number)
            around = self._around(live, over_person=over_person or seen)
            return self._cells.undo(live, changes, around=around, seen=seen)

        return await self._notebooks.changing(path, back)

    def _meant(self, live: Live, asking: Author, count: int, number: int | None) -> list[ChangeRecord]:
        if number is None:
            return list(self._last(live, asking, count))
        change = self._numbered(live, number)
        if change.author.kind != asking.kind:
            raise NotAllowedError(
                f"Change {number} is not yours but of {change.author.name}; a person can take it back in "
                "JupyterLab's panel Agents."
            )
        return [change]

    async def undo_for(self, path: str, person: Author, number: int) -> dict[str, Any]:
        """Take back anybody's change for a person; return what was done."""
        live = await self._notebooks.join(path)
        # The caret of who asks is where they last worked; what they typed is not taken back anyway.
        around = self._around(live, over_person=True)
        return self._cells.undo(live, [self._numbered(live, number)], around=around, by=person)

    async def restore(self, path: str, cell_id: str, person: Author | None = None) -> dict[str, Any]:
        """Bring back a cell that an agent deleted, at its place; return what was done. Raises CellMissingError."""

        def back(live: Live, _: bool) -> dict[str, Any]:
            record = self._of_deleted(live, cell_id)
            return self._cells.restore(live, record, around=self._around(live, over_person=True), by=person)

        return await self._notebooks.changing(path, back)

    def _of_deleted(self, live: Live, cell_id: str) -> CellRecord:
        deleted = self._deleted(live)
        record = next((one for one in deleted if one.cell_id == cell_id), None)
        if record is None:
            known = ", ".join(repr(one.cell_id) for one in deleted[:_NAMED])
            raise CellMissingError(
                f"No cell {cell_id!r} is known that an agent deleted here since this server started"
                + (f"; known are {known}." if known else ".")
            )
        return record

    async def change(self, path: str, number: int) -> ChangeRecord:
        """Return a change of the notebook, to be looked at. Raises ChangeMissingError."""
        path = await self._notebooks.existing(path)
        return self._find(self._notebooks.rooms.room_id(path), path, number)

    async def revisions(self, path: str) -> dict[str, str]:
        """Return the revisions of the notebook's cells now, by their ids."""
        live = await self._notebooks.join(path)
        cells = [live.address(at) for at in range(len(live.document.ycells))]
        return {cell.id: cell.revision for cell in cells}

    def known(self, numbers: Container[int]) -> list[ChangeRecord]:
        """Return the changes of these numbers that are known."""
        return [one for one in self._cells.history.all() if one.number in numbers]

    def _deleted(self, live: Live) -> list[CellRecord]:
        changes = self._cells.history.of(live.room_id)
        return [one for change in changes for one in change.cells if one.deleted and live.find(one.cell_id) is None]

    def _find(self, room_id: str | None, path: str, number: int) -> ChangeRecord:
        change = None if room_id is None else self._cells.history.find(room_id, number)
        if change is None:
            raise ChangeMissingError(
                f"No change {number} of {path!r} is known; the last {MOST_CHANGES} of a notebook are, since this "
                "server started."
            )
        return change

    def _numbered(self, live: Live, number: int) -> ChangeRecord:
        change = self._find(live.room_id, live.path, number)
        if change.undone_by is not None:
            raise ChangeMissingError(f"Change {number} was taken back already, by {change.undone_by}.")
        if change.forgotten:
            raise ChangeMissingError(f"Change {number} was too large to be remembered; it can't be taken back.")
        return change

    def _last(self, live: Live, asking: Author, count: int) -> Sequence[ChangeRecord]:
        changes = [one for one in self._cells.history.of(live.room_id) if one.open and not one.undoes]
        found = [one for one in changes if one.author.id == asking.id][: min(count, MOST_AT_ONCE)]
        if not found:
            # Of an earlier session, say.
            like = [one for one in changes if one.author.kind == asking.kind and asking.kind][:_NAMED]
            known = ", ".join(f"{one.number} ({one.tool})" for one in like)
            raise ChangeMissingError(
                f"No change of yours in {live.path!r} is left to take back, since this server started."
                + (f" Agents of your name made these, give `change`: {known}." if known else "")
            )
        return found

    def _around(self, live: Live, *, over_person: bool) -> Around:
        def ran_by(cell_id: str, count: object) -> str | None:
            known = self._runs.of_cell(live.room_id, cell_id)
            return known[0].by if known is not None and known[1].count == count else None

        def runs(cell_id: str) -> bool:
            known = self._runs.of_cell(live.room_id, cell_id)
            at = live.find(cell_id)
            state = None if at is None else live.document.ycells[at].get("execution_state")
            return state == "running" or (known is not None and known[1].state not in OVER)

        def typing(at: int) -> str | None:
            return None if over_person else self._cells.typing(live, at)

        return Around(ran_by, runs, typing)
