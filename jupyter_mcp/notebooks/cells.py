"""Changing the cells of live notebooks, and running them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from pycrdt import Map

from jupyter_mcp.errors import (
    BadCellError,
    KernelUnavailableError,
    NotDurableError,
    PersonTypingError,
    ReadOnlyError,
    why,
)
from jupyter_mcp.kernels.execution import Execution, Patience, Progress
from jupyter_mcp.kernels.messages import Output, clean
from jupyter_mcp.kernels.output_limit import Allowance
from jupyter_mcp.kernels.outputs import OutputSink
from jupyter_mcp.rooms.actor import ACTOR
from jupyter_mcp.rooms.live import Live
from jupyter_mcp.telemetry import span

from .edit_apply import Change, LiveReader
from .edit_requests import CELL_TYPES, Edit
from .edit_summary import summary
from .edits import Plan
from .text_diff import rewrite

_BYTES_A_CHARACTER = 4  # at most, in UTF-8


class Cells:
    """The operations on cells, independent of MCP. Each edit is a transaction of the document, a new type two."""

    def __init__(
        self,
        execution: Execution,
        *,
        max_output_bytes: int,
        max_output_messages: int,
        execution_timeout: float | None,
        typing_grace: float,
    ) -> None:
        self._execution = execution
        self._max_output_bytes = max_output_bytes
        self._max_output_messages = max_output_messages
        self._execution_timeout = execution_timeout
        self._typing_grace = typing_grace

    def leave_to_person(self, live: Live, at: int) -> None:
        """Raise PersonTypingError if a person's caret is, or was in the last seconds, in the cell."""
        self._leave(live, at, "this cell", f"cell {at} is unchanged")

    def _leave(self, live: Live, at: int, cell: str, unchanged: str) -> None:
        name = live.carets.at(live.document.ycells[at], self._typing_grace)
        if name is not None:
            raise PersonTypingError(
                f"{name} is typing in {cell}, or was in the last {self._typing_grace:g} s; {unchanged}. "
                "Pass `over_person=true` to do it anyway, or work on another cell."
            )

    def edit(self, live: Live, edits: Sequence[Edit], *, over_person: bool) -> dict[str, Any]:
        """Make many edits, all or none; return what was done. Raises what an edit alone would."""
        plan = Plan(LiveReader(live))
        plan.add(edits)
        if not over_person:
            for slot in plan.touched():
                if slot.at is not None:
                    self._leave(live, slot.at, f"cell {slot.at} ({slot.id!r})", "nothing was changed")
        change, done = Change(live, plan), summary(live.path, plan)  # both before anything moves
        with _guarded(live, "edit", change.size), live.as_one():
            change.make()
        return done

    def update(self, live: Live, at: int, source: str, cell_type: str | None) -> None:
        """Change a cell by the least that is needed: people's carets, selections and undo in the rest of it stay.

        A new type takes a new shared cell, as in JupyterLab; it keeps the id, and stays a person's active cell.
        """
        document = live.document
        old: Map[Any] = document.ycells[at]
        if cell_type is None or cell_type == old["cell_type"]:
            with _edit(live, "update", len(source)):
                rewrite(old["source"], clean(source))
            return
        cell = new_cell(source, cell_type)
        cell["id"] = old.get("id") or cell["id"]
        kept = {key: value for key, value in old["metadata"].to_py().items() if key != "trusted"}
        cell["metadata"] = {**kept, **cell["metadata"]}
        if "code" not in (cell_type, old["cell_type"]) and (attachments := (old.to_py() or {}).get("attachments")):
            cell["attachments"] = attachments
        # In this order: of a cell that goes first, JupyterLab would make the one above active. And one by one: of both
        # in one transaction below which somebody types, it takes the caret away.
        with _guarded(live, "update", len(source)):
            with document.ydoc.transaction():
                document.ycells.insert(at, document.create_ycell(cell))
            with document.ydoc.transaction():
                del document.ycells[at + 1]

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
        with _edit(live, "insert", len(source)):
            document.ycells.insert(at, document.create_ycell(cell))
        return at

    def delete(self, live: Live, at: int) -> None:
        """Delete a cell."""
        with _edit(live, "delete"):
            del live.document.ycells[at]

    async def execute(
        self,
        live: Live,
        at: int,
        *,
        expected: str | None,
        seconds: float | None,
        gone: asyncio.Event,
        progress: Progress,
        tell: Callable[[str], None] | None = None,
    ) -> list[Output]:
        """Run a code cell on the notebook's kernel; outputs stream into the document.

        What runs is the source that the cell has when its turn comes. `tell` takes what is said beside the outputs.
        """
        _require_writable(live)
        _require_room(live)
        document = live.document
        cell: Map[Any] = document.ycells[at]
        if cell["cell_type"] != "code":
            raise BadCellError(f"Cell {at} is {cell['cell_type']}; only code cells can be run.")
        cell_id = self._id(live, at)
        kernel_name = kernel_named_by(document.ydoc.get("meta", type=Map).to_py())
        patience = Patience(self._execution_timeout if seconds is None else seconds, gone, progress)
        sink = OutputSink(live, cell_id, Allowance(self._max_output_bytes, self._max_output_messages))
        with live.hold():
            kernel_id = await self._execution.kernels.id_of(live.path, live.room_id, kernel_name)
            async with self._execution.turn(kernel_id, patience) as kernel:
                await sink.settled()
                now = live.locate(None, cell_id)
                live.check(now, expected)
                if (actor := ACTOR.get()) is not None:
                    actor.begins(live, cell_id)
                self._execution.kernels.runs(live.room_id, kernel, lambda: _was_run(live))
                await self._execution.run(kernel, str(document.ycells[now]["source"]), sink, patience)
        _require_durable(live)
        if tell is not None and (notice := self._execution.kernels.notice(live.room_id)):
            tell(notice)
        return sink.outputs

    def _id(self, live: Live, at: int) -> str:
        """Give the cell's id; gives it one if its notebook's format has none."""
        cell: Map[Any] = live.document.ycells[at]
        if not cell.get("id"):
            with _edit(live, "name"):
                cell["id"] = str(uuid4())
        found: str = cell["id"]
        return found


