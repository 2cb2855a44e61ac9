"""Rooms: the live documents of jupyter-collaboration, joined through its public API."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from logging import Logger
from pathlib import Path
from typing import Any, cast

from jupyter_server.utils import ensure_async
from jupyter_server_ydoc.app import YDocExtension  # type: ignore[import-untyped]
from jupyter_server_ydoc.rooms import DocumentRoom  # type: ignore[import-untyped]

from . import metrics
from .errors import RoomUnavailableError, SaveFailedError, why
from .locks import KeyedLocks
from .paths import file_of, saveable
from .rooms.actor import ACTOR
from .rooms.batched_store import close, flush, in_step, keep
from .rooms.cell_ids import CellIds, keeps_ids, nameless
from .rooms.journal import Journal
from .rooms.journal_frames import Header
from .rooms.live import Live
from .rooms.loaders import read_notebook
from .rooms.looks import looks
from .rooms.merge import Notebook
from .rooms.opening import open_room
from .rooms.people import name_of
from .rooms.presence import Presences
from .rooms.recoveries import Recoveries
from .rooms.rescue import rescue
from .rooms.saves import FORMAT, KIND, Saves
from .rooms.shutdown import dismiss, save_due
from .rooms.snapshot import read, seen
from .rooms.ydoc_private import document_of, loader_lock, loader_of, room_lock, settled
from .telemetry import span

NO_ROOMS = "jupyter-collaboration is not enabled on this server; ask its owner to enable it."
_ATTEMPTS = 5  # closings of a room that agents keep editing


class Rooms:
    """Finds, creates, saves and closes rooms; one per notebook."""

    def __init__(self, settings: dict[str, Any], folder: Path, log: Logger, *, fsync: bool, idle: float) -> None:
        self._settings = settings
        self._folder = folder
        self._log = log
        self._fsync = fsync
        self._idle = idle
        self._live: dict[str, tuple[Live, Saves]] = {}
        self._locks = KeyedLocks()
        self.recoveries: Recoveries | None = None
        self.cell_ids = CellIds()
        self.presences = Presences(self._rooms, log)
        self._off = ""
        self._opening: Counter[str] = Counter()  # rooms on their way, by the credential of who opens them
        for figure, tell in (
            (metrics.ROOMS, self._count),
            (metrics.JOINED, self._count_joined),
            (metrics.JOURNALS, self._count_joined),
            (metrics.JOURNAL_BYTES, self._journal_bytes),
            (metrics.PENDING, self._unsaved),
            (metrics.BROKEN, self._broken),
        ):
            figure.watch(tell)

    def _count(self) -> float:
        return len(self._rooms())

    def _count_joined(self) -> float:
        return len(self._live)

    def _journal_bytes(self) -> float:
        return sum(live.journal.size for live, _ in self._live.values())

    def _unsaved(self) -> float:
        return sum(live.edits - saves.saved_edits for live, saves in self._live.values())

    def _broken(self) -> float:
        return sum(live.journal.broken for live, _ in self._live.values())

    def switch_off(self, reason: str) -> None:
        """Have no rooms from now on, and say why to who asks for one; people's are left to upstream alone."""
        self._off = reason

    @property
    def log(self) -> Logger:
        """The server's log."""
        return self._log

    @property
    def available(self) -> bool:
        """Return whether this server has rooms at all."""
        return not self._off and self._settings.get("jupyter_server_ydoc") is not None

    def _rooms(self) -> dict[str, Any]:
        found: dict[str, Any] = self.extension.ywebsocket_server.rooms if self.available else {}
        return found

    @property
    def extension(self) -> YDocExtension:
        """jupyter-collaboration's extension; raises RoomUnavailableError if it is off, or can't be used."""
        found = self._settings.get("jupyter_server_ydoc")
        if self._off or found is None:
            raise RoomUnavailableError(self._off or NO_ROOMS)
        return cast("YDocExtension", found)

    def _room(self, room_id: str) -> DocumentRoom | None:
        room = self._rooms().get(room_id)
        return room if isinstance(room, DocumentRoom) else None

    def file_id(self, path: str) -> str | None:
        """Return the id of a notebook's file, made if it has none; None without an index of files."""
        manager = self._settings.get("file_id_manager")
        return None if manager is None else manager.get_id(path) or manager.index(path)

    def room_id(self, path: str) -> str | None:
        """Return the id of the notebook's room, open or not; None if the file was never indexed."""
        file_id = self._settings["file_id_manager"].get_id(path)
        return None if file_id is None else f"{FORMAT}:{KIND}:{file_id}"

    def is_open(self, path: str) -> bool:
        """Return whether the notebook's room is open."""
        if not self.available:
            return False
        room_id = self.room_id(path)
        return room_id is not None and self._room(room_id) is not None

    async def join(self, path: str) -> Live:
        """Return the notebook's live document, made from the file if nobody has it open.

        The document may be read and edited until the next await. Raises RoomUnavailableError.
        """
        _ = self.extension  # or there are no rooms, and no ids of files either
        while True:
            room_id = self.room_id(path)
            known = self._live.get(room_id) if room_id else None
            if known is None or self._room(known[0].room_id) is not known[0].room:
                known = await self._open(path)
            live, _ = known
            try:
                await settled(live.room)
            except TimeoutError as error:
                raise RoomUnavailableError(f"The room of {path!r} is being filled anew; try again.") from error
            if self._room(live.room_id) is live.room:
                live.moved(path)
                live.name_cells()
                live.used = time.monotonic()
                if (actor := ACTOR.get()) is not None:
                    actor.joined(live)
                return live

    async def _open(self, path: str) -> tuple[Live, Saves]:
        saveable(self._root, path)  # or what is acknowledged would never be in the file
        file_id = self._settings["file_id_manager"].index(path)
        room_id = f"{FORMAT}:{KIND}:{file_id}"
        async with self._locks(room_id):
            known = self._live.get(room_id)
            room = self._room(room_id)
            if known is not None and known[0].room is room:
                return known
            with self._place() if room is None else contextlib.nullcontext():
                await self._recovered(file_id, path)
                with span("jupyter_mcp.room.open", path=path, already_open=room is not None):
                    opened, fresh = await open_room(self.extension, path, room_id, self._root)
                    return await self._attach(path, opened, fresh=fresh)

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """Hold a place for one more room while it is opened: those count whose agents opened them, without people."""
        actor = ACTOR.get()
        if actor is None:
            yield
            return
        credential = actor.credential
        opened = sum(live.opener == credential and not live.people for live, _ in self._live.values())
        actor.opens(opened + self._opening[credential])
        self._opening[credential] += 1
        try:
            yield
        finally:
            self._opening[credential] -= 1
            if not self._opening[credential]:
                del self._opening[credential]

    @property
    def _root(self) -> str | None:
        return getattr(self._settings["contents_manager"], "root_dir", None)

    async def recovered(self, path: str) -> None:
        """Wait until the file of a notebook without a room holds what was acknowledged. Raises RoomUnavailableError."""
        room_id = self.room_id(path)
        if room_id is not None:
            async with self._locks(room_id):
                await self._recovered(room_id.rsplit(":", 1)[-1], path)

    async def _recovered(self, file_id: str, path: str) -> None:
        known = self._live.get(f"{FORMAT}:{KIND}:{file_id}")
        if known is not None and self._room(known[0].room_id) is not known[0].room:
            self._forget(*known, delete_journal=known[1].complete)  # upstream closed it
        here = self._room(f"{FORMAT}:{KIND}:{file_id}") is not None
        reason = None if self.recoveries is None else await self.recoveries.finished(file_id, path, room=here)
        if reason is not None:
            raise RoomUnavailableError(
                f"{path!r} has edits from before a crash that could not be put into its file yet: "
                f"{why(RuntimeError(reason), self._root)}. They are safe; call again when that is mended."
            )

    def set_aside(self, path: str) -> list[str]:
        """Return the names of journals of the notebook that can't be read."""
        file_id = self._settings["file_id_manager"].get_id(path)
        return [] if self.recoveries is None or file_id is None else self.recoveries.set_aside(file_id)

    async def _attach(self, path: str, room: DocumentRoom, *, fresh: bool) -> tuple[Live, Saves]:
        contents, loader, document = self._settings["contents_manager"], loader_of(room), document_of(room)
        async with loader_lock(loader):
            model = await ensure_async(contents.get(path, type=KIND, content=False))
        in_step: Notebook | None = None
        if not fresh and not await loader.changed():
            # What people have not saved yet is theirs and ours.
            in_step_model = await read_notebook(contents, path, self._log)
            await self.cell_ids.name(contents, path, _file_id(room.room_id), in_step_model)
            in_step = nameless(in_step_model["content"])
        await settled(room)
        state = document.ydoc.get_update()
        root_key = "" if self.recoveries is None else self.recoveries.root_key
        header = Header(room.room_id, path, file_of(self._root, path), root_key)
        modified, digest = str(loader.last_modified), loader.digest
        journal = Journal(self._folder, header, state, modified, fsync=self._fsync, digest=digest)
        if journal.fault is not None:
            self._log.error("The journal of %s can't be made in %s: %s", path, self._folder, why(journal.fault))
        live = Live(path, room, document, journal, self._log, self._root)
        live.writable = bool(model["writable"])
        if fresh and (actor := ACTOR.get()) is not None:
            live.opener = actor.credential
        content = seen(document)
        if not keeps_ids(content):  # its store, or a tab, may have other ids than those that were given
            live.rename(self.cell_ids.missing(_file_id(live.room_id), content["cells"]))
        self._live[live.room_id] = known = live, Saves(live, in_step or state, contents, self._log)
        return known

    def _forget(self, live: Live, saves: Saves, *, delete_journal: bool) -> None:
        # Closing awaits between the room's end and this: the sweep may have come first.
        if self._live.get(live.room_id) == (live, saves):
            del self._live[live.room_id]
            content = seen(live.document)
            if not keeps_ids(content):
                self.cell_ids.remember(_file_id(live.room_id), content["cells"])
            delete_journal = delete_journal and in_step(live.room)
            live.release(delete_journal=delete_journal)
            if not delete_journal and self.recoveries is not None:
                self.recoveries.add(live.journal.file)  # it is for who opens the notebook next, or for the next start

    async def close(self, path: str) -> bool:
        """Save, then close the room unless somebody is in it; tells whether it is closed.

        Raises SaveFailedError if the file can't be written; the room then stays.
        """
        _ = self.extension
        room_id = self.room_id(path)
        if room_id is None or self._room(room_id) is None:
            return True
        live = await self.join(path)
        known = self._live.get(live.room_id)
        return known is None or await self._close(*known)

    async def _close(self, live: Live, saves: Saves) -> bool:
        async with self._locks(live.room_id):
            for _ in range(_ATTEMPTS):
                if live.writable:
                    await saves.finish()
                if live.occupied():
                    return False
                async with room_lock(self.extension, live.room_id):
                    await flush(live.room)  # before the last look: somebody may come meanwhile
                    if live.occupied():
                        return False
                    if saves.complete or not live.writable:
                        await self._delete(live)
                        self._forget(live, saves, delete_journal=True)
                        return True
            return False  # agents edit faster than it can be saved

    async def _delete(self, live: Live) -> None:
        """Delete the room and, if no other room has the file, its side of the file; under the room's lock.

        From the call on nobody finds the room: who must know that it is empty looks just before.
        """
        room = self._room(live.room_id)
        if room is None or room is not live.room:
            return
        await self.extension.ywebsocket_server.delete_room(room=room)
        await close(room)
        file_id, loaders = _file_id(live.room_id), self.extension.file_loaders
        if file_id in loaders and loaders[file_id].number_of_subscriptions == 0:
            await loaders.remove(file_id)

    async def sweep(self) -> None:
        """Close rooms that only agents used and that have been idle; forget rooms that are gone."""
        self.presences.tidy()
        for live, saves in list(self._live.values()):
            if self._room(live.room_id) is not live.room:
                self._forget(live, saves, delete_journal=saves.complete)  # upstream closed it
            elif (path := self._settings["file_id_manager"].get_path(_file_id(live.room_id))) is None:
                await self._abandon(live, saves, "was deleted")
            elif live.occupied():
                live.moved(path)
                live.used = time.monotonic()
                live.mend()
            elif time.monotonic() - live.used > self._idle:
                live.moved(path)
                await self._close_idle(live, saves)

    async def _close_idle(self, live: Live, saves: Saves) -> None:
        self._log.info("Closing the idle room of %s", live.path)
        try:
            await self._close(live, saves)
        except SaveFailedError as error:
            contents = self._settings["contents_manager"]
            if await ensure_async(contents.file_exists(live.path)):
                self._log.error("%s", error)
                live.used = time.monotonic()
                return
            if not saves.complete:
                await rescue(contents, live.path, read(live.document), self._log)
            await self._abandon(live, saves, "is gone")

    async def _abandon(self, live: Live, saves: Saves, why: str) -> None:
        """Close the room of a notebook that is no more, unless somebody is in it."""
        async with self._locks(live.room_id), room_lock(self.extension, live.room_id):
            await flush(live.room)
            if live.occupied():
                return
            self._log.info("%s %s; closing its room", live.path, why)
            await self._delete(live)
            self._forget(live, saves, delete_journal=True)

    async def stop(self) -> None:
        """Save everything and let go of the rooms; a save that fails keeps its journal."""
        await self.presences.close()
        for live, saves in list(self._live.values()):
            if live.writable and not saves.complete:
                with contextlib.suppress(SaveFailedError):  # logged by upstream; the journal is kept
                    await saves.finish()
            if live.edits:
                await keep(live.room, live.joined)
            self._forget(live, saves, delete_journal=saves.complete)

    def dismiss(self) -> asyncio.Task[None]:
        """Begin to close people's connections to the rooms."""
        return asyncio.create_task(dismiss(list(self._rooms().values())))

    def save_others(self) -> list[asyncio.Task[None]]:
        """Begin to save the rooms that no agent has joined."""
        rooms = self._rooms()
        others = [room for room_id, room in rooms.items() if room_id not in self._live]
        return save_due(others, self._settings["contents_manager"], self._log)

    def open_rooms(self) -> list[str]:
        """Return the ids of all open rooms, sorted."""
        return sorted(self._rooms())

    def open_paths(self) -> set[str]:
        """Return the paths of the notebooks whose rooms are open."""
        prefix, ids = f"{FORMAT}:{KIND}:", self._settings["file_id_manager"]
        files = (room_id.removeprefix(prefix) for room_id in self._rooms() if room_id.startswith(prefix))
        return {path for file_id in files if (path := ids.get_path(file_id)) is not None}

    def looks(self) -> list[dict[str, Any]]:
        """Return what each person looks at."""
        return looks(self._rooms(), self._settings["file_id_manager"].get_path) if self.available else []

    def people(self) -> list[dict[str, str]]:
        """Return everyone in any room's awareness, once each."""
        seen: dict[str, str] = {}
        for room in self._rooms().values():
            for state in room.awareness.states.values():
                name = name_of(state)  # any tab may say anything about its user
                if name is not None:
                    key = state["user"].get("username")
                    seen[key if isinstance(key, str) and key else name] = name
        return [{"id": key, "name": name} for key, name in sorted(seen.items())]


def _file_id(room_id: str) -> str:
    return room_id.rsplit(":", 1)[-1]
