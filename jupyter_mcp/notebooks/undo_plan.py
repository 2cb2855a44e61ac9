"""Taking changes back: what of them is still as they left it, cell by cell, planned before anything is done.

What somebody else did since stays. A cell where that is not possible is left as it is, and said so by its id.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pycrdt import Map

from jupyter_mcp.errors import CellMissingError
from jupyter_mcp.rooms.live import Live

from .edit_apply import LiveReader
from .edit_slots import Slot
from .edits import Plan
from .history import CellRecord, ChangeRecord, Facets, Place
from .recording import shown, written
from .text_merge import merged

_MOST_KEPT = 20  # cells that are named as left alone


@dataclass(frozen=True)
class Around:
    """What is known of a notebook's cells beside what is in them."""

    ran_by: Callable[[str, object], str | None]  # which agent ran the cell of that id, with that execution count
    runs: Callable[[str], bool]  # whether the cell of that id runs, or waits to
    typing: Callable[[int], str | None]  # who types in the cell at that index


class LeftAloneError(Exception):
    """Why a cell stays as it is."""


class UndoPlan(Plan):
    """What becomes of a notebook when changes are taken back, the latest first."""

    def __init__(self, live: Live, around: Around) -> None:
        super().__init__(LiveReader(live))
        self._around = around
        meta: Map[Any] = live.document.ydoc.get("meta", type=Map)
        self._notebook_metadata = meta.get("metadata")
        self._index: dict[str, int] = {}  # of the cells before the change that is being taken back
        self._placing: list[tuple[Place, Slot]] = []
        self.kept: list[str] = []  # what stays, and why
        self.taken: list[tuple[ChangeRecord, list[CellRecord]]] = []

    @property
    def does_something(self) -> bool:
        """Return whether it changes anything."""
        return bool(self.touched() or self.metadata or any(slot.at is None for slot in self.slots))

    def take_back(self, change: ChangeRecord) -> None:
        """Plan that what a change did is no more; cells that it made go last, and only if all else could be done.

        What it put into them may be what it took from the others.
        """
        todo = [one for one in change.cells if not one.undone]
        deleted = sorted((one for one in todo if one.deleted), key=lambda one: one.place.index if one.place else 0)
        done: list[CellRecord] = []
        self._index = {slot.id: at for at, slot in enumerate(self.slots)}
        left = 0
        staying = self._staying(todo, change)
        for record in [*deleted, *(one for one in todo if not one.deleted and not one.made)]:
            left += not self._try(record, change, done, staying)
        self._put_in_place()
        for record in (one for one in todo if one.made):
            if left and len(record.tied) < 2:  # noqa: PLR2004 - it is tied to another
                self._keep(record.cell_id, "the change that made it could not be taken back as a whole")
            else:
                self._try(record, change, done, staying)
        meta = self._metadata_back(change) if change.metadata[1] or change.metadata[0] else 0
        if done or meta:
            self.taken.append((change, done))
            parts = [f"{len(done)} of {len(todo)} cells"] if todo else []
            if meta:
                parts.append("the notebook's metadata")
            self.notes.append(f"took back change {change.number} ({change.tool}): {', '.join(parts)}")

    def finish(self) -> None:
        """Move no cell without need."""
        self.leave_in_place()

    def _staying(self, todo: list[CellRecord], change: ChangeRecord) -> dict[str, str]:
        """Return why cells between which text moved stay: one of them does, and text would be there twice or not."""
        found: dict[str, str] = {}
        for record in todo:
            if len(record.tied) < 2:  # noqa: PLR2004 - it is tied to another
                continue
            try:
                self._back(record, change, look=True)
            except LeftAloneError as error:
                found[record.cell_id] = str(error)
        for record in todo:
            stays = sorted(record.tied & found.keys())
            if stays and record.cell_id not in found:
                found[record.cell_id] = f"text moved between it and {stays[0]!r}, which stays"
        return found

    def _try(self, record: CellRecord, change: ChangeRecord, done: list[CellRecord], staying: dict[str, str]) -> bool:
        if record.cell_id in staying:
            self._keep(record.cell_id, staying[record.cell_id])
            return False
        try:
            self._back(record, change)
        except LeftAloneError as error:
            self._keep(record.cell_id, str(error))
            return False
        done.append(record)
        self.tie(record.tied | {record.cell_id})
        return True

    def _keep(self, cell_id: str, why: str) -> None:
        if len(self.kept) < _MOST_KEPT:
            self.kept.append(f"{cell_id!r} stays as it is: {why}.")
        elif len(self.kept) == _MOST_KEPT:
            self.kept.append("More cells stay as they are; get_notebook shows them.")

    def _back(self, record: CellRecord, change: ChangeRecord, *, look: bool = False) -> None:
        """Plan that a cell is as it was; with `look`, only see whether it can be. Raises LeftAloneError."""
        if record.deleted:
            self._bring_back(record, look=look)
            return
        try:
            slot = self.find(record.cell_id)
        except CellMissingError:
            raise LeftAloneError("it was deleted since") from None
        if slot.at is not None and (name := self._around.typing(slot.at)) is not None:
            raise LeftAloneError(f"{name} is typing in it")
        if record.made:
            self._unmake(slot, record, change, look=look)
        else:
            self._revert(slot, record, change, look=look)

    def restore(self, record: CellRecord) -> None:
        """Plan that a deleted cell is there again, at its place. Raises LeftAloneError."""
        self._bring_back(record)
        self._put_in_place()

    def _bring_back(self, record: CellRecord, *, look: bool = False) -> None:
        if record.cell_id in self.by_id:
            raise LeftAloneError("it is there")
        if look:
            return
        cell: dict[str, Any] = json.loads(record.whole)
        cell.pop("execution_state", None)
        cell["id"] = record.cell_id
        if cell.get("execution_count") is not None:
            cell["execution_count"] = float(cell["execution_count"])  # as JupyterLab has it: Yjs knows no integers
        slot = Slot(self.reader, record.cell_id, None, cell)
        self._placing.append((record.place or Place(len(self.slots), (), ()), slot))
        self.by_id[slot.id] = slot
        self.grow(len(slot.source))

    def _put_in_place(self) -> None:
        """Put the cells that come back, or go back, beside those that were their neighbours, in their order."""
        going = {id(slot) for _, slot in self._placing}
        self.slots = [slot for slot in self.slots if id(slot) not in going]
        for place, slot in sorted(self._placing, key=lambda both: both[0].index):
            self.slots.insert(self._beside(place), slot)
        self._placing.clear()

    def _beside(self, place: Place) -> int:
        """Return the index at which a cell of that place is now: after the nearest that was ahead, if it is there."""
        index = {slot.id: at for at, slot in enumerate(self.slots)}
        found = [(near, 0, index[one] + 1) for near, one in enumerate(place.ahead) if one in index]
        found += [(near, 1, index[one]) for near, one in enumerate(place.behind) if one in index]
        return min(found)[2] if found else min(place.index, len(self.slots))

    def _unmake(self, slot: Slot, record: CellRecord, change: ChangeRecord, *, look: bool) -> None:
        new = record.new or {}
        if slot.source != new.get("source"):
            raise LeftAloneError("its source was changed since")
        if slot.cell_type != new.get("cell_type"):
            raise LeftAloneError("its type was changed since")
        if written(_metadata_of(slot)) != new.get("metadata") or slot.attachments != new.get("attachments"):
            raise LeftAloneError("its metadata or attachments were changed since")
        self._require_unshown(slot, new.get("shown"), change)
        if not look:
            self.drop(slot)

    def _require_unshown(self, slot: Slot, after: Facets | None, change: ChangeRecord) -> None:
        """Raise LeftAloneError if the cell shows what somebody else ran since."""
        if self._around.runs(slot.id):
            raise LeftAloneError("it runs, or waits to run")
        now = _shown_of(slot)
        if not now["outputs"] and now["execution_count"] is None:
            return
        if after is not None and _same(now, after):
            return
        if self._around.ran_by(slot.id, now["execution_count"]) != change.author.name:
            raise LeftAloneError("somebody else ran it since")

    def _revert(self, slot: Slot, record: CellRecord, change: ChangeRecord, *, look: bool) -> None:
        old, new = record.old or {}, record.new or {}
        source = None
        if "source" in new and slot.source != old["source"]:
            source = merged(new["source"], slot.source, old["source"])
            if source is None:
                raise LeftAloneError("the same lines were changed since")
        retype = "cell_type" in new and old["cell_type"] != new["cell_type"]
        self._require_unchanged(slot, new, change, retype=retype)
        place = self._old_place(slot, record)
        if look:
            return
        # From here on nothing is refused: a cell is taken back as a whole, or not at all.
        self._put_back(slot, source, old, new, retype=retype)
        if place is not None:
            self._placing.append((place, slot))
            slot.moved = slot.at is not None

    def _require_unchanged(self, slot: Slot, new: Facets, change: ChangeRecord, *, retype: bool) -> None:
        if retype and slot.cell_type != new["cell_type"]:
            raise LeftAloneError("its type was changed since")
        if "attachments" in new and slot.attachments != new["attachments"]:
            raise LeftAloneError("its attachments were changed since")
        if retype and slot.cell_type == "code":
            self._require_unshown(slot, new.get("shown"), change)

    def _put_back(self, slot: Slot, source: str | None, old: Facets, new: Facets, *, retype: bool) -> None:
        if source is not None:
            self.write(slot, source)
        if retype:
            slot.retyped = old["cell_type"]
        if "attachments" in old:
            slot.attachments_now = old["attachments"]
        if "metadata" in new:
            now = _metadata_of(slot)
            slot.metadata |= {
                key: old["metadata"][key] for key, value in new["metadata"].items() if now.get(key) == value
            }
        if "shown" in old and (retype or ("shown" in new and _same(_shown_of(slot), new["shown"]))):
            slot.shown_now = _as_shared(old["shown"])
        elif retype:
            slot.shown_now = None

    def _old_place(self, slot: Slot, record: CellRecord) -> Place | None:
        """Return where a moved cell goes back to; None if it was not moved, or by somebody else since."""
        if record.moved_to is None:
            return None
        index, at = self._index, self.slots.index(slot)
        ahead = next((index[one] for one in record.moved_to.ahead if one in index), -1)
        behind = next((index[one] for one in record.moved_to.behind if one in index), len(self.slots))
        if ahead < at < behind or ahead > behind:
            return record.place
        raise LeftAloneError("it was moved since")

    def _metadata_back(self, change: ChangeRecord) -> int:
        """Plan the notebook's metadata; return how many keys of it."""
        before, after = change.metadata
        shared = self._notebook_metadata
        found = shared.to_py() if isinstance(shared, Map) else shared
        now = {**(found if isinstance(found, dict) else {}), **self.metadata}
        back = {key: before.get(key) for key, value in after.items() if now.get(key) == value}
        if kept := sorted(set(after) - set(back)):
            self.kept.append(f"The notebook's metadata {', '.join(kept)} stays: it was changed since.")
        self.metadata |= back
        return len(back)


def _metadata_of(slot: Slot) -> dict[str, Any]:
    found: dict[str, Any] = slot.original().get("metadata") or {}
    return {key: value for key, value in {**found, **slot.metadata}.items() if value is not None}


def _shown_of(slot: Slot) -> dict[str, Any]:
    if slot.shown_now is not None:
        return slot.shown_now
    if slot.cleared or slot.retyped is not None:
        return shown({})
    return shown(slot.original())


def _same(one: Facets, other: Facets) -> bool:
    return bool(one["execution_count"] == other["execution_count"] and one["outputs"] == other["outputs"])


def _as_shared(found: Facets) -> Facets:
    count = found["execution_count"]
    return {**found, "execution_count": None if count is None else float(count)}
