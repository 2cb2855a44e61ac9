"""What agents changed in notebooks, remembered so that it can be taken back: what was there before, and what after.

It is kept in memory, by the notebook's file: it outlives the notebook's room, not the server. The oldest changes go
first, of the notebook that has too many of them, or of all when they take too much memory together.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jupyter_mcp.rooms.actor import ACTOR, Author, next_number

MOST_CHANGES = 200  # of one notebook
MOST_CHARACTERS = 16 << 20  # of one notebook; a change that takes more by itself is known, but can't be taken back
_ALL_CHARACTERS = 64 << 20  # of all notebooks
_RECORD = 500  # characters that a record takes beside what it holds

Facets = dict[str, Any]  # what of a cell changed: cell_type, source, metadata (by key), attachments, shown


@dataclass(frozen=True)
class Place:
    """Where a cell was: its index, and the ids of the cells next to it, the nearest first."""

    index: int
    ahead: tuple[str, ...]
    behind: tuple[str, ...]


@dataclass
class CellRecord:
    """What a change did to one cell."""

    cell_id: str
    old: Facets | None  # None: the change made the cell
    new: Facets | None  # None: the change deleted it
    whole: str = ""  # of a deleted cell: all of it, as JSON
    place: Place | None = None  # of a deleted or moved cell: where it was
    moved_to: Place | None = None
    tied: frozenset[str] = frozenset()  # with which cells of the change: text moved between them
    undone: bool = False

    @property
    def made(self) -> bool:
        """Return whether the change made the cell."""
        return self.old is None and not self.whole

    @property
    def deleted(self) -> bool:
        """Return whether the change deleted the cell."""
        return bool(self.whole)


@dataclass
class ChangeRecord:
    """What one call changed in one notebook."""

    number: int  # that of the call
    author: Author
    tool: str
    cells: list[CellRecord] = field(default_factory=list)
    metadata: tuple[Facets, Facets] = field(default_factory=lambda: ({}, {}))  # of the notebook: before, after
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    size: int = 0
    over: str | None = None  # the person in whose cell it was made, with `over_person`
    undoes: bool = False  # it took back another change
    undone_by: str | None = None
    forgotten: bool = False  # it was too large to be remembered

    @property
    def open(self) -> bool:
        """Return whether something of it may still be taken back."""
        left = any(not cell.undone for cell in self.cells) or any(self.metadata)
        return left and not self.forgotten and self.undone_by is None


class History:
    """The changes of all notebooks, by the ids of their rooms."""

    def __init__(self, most_characters: int = MOST_CHARACTERS, all_characters: int = _ALL_CHARACTERS) -> None:
        self._most = most_characters
        self._most_of_all = all_characters
        self._of: OrderedDict[str, deque[ChangeRecord]] = OrderedDict()
        self._sizes: dict[str, int] = {}

    def add(
        self,
        room_id: str,
        cells: Sequence[CellRecord],
        metadata: tuple[Facets, Facets] = ({}, {}),
        *,
        size: int,
        undoes: bool = False,
        over: str | None = None,
        by: Author | None = None,
    ) -> ChangeRecord | None:
        """Remember what the call that is being served, or a person (`by`), changed; `size` in characters."""
        actor = ACTOR.get()
        if (actor is None and by is None) or not (cells or metadata[0] or metadata[1]):
            return None
        changes = self._of.setdefault(room_id, deque())
        self._of.move_to_end(room_id)
        if actor is None or by is not None:
            change = ChangeRecord(next_number(), by or Author("", "", "Somebody"), "undo")
            changes.append(change)
        elif changes and changes[-1].number == actor.number:
            change = changes[-1]
        else:
            change = ChangeRecord(actor.number, actor.author, actor.tool)
            changes.append(change)
        size += _RECORD * (len(cells) + 1)
        change.undoes = change.undoes or undoes
        change.over = change.over or over
        change.size += size
        self._sizes[room_id] = self._sizes.get(room_id, 0) + size
        if change.size > self._most:
            change.forgotten = True
            change.cells.clear()
        else:
            change.cells.extend(cells)
            change.metadata = ({**metadata[0], **change.metadata[0]}, {**change.metadata[1], **metadata[1]})
        self._bound(room_id)
        return change

    def _bound(self, room_id: str) -> None:
        changes = self._of[room_id]
        while len(changes) > 1 and (len(changes) > MOST_CHANGES or self._sizes[room_id] > self._most):
            self._sizes[room_id] -= changes.popleft().size
        while len(self._of) > 1 and sum(self._sizes.values()) > self._most_of_all:
            oldest, _ = self._of.popitem(last=False)
            del self._sizes[oldest]

    def of(self, room_id: str) -> list[ChangeRecord]:
        """Return the notebook's changes, the latest first."""
        return list(reversed(self._of.get(room_id, ())))

    def all(self) -> Iterator[ChangeRecord]:
        """Yield the changes of all notebooks."""
        for changes in self._of.values():
            yield from changes

    def find(self, room_id: str, number: int) -> ChangeRecord | None:
        """Return a change by its number."""
        return next((one for one in self._of.get(room_id, ()) if one.number == number), None)
