"""Rooms: the live documents of jupyter-collaboration, joined through its public API."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from typing import Any, cast

from jupyter_server.utils import ensure_async
from jupyter_server_ydoc.app import YDocExtension  # type: ignore[import-untyped]
from jupyter_server_ydoc.rooms import DocumentRoom  # type: ignore[import-untyped]
from jupyter_ydoc import YNotebook
from pycrdt import Map, TransactionEvent
from tornado.web import HTTPError

from .collaboration import document_of, loaded, loader_of, room_lock, save_now
from .errors import CellChangedError, CellMissingError, RoomUnavailableError
from .journal import Header, Journal

FORMAT, KIND = "json", "notebook"


def revision(cell_type: str, source: str) -> str:
    """Give the short hash that `expected` is compared with."""
    return hashlib.sha256(f"{cell_type}\0{source}".encode()).hexdigest()[:16]


@dataclass
class Live:
    """A room that agents use: its document, and the journal that outlives a crash."""

    path: str
    room_id: str
    room: DocumentRoom
    document: YNotebook
    journal: Journal
    subscription: Any
    used: float = field(default_factory=time.monotonic)
    busy: int = 0

    def locate(self, index: int | None, cell_id: str | None) -> int:
        """Resolve an address to an index, good until the next await. Raises CellMissingError."""
        cells = self.document.ycells
        if cell_id is not None:
            for at in range(len(cells)):
                if cells[at].get("id") == cell_id:
                    return at
            raise CellMissingError(f"No cell with id {cell_id!r}; read the notebook again.")
        if index is None:
            raise CellMissingError("Give `index` or `cell_id`.")
        count = len(cells)
        if not -count <= index < count:
            raise CellMissingError(f"No cell {index}: the notebook has {count}, 0 to {count - 1}.")
        return index % count

    def check(self, index: int, expected: str | None) -> None:
        """Raise CellChangedError unless the cell still has the revision `expected`."""
        cell: Map[Any] = self.document.ycells[index]
        now = revision(cell["cell_type"], str(cell["source"]))
        if expected is not None and expected != now:
            raise CellChangedError(f"Cell {index} changed since you read it (now {now}); get_cell and decide again.")

    def cell(self, index: int) -> dict[str, Any]:
        """Give a cell as nbformat, always with its id, plus its `revision` and `index`."""
        shared: Map[Any] = self.document.ycells[index]
        cell: dict[str, Any] = self.document.get_cell(index)
        cell["id"] = shared.get("id", "")
        return {**cell, "index": index, "revision": revision(cell["cell_type"], cell["source"])}


class Rooms:
    """Finds, creates, saves and closes rooms; one per notebook."""

    def __init__(self, settings: dict[str, Any], folder: Path, log: Logger, *, fsync: bool, idle: float) -> None:
        self._settings = settings
        self._folder = folder
        self._log = log
        self._fsync = fsync
        self._idle = idle
        self._live: dict[str, Live] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def extension(self) -> YDocExtension:
        """jupyter-collaboration's extension; raises RoomUnavailableError if it is off."""
        found = self._settings.get("jupyter_server_ydoc")
        if found is None:
            raise RoomUnavailableError("jupyter-collaboration is not enabled on this server.")
        return cast("YDocExtension", found)

    def room_id(self, path: str) -> str | None:
        """Give the id of the notebook's room, open or not; None if the file was never indexed."""
        file_id = self._settings["file_id_manager"].get_id(path)
        return None if file_id is None else f"{FORMAT}:{KIND}:{file_id}"

    def is_open(self, path: str) -> bool:
        """Tell whether the notebook's room is open."""
        room_id = self.room_id(path)
        return room_id is not None and room_id in self.extension.ywebsocket_server.rooms

    async def join(self, path: str) -> Live:
        """Give the notebook's live document, made from the file if nobody has it open."""
        extension = self.extension
        document = await extension.get_document(
            path=path, content_type=KIND, file_format=FORMAT, copy=False, create=True
        )
        room_id = self.room_id(path)
        room = extension.ywebsocket_server.rooms.get(room_id) if room_id else None
        if document is None or room_id is None or not isinstance(room, DocumentRoom):
            raise RoomUnavailableError(f"The room of {path!r} could not be opened; try again.")
        if not room.ready:
            # A browser's handshake adds the room first and fills it later, under this lock.
            async with room_lock(extension, room_id):
                await room.initialize()
        await loaded(room)
        live = self._live.get(room_id)
        if live is None or live.room is not room:
            if live is not None:
                self._forget(live, delete=False)
            live = self._attach(path, room_id, room, document_of(room))
        live.path = path
        live.used = time.monotonic()
        return live

    def _attach(self, path: str, room_id: str, room: DocumentRoom, document: YNotebook) -> Live:
        file = self._folder / f"{room_id.rsplit(':', 1)[-1]}.journal"
        loader = loader_of(room)
        ydoc = document.ydoc
        journal = Journal(file, Header(room_id, path), ydoc.get_update(), str(loader.last_modified), self._fsync)
        pending: list[Callable[[], bytes]] = [ydoc.get_update]

        def on_update(event: TransactionEvent) -> None:
            journal.append(event.update)
            # Upstream writes `hash` into the document right after each save.
            journal.saved(str(loader.last_modified), pending[0])

        live = Live(path, room_id, room, document, journal, ydoc.observe(on_update))
        self._live[room_id] = live
        return live

    def _forget(self, live: Live, *, delete: bool) -> None:
        live.document.ydoc.unobserve(live.subscription)
        live.journal.close(delete=delete)
        self._live.pop(live.room_id, None)

    async def _is_saved(self, live: Live) -> bool:
        """Tell whether the file holds the document: upstream's save logs a failure, no more."""
        try:
            model = await ensure_async(self._settings["contents_manager"].get(live.path, type=KIND, content=True))
        except HTTPError as error:
            self._log.error("%s is not readable; its journal is kept", live.path, exc_info=error)
            return False
        return bool(model["content"] == live.document.get())

    async def close(self, path: str) -> bool:
        """Save, then close the room unless people are in it; tells whether it was closed."""
        room_id = self.room_id(path)
        rooms = self.extension.ywebsocket_server.rooms
        room = rooms.get(room_id) if room_id else None
        if room_id is None or not isinstance(room, DocumentRoom):
            return False
        if room.ready and (saving := save_now(room)) is not None:
            await saving
        live = self._live.get(room_id)
        if room.clients or (live is not None and live.busy):
            return False
        extension = self.extension
        async with room_lock(extension, room_id):
            if room.clients or rooms.get(room_id) is not room:
                return False  # somebody came while it was being saved
            await extension.ywebsocket_server.delete_room(room=room)
            if live is not None:
                self._forget(live, delete=await self._is_saved(live))
            file_id = room_id.rsplit(":", 1)[-1]
            loaders = extension.file_loaders
            if file_id in loaders and loaders[file_id].number_of_subscriptions == 0:
                await loaders.remove(file_id)
        return True

    async def sweep(self) -> None:
        """Close rooms that only agents used and that have been idle; forget rooms that are gone."""
        rooms = self.extension.ywebsocket_server.rooms
        for live in list(self._live.values()):
            if rooms.get(live.room_id) is not live.room:
                self._forget(live, delete=await self._is_saved(live))  # upstream closed it
            elif live.room.clients or live.busy:
                live.used = time.monotonic()
            elif time.monotonic() - live.used > self._idle:
                self._log.info("Closing the idle room of %s", live.path)
                await self.close(live.path)

    async def stop(self) -> None:
        """Save everything and let go of the rooms; a save that fails keeps its journal."""
        for live in list(self._live.values()):
            saving = save_now(live.room)
            if saving is not None:
                await asyncio.wait([saving])
            self._forget(live, delete=False)

    def open_rooms(self) -> list[str]:
        """Give the ids of all open rooms, sorted."""
        return sorted(self.extension.ywebsocket_server.rooms)

    def people(self) -> list[dict[str, str]]:
        """Give everyone in any room's awareness, once each."""
        seen: dict[str, str] = {}
        for room in self.extension.ywebsocket_server.rooms.values():
            for state in room.awareness.states.values():
                user = (state or {}).get("user") or {}
                name = user.get("display_name") or user.get("name") or user.get("username")
                if name:
                    seen[str(user.get("username") or name)] = str(name)
        return [{"id": key, "name": name} for key, name in sorted(seen.items())]
