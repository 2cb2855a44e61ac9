"""What the tools do: notebooks and cells, through rooms, kernels and the contents manager."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from jupyter_mcp.errors import (
    BadPathError,
    NotebookExistsError,
    NotebookMissingError,
    ProposeFirstError,
    TooManyError,
)
from jupyter_mcp.kernels.cell_states import CellStates, Told
from jupyter_mcp.locks import KeyedLocks
from jupyter_mcp.paths import SUFFIX, canonical, contained, saveable, walk
from jupyter_mcp.rooms.actor import ACTOR
from jupyter_mcp.rooms.live import Address, Live, cell_of, revision
from jupyter_mcp.rooms.loaders import read_notebook
from jupyter_mcp.rooms.notebook_shape import reason
from jupyter_mcp.rooms.snapshot import seen
from jupyter_mcp.rtc_adapter import Rooms

from .cells import Cells
from .edit_requests import parse_edits

Changed = TypeVar("Changed")
MAX_FOLDERS = 50  # in each other, that are made for a notebook


class Notebooks:
    """The operations behind the tools, independent of MCP."""

    def __init__(
        self,
        settings: dict[str, Any],
        rooms: Rooms,
        cells: Cells,
        *,
        max_watchers: int,
        states: CellStates | None = None,
    ) -> None:
        self.rooms = rooms
        self._cells = cells
        self._states = states
        self._contents = settings["contents_manager"]
        self._settings = settings
        self._max_watchers = max_watchers
        self._watchers = 0
        self._creating = KeyedLocks()

    @property
    def contents(self) -> Any:
        """The server's contents manager."""
        return self._contents

    @property
    def root(self) -> str | None:
        """The folder that paths are below; None where the contents are not files of this machine."""
        return getattr(self._contents, "root_dir", None)

    def _canonical(self, path: str) -> str:
        path = canonical(path, allow_hidden=bool(getattr(self._contents, "allow_hidden", False)))
        # Not in a thread: that costs each call more than these few lstats, and file_exists blocks as they do.
        contained(self.root, path)
        if (actor := ACTOR.get()) is not None:
            actor.reaches(path)
        return path

    async def existing(self, path: str) -> str:
        """Return the path of a notebook that is there, as it is known. Raises NotebookMissingError, BadPathError."""
        path = self._canonical(path)
        if not await ensure_async(self._contents.file_exists(path)):
            raise NotebookMissingError(f"No notebook at {path!r}; list_notebooks shows what is there.")
        return path

    async def join(self, path: str) -> Live:
        """Return the notebook's live document; good until the next await."""
        return await self.rooms.join(await self.existing(path))

    async def changing(self, path: str, change: Callable[[Live, bool], Changed]) -> Changed:
        """Make a change, and return what `change` does; where a person has to see it first, when one has accepted it.

        It is planned anew then: the notebook may be another by now, and what nobody saw is shown again. `change` is
        told whether a person has accepted it; whose caret is in a cell is asked no more then.
        """
        seen = False
        while True:
            live = await self.join(path)
            try:
                return change(live, seen)
            except ProposeFirstError:
                if (actor := ACTOR.get()) is None:
                    raise
                with live.hold():  # the preview is of this room
                    seen = await actor.propose()

    async def list_all(self) -> list[dict[str, str]]:
        """Return every notebook below the root; hidden folders and checkpoints are left out."""
        if self.root:
            paths = await asyncio.to_thread(walk, self.root)
        else:
            paths = await self._list_remote()
        return [{"path": path, "name": posixpath.basename(path)} for path in paths]

    async def _list_remote(self) -> list[str]:
        found: list[str] = []
        pending = [""]
        while pending:
            model = await ensure_async(self._contents.get(pending.pop(), type="directory"))
            for entry in model["content"]:
                if entry["name"].startswith("."):
                    continue
                if entry["type"] == "directory":
                    pending.append(entry["path"])
                elif entry["name"].endswith(SUFFIX):
                    found.append(entry["path"])
        return sorted(found)

    async def get(self, path: str) -> dict[str, Any]:
        """Return the notebook as nbformat: the live document if a room is open, else the disk.

        Raises RoomUnavailableError while the file lacks what was acknowledged before a crash: it would be missed, and
        done again.
        """
        path = await self.existing(path)
        if self.rooms.available and not self.rooms.is_open(path):
            await self.rooms.recovered(path)
        if self.rooms.is_open(path):  # perhaps since just now
            return seen((await self.rooms.join(path)).document)
        file_id = self.rooms.file_id(path)
        try:
            model = await read_notebook(self._contents, path, self.rooms.log)
            await self.rooms.cell_ids.name(self._contents, path, file_id, model)
        except Exception as error:  # boundary: of any contents manager, and any file
            raise BadPathError(f"{path!r} can't be read: {reason(path, error, self.root)}.") from error
        saved: dict[str, Any] = model["content"]
        return saved

    async def states(self, path: str, cells: Sequence[dict[str, Any]], *, ended: bool = False) -> Mapping[str, Told]:
        """Return what is known of the runs of these cells, by id: of those that run or wait, or also that `ended`."""
        path = self._canonical(path)
        room_id = self.rooms.room_id(path) if self.rooms.is_open(path) else None
        if self._states is None or room_id is None:
            return {}
        says = {cell["id"]: cell.get("state") == "running" for cell in cells if cell.get("id")}
        return await self._states.of(path, room_id, says, ended=ended)

    async def create(self, path: str) -> dict[str, str]:
        """Make a notebook with one empty cell, and its missing folders; return its path, name, and the cell's address.

        Raises NotebookExistsError, BadPathError.
        """
        path = self._canonical(path)
        async with self._creating(path):
            if await ensure_async(self._contents.exists(path)):
                raise NotebookExistsError(f"{path!r} exists already; open it, or choose another name.")
            saveable(self.root, path)
            notebook = nbformat.v4.new_notebook(metadata=self._kernel_metadata())  # type: ignore[no-untyped-call]
            # An empty list would get a cell with a random id each time a room is made from the file.
            notebook.cells = [nbformat.v4.new_code_cell(metadata={"trusted": True})]  # type: ignore[no-untyped-call]
            try:
                await self._make_folders(path)
                await ensure_async(
                    self._contents.save({"type": "notebook", "format": "json", "content": notebook}, path)
                )
            except (HTTPError, OSError) as error:
                raise BadPathError(f"{path!r} could not be written: {reason(path, error, self.root)}.") from error
        address = {"cell_id": notebook.cells[0]["id"], "revision": revision("code", "")}
        return {"path": path, "name": posixpath.basename(path), **address}

    async def _make_folders(self, path: str) -> None:
        """Make the folders of a path that are missing. Raises BadPathError for too many."""
        folder, parts = "", path.split("/")[:-1]
        if len(parts) > MAX_FOLDERS and not await ensure_async(self._contents.dir_exists("/".join(parts))):
            # Jupyter looks at all folders above for each: hundreds take it many seconds, in which it does nothing else.
            raise BadPathError(
                f"The path has {len(parts)} folders; no more than {MAX_FOLDERS} are made for a notebook."
            )
        for part in parts:
            folder = f"{folder}/{part}" if folder else part
            async with self._creating(folder):
                if not await ensure_async(self._contents.dir_exists(folder)):
                    await ensure_async(self._contents.save({"type": "directory"}, folder))

    def _kernel_metadata(self) -> dict[str, Any]:
        """Return the default kernel's metadata, so that JupyterLab needn't ask for a kernel."""
        name = self._settings["kernel_manager"].default_kernel_name
        try:
            spec = self._settings["kernel_spec_manager"].get_kernel_spec(name)
        except NoSuchKernel:
            return {}
        kernelspec = {"name": name, "display_name": spec.display_name, "language": spec.language}
        return {"kernelspec": kernelspec, "language_info": {"name": spec.language}}

    async def cell(self, path: str, index: int | None, cell_id: str | None) -> dict[str, Any]:
        """Return one cell of the live document, with what is known of its run; of the file where there are no rooms."""
        if not self.rooms.available:
            return cell_of(await self.get(path), index, cell_id)
        live = await self.join(path)
        cell = live.cell(live.locate(index, cell_id))
        return {**cell, **(await self.states(live.path, [cell], ended=True)).get(cell["id"], {})}

    async def update(
        self,
        path: str,
        index: int | None,
        source: str,
        cell_type: str | None,
        cell_id: str | None,
        expected: str | None,
        *,
        over_person: bool = False,
    ) -> Address:
        """Change a cell's source, and its type if given; return where it is now. Raises PersonTypingError."""

        def change(live: Live, seen: bool) -> Address:
            at = live.locate(index, cell_id)
            live.check(at, expected)
            over = None if seen else self._cells.leave_to_person(live, at, over_person=over_person)
            self._cells.update(live, at, source, cell_type, over)
            return live.address(at)

        return await self.changing(path, change)

    async def insert(
        self,
        path: str,
        index: int | None,
        source: str,
        cell_type: str,
        cell_id: str | None,
        expected: str | None,
    ) -> Address:
        """Insert a cell; return where it is."""

        def change(live: Live, _: bool) -> Address:
            return live.address(self._cells.insert(live, index, source, cell_type, cell_id, expected))

        return await self.changing(path, change)

    async def delete(
        self, path: str, index: int | None, cell_id: str | None, expected: str | None, *, over_person: bool = False
    ) -> Address:
        """Delete a cell; return where it was. Raises PersonTypingError."""

        def change(live: Live, seen: bool) -> Address:
            at = live.locate(index, cell_id)
            live.check(at, expected)
            over = None if seen else self._cells.leave_to_person(live, at, over_person=over_person)
            was = live.address(at)
            self._cells.delete(live, at, over)
            return was

        return await self.changing(path, change)

    async def edit(self, path: str, edits: object, *, over_person: bool = False) -> dict[str, Any]:
        """Make many edits, all or none; return what was done."""
        asked = parse_edits(edits)

        def change(live: Live, seen: bool) -> dict[str, Any]:
            return self._cells.edit(live, asked, over_person=over_person, seen=seen)

        return await self.changing(path, change)

    async def open(self, path: str) -> tuple[str, list[str]]:
        """Open the notebook's room; return its path, and the names of journals of it that can't be read."""
        live = await self.join(path)
        return live.path, self.rooms.set_aside(live.path)

    async def close(self, path: str) -> tuple[str, bool]:
        """Save and close the room; gives the path, and whether the room is closed."""
        path = self._canonical(path)
        if not self.rooms.is_open(path):
            await self.existing(path)
        return path, await self.rooms.close(path)

    async def watch(self, path: str, seconds: float, gone: asyncio.Event) -> int | None:
        """Wait for anybody's change of cells or metadata; gives the number of cells, or None."""
        changed = asyncio.Event()
        async with self.changes(path, changed.set) as live:
            waits = [asyncio.ensure_future(event.wait()) for event in (changed, gone)]
            try:
                await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            return len(live.document.ycells) if changed.is_set() else None

    @asynccontextmanager
    async def changes(self, path: str, callback: Callable[[], None]) -> AsyncIterator[Live]:
        """Call `callback` at each change of the notebook, whose room stays open meanwhile. Raises TooManyError."""
        if self._watchers >= self._max_watchers:
            raise TooManyError("Too many watchers on this server; try again later.")
        self._watchers += 1
        try:
            live = await self.join(path)
            with live.hold(), live.listening(callback):
                yield live
        finally:
            self._watchers -= 1
