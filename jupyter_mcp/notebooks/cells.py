"""Changing the cells of live notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from pycrdt import Map

from jupyter_mcp.errors import (
    BadCellError,
    CellChangedError,
    KernelUnavailableError,
    NotDurableError,
    PersonTypingError,
    ReadOnlyError,
    why,
)
from jupyter_mcp.kernels.messages import clean
from jupyter_mcp.rooms.actor import ACTOR, Author
from jupyter_mcp.rooms.live import Live
from jupyter_mcp.telemetry import span

from .edit_apply import Change, LiveReader
from .edit_requests import CELL_TYPES, Edit
from .edit_summary import summary
from .edits import Plan
from .history import CellRecord, ChangeRecord, History
from .proposals import Proposal
from .recording import deleted_record, made_record, plan_records, retyped_record, source_record, unrecorded
from .text_diff import rewrite
from .undo_plan import Around, LeftAloneError, UndoPlan

_BYTES_A_CHARACTER = 4  # at most, in UTF-8


class Cells:
    """The operations on cells, independent of MCP. Each edit is a transaction of the document, a new type two."""

    def __init__(self, *, typing_grace: float) -> None:
        self._typing_grace = typing_grace
        self.history = History()

    def typing(self, live: Live, at: int) -> str | None:
        """Return the name of a person whose caret is, or was in the last seconds, in the cell."""
        return live.carets.at(live.document.ycells[at], self._typing_grace)

    def leave_to_person(self, live: Live, at: int, *, over_person: bool) -> str | None:
        """Raise PersonTypingError if a person types in the cell; with `over_person`, return the name instead."""
        return self._leave(live, at, "this cell", f"cell {at} is unchanged", over_person=over_person)

    def _leave(self, live: Live, at: int, cell: str, unchanged: str, *, over_person: bool) -> str | None:
        name = self.typing(live, at)
        if name is not None and not over_person:
            raise PersonTypingError(
                f"{name} is typing in {cell}, or was in the last {self._typing_grace:g} s; {unchanged}. "
                "Pass `over_person=true` to do it anyway, or work on another cell."
            )
        return name

    def _over(self, live: Live, plan: Plan) -> str | None:
        """Return who types in a cell that the plan touches."""
        names = (self.typing(live, slot.at) for slot in plan.touched() if slot.at is not None)
        return next((name for name in names if name is not None), None)

    def edit(self, live: Live, edits: Sequence[Edit], *, over_person: bool, seen: bool = False) -> dict[str, Any]:
        """Make many edits, all or none; return what was done. Raises what an edit alone would."""
        plan = Plan(LiveReader(live))
        plan.add(edits)
        over: str | None = None
        for slot in () if seen else plan.touched():
            if slot.at is not None:
                where = f"cell {slot.at} ({slot.id!r})"
                name = self._leave(live, slot.at, where, "nothing was changed", over_person=over_person)
                over = over or name
        return self._make(live, plan, "edit", over=over)

    def _make(
        self,
        live: Live,
        plan: Plan,
        kind: str,
        *,
        over: str | None = None,
        undoes: bool = False,
        by: Author | None = None,
    ) -> dict[str, Any]:
        """Do what was planned, and remember it; return what was done, and its number."""
        change, done = Change(live, plan), summary(live.path, plan)  # both before anything moves
        cells, metadata, size = plan_records(live, plan)
        proposal = Proposal(live, cells, lambda: [slot.id for slot in plan.slots], metadata, unrecorded(plan))
        with _guarded(live, kind, change.size, proposal), live.as_one():
            change.make()
            record = self.history.add(live.room_id, cells, metadata, size=size, over=over, undoes=undoes, by=by)
        return done if record is None else {**done, "change": record.number}

    def undo(
        self,
        live: Live,
        changes: Sequence[ChangeRecord],
        *,
        around: Around,
        by: Author | None = None,
        seen: bool = False,
    ) -> dict[str, Any]:
        """Take changes back, the latest first; return what was done. Raises CellChangedError if nothing could be."""
        plan = UndoPlan(live, around)
        for change in changes:
            plan.take_back(change)
        plan.finish()
        if not plan.taken:
            raise CellChangedError(f"Nothing was taken back. {' '.join(plan.kept)}".strip())
        done = self._make(live, plan, "undo", over=None if by or seen else self._over(live, plan), undoes=True, by=by)
        for change, cells in plan.taken:
            change.undone_by = by.name if by is not None else change.author.name
            for cell in cells:
                cell.undone = True
        return {**done, "undone": [change.number for change, _ in plan.taken], "kept": plan.kept}

    def restore(self, live: Live, record: CellRecord, *, around: Around, by: Author | None = None) -> dict[str, Any]:
        """Bring a deleted cell back; return what was done. Raises BadCellError if it is there."""
        plan = UndoPlan(live, around)
        try:
            plan.restore(record)
        except LeftAloneError as error:
            raise BadCellError(f"Cell {record.cell_id!r} was not restored: {error}.") from error
        plan.notes.append(f"restored {record.cell_id}")
        done = self._make(live, plan, "restore", undoes=True, by=by)
        record.undone = True
        return done

    def update(self, live: Live, at: int, source: str, cell_type: str | None, over: str | None = None) -> None:
        """Change a cell by the least that is needed: people's carets, selections and undo in the rest of it stay.

        A new type takes a new shared cell, as in JupyterLab; it keeps the id, and stays a person's active cell.
        """
        document = live.document
        old: Map[Any] = document.ycells[at]
        if cell_type is None or cell_type == old["cell_type"]:
            records, size = source_record(old, clean(source))
            with edit(live, "update", len(source), Proposal(live, records, live.ids)):
                rewrite(old["source"], clean(source))
                self._remember(live, records, size, over)
            return
        cell = new_cell(source, cell_type)
        cell["id"] = old.get("id") or cell["id"]
        kept = {key: value for key, value in old["metadata"].to_py().items() if key != "trusted"}
        cell["metadata"] = {**kept, **cell["metadata"]}
        if "code" not in (cell_type, old["cell_type"]) and (attachments := (old.to_py() or {}).get("attachments")):
            cell["attachments"] = attachments
        # In this order: of a cell that goes first, JupyterLab would make the one above active. And one by one: of both
        # in one transaction below which somebody types, it takes the caret away.
        records, size = retyped_record(old, cell)
        with _guarded(live, "update", len(source), Proposal(live, records, live.ids)):
            with document.ydoc.transaction():
                document.ycells.insert(at, document.create_ycell(cell))
            with document.ydoc.transaction():
                del document.ycells[at + 1]
            self._remember(live, records, size, over)

    def _remember(self, live: Live, records: list[CellRecord], size: int, over: str | None = None) -> None:
        self.history.add(live.room_id, records, size=size, over=over)

    def insert(
        self, live: Live, index: int | None, source: str, cell_type: str, cell_id: str | None, expected: str | None
    ) -> int:
        """Insert a cell; -1 and the number of cells mean the end. Gives its index."""
        document = live.document
        cell = new_cell(source, cell_type)
        count = len(document.ycells)
        at = live.locate(None, cell_id) if index is None or cell_id is not None else index
        at = count if at == -1 else at
        if not 0 <= at <= count:
            raise BadCellError(f"Can't insert at {at}: use 0 to {count}, or -1 for the end.")
        if expected is not None:
            if at == count:
                raise BadCellError("`expected` is the revision of the cell now at `index`; there is none at the end.")
            live.check(at, expected)
        records, size = made_record(cell)
        proposal = Proposal(live, records, lambda: [*(ids := live.ids())[:at], cell["id"], *ids[at:]])
        with edit(live, "insert", len(source), proposal):
            document.ycells.insert(at, document.create_ycell(cell))
            self._remember(live, records, size)
        return at

    def delete(self, live: Live, at: int, over: str | None = None) -> None:
        """Delete a cell."""
        records, size = deleted_record(live, at)
        with edit(live, "delete", proposal=Proposal(live, records, live.ids)):
            del live.document.ycells[at]
            self._remember(live, records, size, over)

    def id_of(self, live: Live, at: int) -> str:
        """Return the cell's id; give it one if its notebook's format has none."""
        cell: Map[Any] = live.document.ycells[at]
        if not cell.get("id"):
            with edit(live, "name"):
                cell["id"] = str(uuid4())
        found: str = cell["id"]
        return found


def was_run(live: Live) -> bool:
    """Return whether the notebook shows that cells of it have run."""
    return any(cell.get("execution_count") for cell in live.document.ycells)


def kernel_named_by(meta: Any) -> str | None:
    """Return the kernel that a notebook's metadata names, None if it names none. Raises KernelUnavailableError."""
    for key in ("metadata", "kernelspec"):
        meta = meta.get(key) if isinstance(meta, dict) else None
    name = meta.get("name") if isinstance(meta, dict) else None
    if name is None or isinstance(name, str):
        return name or None
    raise KernelUnavailableError(
        f"The notebook's metadata names its kernel by a {type(name).__name__}, not by a string; "
        "correct `kernelspec.name`, or choose a kernel in JupyterLab."
    )


