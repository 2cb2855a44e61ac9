"""Many edits of a notebook, planned before anything is changed: all of them fit, or none is done.

A plan works on the notebook's list of cells. A cell's source, and more of it, is read only if an edit needs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from jupyter_mcp.errors import BadCellError, CellChangedError, CellMissingError

from .edit_requests import Edit, refused
from .edit_slots import Reader, Slot, blank
from .replacing import Replacing, not_found, not_unique

MOST_GROWTH = 16_000_000  # characters that one call may add; a replacement can multiply what was sent


class Plan:
    """What becomes of a notebook. `slots` are its cells to be; `deleted` those that are there and go."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.slots = [Slot(reader, cell_id, at) for at, cell_id in enumerate(reader.ids())]
        self.deleted: list[Slot] = []
        self.metadata: dict[str, Any] = {}
        self.notes: list[str] = []  # of each edit: what was done
        self.growth = 0
        self.names: dict[str, Slot] = {}  # that the call gives to its new cells
        self.together: list[set[str]] = []  # ids of cells between which text moved
        self.by_id: dict[str, Slot] = {}
        for slot in self.slots:
            self.by_id.setdefault(slot.id, slot)

    def add(self, edits: Sequence[Edit]) -> None:
        """Plan the edits in order, each on what those before left. Raises BadCellError and its like."""
        for number, edit in enumerate(edits, 1):
            try:
                self.notes.append(getattr(self, f"_{edit.op}")(edit))
            except BadCellError as error:
                raise refused(number, len(edits), edit.op, error) from error
            except (CellMissingError, CellChangedError) as error:
                raise type(error)(str(refused(number, len(edits), edit.op, error))) from error
        self.leave_in_place()

    def find(self, cell_id: str) -> Slot:
        """Return the cell of that id, or of the name that an edit gave it. Raises CellMissingError."""
        slot = self.names.get(cell_id) or self.by_id.get(cell_id)
        if slot is None:
            gone = any(one.id == cell_id for one in self.deleted)
            raise CellMissingError(
                f"{cell_id!r} is deleted by an edit before it." if gone else f"No cell with id {cell_id!r}."
            )
        return slot

    def tie(self, cell_ids: Iterable[str]) -> None:
        """Note that text moved between these cells: they are taken back together, or not at all."""
        tied = set(cell_ids)
        for one in [group for group in self.together if group & tied]:
            tied |= one
            self.together.remove(one)
        self.together.append(tied)

    def _targets(self, edit: Edit) -> list[Slot]:
        slots = [self.find(cell_id) for cell_id in edit.targets]
        for slot, expected in zip(slots, edit.expected, strict=False):
            _check(slot, expected)
        return slots

    def _where(self, edit: Edit) -> int:
        """Return the index that `before` or `after` mean; the end without."""
        cell_id = edit.before or edit.after
        if cell_id is None:
            return len(self.slots)
        return self.slots.index(self.find(cell_id)) + (edit.before is None)

    def _make(self, cell: dict[str, Any], name: str | None) -> Slot:
        if name is not None and (name in self.names or name in self.by_id):
            raise BadCellError(f"The name {name!r} is taken; choose another.")
        slot = Slot(self.reader, cell["id"], None, cell)
        self.by_id[slot.id] = slot
        if name is not None:
            self.names[name] = slot
        self.grow(len(cell["source"]))
        return slot

    def grow(self, characters: int) -> None:
        """Count what is added. Raises BadCellError for too much."""
        self.growth += max(0, characters)
        if self.growth > MOST_GROWTH:
            raise BadCellError(f"The edits add over {MOST_GROWTH} characters; make fewer in one call.")

    def write(self, slot: Slot, source: str) -> None:
        """Plan a new source."""
        self.grow(len(source) - len(slot.source))
        slot.source_now = source

    def _insert(self, edit: Edit) -> str:
        if edit.expected:
            _check(self.find(edit.before or edit.after or ""), edit.expected[0])
        at = self._where(edit)
        self.slots[at:at] = made = [self._make(blank(one.source, one.cell_type), one.name) for one in edit.cells]
        return f"inserted {_count(len(made))} at {at}"

    def _replace(self, edit: Edit) -> str:
        (slot,) = self._targets(edit)
        self.write(slot, edit.source)
        if edit.cell_type is not None:
            _retype(slot, edit.cell_type)
        return f"replaced {slot.id}"

    def _str_replace(self, edit: Edit) -> str:
        slots = self._targets(edit) or self.slots
        replacing = Replacing(edit.old, edit.new, whole_word=edit.whole_word)
        counts = [(slot, count) for slot in slots if (count := replacing.count(slot.source))]
        total = sum(count for _, count in counts)
        places = [(slot.id, slot.source) for slot in slots]
        if not total:
            raise BadCellError(not_found(edit.old, places, whole_word=edit.whole_word))
        if total > 1 and not edit.every:
            raise BadCellError(not_unique(replacing, total, [(slot.id, slot.source) for slot, _ in counts]))
        for slot, count in counts:
            self.grow(count * (len(edit.new) - len(edit.old)))  # before it is made
            slot.source_now = replacing.apply(slot.source)
        return f"replaced {total} in {_count(len(counts))}"

    def _move(self, edit: Edit) -> str:
        slots = self._targets(edit)
        anchor = edit.before or edit.after
        if anchor is not None and self.find(anchor) in slots:
            raise BadCellError(f"{anchor!r} is one of the cells to move; name another to move them to.")
        moving = set(map(id, slots))
        self.slots = [slot for slot in self.slots if id(slot) not in moving]
        at = self._where(edit)
        self.slots[at:at] = slots
        for slot in slots:
            slot.moved = slot.at is not None
        return f"moved {_count(len(slots))}"

    def _split(self, edit: Edit) -> str:
        (slot,) = self._targets(edit)
        lines = slot.source.split("\n")
        if not 2 <= edit.line <= len(lines):  # noqa: PLR2004 - the second cell's first line
            raise BadCellError(
                f"Can't split at line {edit.line}: the cell has {len(lines)}"
                + (f"; use 2 to {len(lines)}." if len(lines) > 1 else ".")
            )
        rest = "\n".join(lines[edit.line - 1 :])
        cell = blank(rest, slot.cell_type)
        final = slot.final()
        copied: dict[str, Any] = {key: final[key] for key in ("metadata", "attachments") if key in final}
        self.grow(_length(copied))
        cell |= copied
        made = self._make(cell, edit.name)
        slot.source_now = "\n".join(lines[: edit.line - 1])
        at = self.slots.index(slot) + 1
        self.slots.insert(at, made)
        self.tie((slot.id, made.id))
        return f"split {slot.id}; the new cell is {made.id}"

    def _merge(self, edit: Edit) -> str:
        first, *rest = slots = self._targets(edit)
        kinds = {slot.cell_type for slot in slots}
        if len(kinds) > 1:
            raise BadCellError(f"The cells are {' and '.join(sorted(kinds))}; merge cells of one type (see set_type).")
        between = "\n" if first.cell_type == "code" else "\n\n"
        self.write(first, between.join(slot.source for slot in slots))
        attachments = _joined([slot.attachments for slot in slots])
        if attachments != first.attachments:
            first.attachments_now = attachments
        first.cleared = first.cleared or first.cell_type == "code"  # what it shows is not of the whole
        self.tie(slot.id for slot in slots)
        for slot in rest:
            self.drop(slot)
        return f"merged {_count(len(slots))} into {first.id}"

    def _set_type(self, edit: Edit) -> str:
        slots = self._targets(edit)
        for slot in slots:
            _retype(slot, edit.cell_type or "code")
        return f"{_count(len(slots))} now {edit.cell_type}"

    def _clear_outputs(self, edit: Edit) -> str:
        slots = self._targets(edit)
        if wrong := next((slot for slot in slots if slot.cell_type != "code"), None):
            raise BadCellError(f"{wrong.id!r} is {wrong.cell_type}; only code cells have outputs.")
        slots = slots or [slot for slot in self.slots if slot.cell_type == "code"]
        found = [slot for slot in slots if _shows(slot)]
        for slot in found:
            slot.cleared = True
        return f"cleared {_count(len(found))}"

    def _set_metadata(self, edit: Edit) -> str:
        slots, patch = self._targets(edit), dict(edit.metadata or {})
        self.grow(_length(patch) * max(1, len(slots)))
        for slot in slots:
            slot.metadata |= patch
        if not slots:
            self.metadata |= patch
        return f"set {', '.join(sorted(patch))} of {_count(len(slots)) if slots else 'the notebook'}"

    def _delete(self, edit: Edit) -> str:
        slots = self._targets(edit)
        for slot in slots:
            self.drop(slot)
        return f"deleted {_count(len(slots))}"

    def drop(self, slot: Slot) -> None:
        """Plan that a cell goes."""
        self.slots.remove(slot)
        del self.by_id[slot.id]
        self.names = {name: one for name, one in self.names.items() if one is not slot}
        if slot.at is not None:
            self.deleted.append(slot)

    def leave_in_place(self) -> None:
        """Move no cell that is in its place among those that stay: it would lose its carets for nothing."""
        nexts: list[int] = []
        ahead = len(self.slots) + len(self.deleted)
        for slot in reversed(self.slots):
            nexts.append(ahead)
            if slot.at is not None and not slot.moved:
                ahead = slot.at
        before = -1
        for slot, after in zip(self.slots, reversed(nexts), strict=True):
            if slot.at is None:
                continue
            if slot.moved and before < slot.at < after:
                slot.moved = False
            if not slot.moved:
                before = slot.at

    def touched(self) -> list[Slot]:
        """Return the cells that are there and change, or go."""
        return [slot for slot in self.slots if slot.touched] + self.deleted


def _check(slot: Slot, expected: str) -> None:
    if slot.at is None:
        raise BadCellError(f"{slot.id!r} is made by this call; it has no revision to expect.")
    if expected != slot.revision_before:
        raise CellChangedError(
            f"{slot.id!r} changed since you read it (now {slot.revision_before}); get_cell and decide again."
        )


def _joined(attachments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the attachments of cells that become one. Raises BadCellError where two have one name."""
    joined: dict[str, Any] = {}
    for one in attachments:
        if clash := next((name for name in one if joined.get(name, one[name]) != one[name]), None):
            raise BadCellError(f"Two of the cells have an attachment {clash[:80]!r}, not the same; leave them apart.")
        joined |= one
    return joined


def _retype(slot: Slot, cell_type: str) -> None:
    if cell_type != slot.cell_type:
        slot.retyped = cell_type


def _length(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _shows(slot: Slot) -> bool:
    if slot.at is None or slot.cleared:
        return False
    cell = slot.original()
    return bool(cell.get("outputs")) or cell.get("execution_count") is not None


def _count(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"
