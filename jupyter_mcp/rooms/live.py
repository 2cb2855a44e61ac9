"""One live notebook that agents use: its cells by id, its journal, and its place in the room."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from logging import Logger
from typing import Any

from jupyter_server_ydoc.rooms import DocumentRoom  # type: ignore[import-untyped]
from jupyter_ydoc import YNotebook
from pycrdt import ArrayEvent, Map, MapEvent, TextEvent, TransactionEvent, merge_updates

from jupyter_mcp.errors import CellChangedError, CellMissingError
from jupyter_mcp.paths import file_of

from .actor import ACTOR
from .cell_ids import names
from .journal import Journal
from .people import Carets
from .twins import without_twins


def revision(cell_type: str, source: str) -> str:
    """Return the short hash that `expected` is compared with."""
    return hashlib.sha256(f"{cell_type}\0{source}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def cell_of(notebook: dict[str, Any], index: int | None, cell_id: str | None) -> dict[str, Any]:
    """Return a cell of a notebook that is only a file, as `Live.cell` does. Raises CellMissingError."""
    cells = notebook["cells"]
    if cell_id is not None:
        index = next((at for at, cell in enumerate(cells) if cell.get("id") == cell_id), None)
        if index is None:
            raise CellMissingError(f"No cell with id {cell_id!r}; read the notebook again.")
    if index is None:
        raise CellMissingError("Give `index` or `cell_id`.")
    if not -len(cells) <= index < len(cells):
        raise CellMissingError(f"No cell {index}: the notebook has {len(cells)}, 0 to {len(cells) - 1}.")
    cell = {"id": "", **cells[index]}
    return {**cell, "index": index % len(cells), "revision": revision(cell["cell_type"], cell["source"])}


@dataclass(frozen=True)
class Address:
    """Where a cell is, its id, and the revision that `expected` is compared with."""

    index: int
    id: str
    revision: str


class Presence:
    """The agents' place among a room's clients: upstream deletes a room when its last client is gone."""

    path = "jupyter_mcp"

    async def send(self, message: bytes) -> None:
        """Take an update; the agents read the document itself."""

    async def recv(self) -> bytes:
        """Never give a message."""
        raise NotImplementedError

    def __aiter__(self) -> Presence:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


class Live:
    """A room with agents in it. Everything but the constructor runs without awaits, so indexes hold."""

    def __init__(
        self, path: str, room: DocumentRoom, document: YNotebook, journal: Journal, log: Logger, root: str | None = None
    ) -> None:
        self.path = path
        self.room_id: str = room.room_id
        self.room = room
        self.document = document
        self.journal = journal
        self.used = time.monotonic()
        self.busy = 0
        self.writable = True
        self.opener: str | None = None  # the credential whose agent opened the room; None: it was open
        self.released = False
        self._log = log
        self._root = root
        self._ids = [cell.get("id") for cell in document.ycells]
        self._odd = True  # a cell may have no id, or another's
        self._behind = False  # an id was changed in place, which the list does not follow
        self._compacting: asyncio.Handle | None = None
        self._presence = Presence()
        room.clients.add(self._presence)
        self.joined = document.ydoc.get_state()  # state vector: what others had put in before us
        self._updates = document.ydoc.observe(self._on_update)
        self.edits = 0
        self._ours = False
        self._together: list[bytes] | None = None
        self.carets = Carets(room.awareness, asyncio.get_running_loop().call_soon)
        self._listeners: set[Callable[[], None]] = set()
        meta: Map[Any] = document.ydoc.get("meta", type=Map)
        self._content = [(shared, shared.observe_deep(self._on_content)) for shared in (meta, document.ycells)]

    def release(self, *, delete_journal: bool) -> None:
        """Leave the room; the journal goes once the notebook's file holds everything."""
        self.released = True
        self.room.clients.discard(self._presence)
        self.carets.release()
        self.document.ydoc.unobserve(self._updates)
        for shared, subscription in self._content:
            shared.unobserve(subscription)
        if self._compacting is not None:
            self._compacting.cancel()
        self.journal.close(delete=delete_journal)

    @property
    def people(self) -> int:
        """The number of clients that are not ours."""
        return len(self.room.clients - {self._presence})

    def occupied(self) -> bool:
        """Return whether somebody is here: a person, a running cell, a watcher."""
        return bool(self.people or self.busy)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the room open while something waits or runs in it."""
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1
            self.used = time.monotonic()

    @contextmanager
    def ours(self) -> Iterator[None]:
        """Take the changes of sources that are made meanwhile for the agents'."""
        self._ours = True
        try:
            yield
        finally:
            self._ours = False

    @contextmanager
    def listening(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call `callback` at every change of cells or metadata, not of upstream's own state."""
        self._listeners.add(callback)
        try:
            yield
        finally:
            self._listeners.discard(callback)

    def _on_content(self, events: Sequence[object]) -> None:
        self.edits += 1
        changed: set[str] = set()
        for event in events:
            if isinstance(event, ArrayEvent) and not event.path:  # type: ignore[attr-defined] # missing from pycrdt's stubs
                changed |= self._on_cells(event)
            elif isinstance(event, MapEvent) and len(event.path) == 1:  # type: ignore[attr-defined] # likewise
                self._behind = self._behind or "id" in event.keys  # type: ignore[attr-defined] # likewise
            elif isinstance(event, TextEvent) and not self._ours and event.path[1:] == ["source"]:  # type: ignore[attr-defined] # likewise
                self.carets.typed(event.target)  # type: ignore[attr-defined] # likewise
        if self._ours and (actor := ACTOR.get()) is not None:
            paths = [event.path for event in events]  # type: ignore[attr-defined] # likewise
            at = {path[0] for path in paths if path and isinstance(path[0], int) and path[0] < len(self._ids)}
            actor.changed(self, changed | {self._ids[index] for index in at if self._ids[index]})
        for listener in tuple(self._listeners):
            listener()

    def moved(self, path: str) -> None:
        """Follow a renamed notebook."""
        if path != self.path:
            self.path = path
            with suppress(OSError):  # the journal is broken then, and is written anew with the path
                self.journal.moved(path, file_of(self._root, path))

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """Keep the transactions that are made meanwhile as one in the journal: a crash leaves all of them or none."""
        together: list[bytes] = []
        self._together = together
        try:
            yield
        finally:
            self._together = None
            if together:
                self._keep(merge_updates(*together))

    def _on_update(self, event: TransactionEvent) -> None:
        if self._together is not None:
            self._together.append(event.update)
        else:
            self._keep(event.update)

    def _keep(self, update: bytes) -> None:
        # Nothing is raised here: it would end up with whoever made the change, also a person's tab.
        if not self.journal.broken:
            try:
                self.journal.append(update)
            except OSError:
                self._log.exception("The journal of %s can't be written; edits are refused until it can", self.path)
        if self._compacting is None and self.journal.oversized:
            # Not here: the transaction that is being observed is still open.
            self._compacting = asyncio.get_running_loop().call_soon(self._mend)

    def mend(self) -> None:
        """Try to write a broken journal anew, if it is time for that."""
        if self.journal.broken and self.journal.oversized:
            self._mend()

    def _mend(self) -> None:
        self._compacting = None
        refused = self.journal.broken
        try:
            self.journal.mend(self.document.ydoc)
        except OSError:
            if not refused:
                self._log.exception("The journal of %s can't be written; edits are refused until it can", self.path)

    def _on_cells(self, event: ArrayEvent) -> set[str]:
        """Follow what was inserted and deleted; return the ids of those cells."""
        at, changed = 0, set()
        for change in event.delta:  # type: ignore[attr-defined] # missing from pycrdt's stubs
            if "retain" in change:
                at += int(change["retain"])
            elif "delete" in change:
                changed.update(self._ids[at : at + int(change["delete"])])
                del self._ids[at : at + int(change["delete"])]
            else:
                fresh = [cell.get("id") for cell in change["insert"]]
                self._odd = self._odd or any(not cell_id or cell_id in self._ids for cell_id in fresh)
                self._ids[at:at] = fresh
                changed.update(fresh)
                at += len(fresh)
        return changed - {None}

    def ids(self) -> list[str]:
        """Return the cells' ids, in order; good until the next await."""
        if self._behind or len(self._ids) != len(self.document.ycells):
            self._read_ids()
        return list(self._ids)

    def _read_ids(self) -> None:
        self._ids, self._behind = [cell.get("id") for cell in self.document.ycells], False

    def name_cells(self) -> None:
        """Set an id on cells that have none, or another's, and take away twins; people's tabs bring such."""
        if not self._odd:
            return
        self._ids = [cell.get("id") for cell in self.document.ycells]
        if not all(isinstance(one, str) and one for one in self._ids) or len(set(self._ids)) < len(self._ids):
            cells = without_twins(self.document)
            self._ids = [cell.get("id") for cell in self.document.ycells]
            self.rename(dict(enumerate(names(cells, self._ids))))
        self._odd = False

    def rename(self, ids: dict[int, str]) -> None:
        """Set these ids on the cells at these indexes."""
        with self.ours(), self.document.ydoc.transaction():
            for at, cell_id in ids.items():
                if self._ids[at] != cell_id:
                    self.document.ycells[at]["id"] = self._ids[at] = cell_id

    def find(self, cell_id: str) -> int | None:
        """Return the index of a cell, or None."""
        cells = self.document.ycells
        try:
            at = self._ids.index(cell_id)
        except ValueError:
            at = -1
        if 0 <= at < len(cells) and cells[at].get("id") == cell_id:
            return at
        if at < 0 and not self._behind and len(self._ids) == len(cells):
            return None
        self._read_ids()
        return self._ids.index(cell_id) if cell_id in self._ids else None

    def locate(self, index: int | None, cell_id: str | None) -> int:
        """Resolve an address to an index, good until the next await. Raises CellMissingError."""
        if cell_id is not None:
            found = self.find(cell_id)
            if found is None:
                raise CellMissingError(f"No cell with id {cell_id!r}; read the notebook again.")
            return found
        if index is None:
            raise CellMissingError("Give `index` or `cell_id`.")
        count = len(self.document.ycells)
        if not -count <= index < count:
            raise CellMissingError(f"No cell {index}: the notebook has {count}, 0 to {count - 1}.")
        return index % count

    def check(self, index: int, expected: str | None) -> None:
        """Raise CellChangedError unless the cell still has the revision `expected`."""
        if expected is None:
            return
        cell: Map[Any] = self.document.ycells[index]
        now = revision(cell["cell_type"], str(cell["source"]))
        if expected != now:
            raise CellChangedError(f"Cell {index} changed since you read it (now {now}); get_cell and decide again.")

    def cell(self, index: int) -> dict[str, Any]:
        """Return a cell as nbformat, always with its id, plus its `revision`, `index`, and `state` if it runs."""
        # As JSON of the document, like a whole notebook (snapshot): large outputs take a tenth of the time.
        cell: dict[str, Any] = json.loads(str(self.document.ycells[index]))
        state = cell.pop("execution_state", "idle")
        if not cell.get("attachments", True):
            del cell["attachments"]
        running = {} if state == "idle" else {"state": state}
        return {"id": "", **cell, "index": index, "revision": revision(cell["cell_type"], cell["source"]), **running}

    def address(self, index: int) -> Address:
        """Return how a cell is addressed from now on."""
        shared: Map[Any] = self.document.ycells[index]
        return Address(index, str(shared.get("id", "")), revision(shared["cell_type"], str(shared["source"])))