@contextmanager
def edit(live: Live, kind: str, characters: int = 0, proposal: Proposal | None = None) -> Iterator[None]:
    """One transaction, guarded."""
    with _guarded(live, kind, characters, proposal), live.document.ydoc.transaction():
        yield


@contextmanager
def _guarded(live: Live, kind: str, characters: int = 0, proposal: Proposal | None = None) -> Iterator[None]:
    """Stand around an agent's transactions, in a span.

    Raises ReadOnlyError; ProposeFirstError if a person has to see the change first; NotDurableError if the journal
    can't take it, before anything is changed if that can be known.
    """
    require_writable(live)
    if (actor := ACTOR.get()) is not None:
        actor.will_change(live, proposal)
    require_room(live, characters)
    with span("jupyter_mcp.transaction", kind=kind), live.ours():
        yield
    require_durable(live)


def require_writable(live: Live) -> None:
    """Raise ReadOnlyError if the notebook can't be written."""
    if not live.writable:
        raise ReadOnlyError(f"{live.path!r} is not writable; copy it to another name first.")


def require_room(live: Live, characters: int = 0) -> None:
    """Raise NotDurableError if an edit could not be kept safe."""
    try:
        live.journal.ready(live.document.ydoc, _BYTES_A_CHARACTER * characters)
    except OSError as error:
        raise NotDurableError(
            f"Nothing was changed: the server can't keep edits safe from a crash ({why(error)}, in "
            f"{live.journal.file.parent}). Reading works; edit again when that folder can be written."
        ) from error


def require_durable(live: Live) -> None:
    """Raise NotDurableError if the last change could not be kept safe."""
    if live.journal.fault is not None:
        raise NotDurableError(
            "The change is in the live notebook, but the server could not keep it safe from a crash "
            f"({why(live.journal.fault)}, in {live.journal.file.parent}). Don't make it again; save the notebook with "
            "close_notebook_session, and see that the folder can be written."
        )


def new_cell(source: str, cell_type: str) -> dict[str, Any]:
    """Return a cell as nbformat. Raises BadCellError."""
    if cell_type not in CELL_TYPES:
        raise BadCellError(f"cell_type is one of {', '.join(CELL_TYPES)}, not {cell_type!r}.")
    cell: dict[str, Any] = {"id": str(uuid4()), "cell_type": cell_type, "source": clean(source), "metadata": {}}
    if cell_type == "code":
        # As JupyterLab marks cells made in it; without, the saved file reads back differently.
        cell.update(metadata={"trusted": True}, outputs=[], execution_count=None)
    return cell