def _was_run(live: Live) -> bool:
    """Tell whether the notebook shows that cells of it have run."""
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
def _edit(live: Live, kind: str, characters: int = 0) -> Iterator[None]:
    """One transaction, guarded."""
    with _guarded(live, kind, characters), live.document.ydoc.transaction():
        yield


@contextmanager
def _guarded(live: Live, kind: str, characters: int = 0) -> Iterator[None]:
    """Stand around an agent's transactions, in a span.

    Raises ReadOnlyError; NotDurableError if the journal can't take it, before anything is changed if that can be known.
    """
    _require_writable(live)
    if (actor := ACTOR.get()) is not None:
        actor.will_change(live)
    _require_room(live, characters)
    with span("jupyter_mcp.transaction", kind=kind), live.ours():
        yield
    _require_durable(live)


def _require_writable(live: Live) -> None:
    if not live.writable:
        raise ReadOnlyError(f"{live.path!r} is not writable; copy it to another name first.")


def _require_room(live: Live, characters: int = 0) -> None:
    try:
        live.journal.ready(live.document.ydoc, _BYTES_A_CHARACTER * characters)
    except OSError as error:
        raise NotDurableError(
            f"Nothing was changed: the server can't keep edits safe from a crash ({why(error)}, in "
            f"{live.journal.file.parent}). Reading works; edit again when that folder can be written."
        ) from error


def _require_durable(live: Live) -> None:
    if live.journal.fault is not None:
        raise NotDurableError(
            "The change is in the live notebook, but the server could not keep it safe from a crash "
            f"({why(live.journal.fault)}, in {live.journal.file.parent}). Don't make it again; save the notebook with "
            "close_notebook_session, and see that the folder can be written."
        )


def new_cell(source: str, cell_type: str) -> dict[str, Any]:
    """Give a cell as nbformat. Raises BadCellError."""
    if cell_type not in CELL_TYPES:
        raise BadCellError(f"cell_type is one of {', '.join(CELL_TYPES)}, not {cell_type!r}.")
    cell: dict[str, Any] = {"id": str(uuid4()), "cell_type": cell_type, "source": clean(source), "metadata": {}}
    if cell_type == "code":
        # As JupyterLab marks cells made in it; without, the saved file reads back differently.
        cell.update(metadata={"trusted": True}, outputs=[], execution_count=None)
    return cell
