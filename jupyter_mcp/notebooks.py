"""What the tools do: notebooks and cells, through rooms, kernels and the contents manager."""

from __future__ import annotations

import asyncio
import posixpath
from typing import Any
from uuid import uuid4

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_server.utils import ensure_async
from pycrdt import Map
from tornado.web import HTTPError

from .errors import BadCellError, NotebookExistsError, NotebookMissingError, TooManyError
from .execution import Kernels
from .outputs import Output, OutputSink
from .paths import SUFFIX, canonical, contained, walk
from .rtc_adapter import Live, Rooms

CELL_TYPES = ("code", "markdown", "raw")


class Notebooks:
    """The operations behind the tools, independent of MCP."""

    def __init__(
        self,
        settings: dict[str, Any],
        rooms: Rooms,
        kernels: Kernels,
        *,
        max_output_bytes: int,
        max_output_messages: int,
        max_watchers: int,
        execution_timeout: float | None,
    ) -> None:
        self.rooms = rooms
        self._kernels = kernels
        self._contents = settings["contents_manager"]
        self._settings = settings
        self._max_output_bytes = max_output_bytes
        self._max_output_messages = max_output_messages
        self._max_watchers = max_watchers
        self._execution_timeout = execution_timeout
        self._watchers = 0

    @property
    def _root(self) -> str | None:
        return getattr(self._contents, "root_dir", None)

    async def _existing(self, path: str) -> str:
        path = canonical(path)
        await asyncio.to_thread(contained, self._root, path)
        if not await ensure_async(self._contents.file_exists(path)):
            raise NotebookMissingError(f"No notebook at {path!r}; list_notebooks shows what is there.")
        return path

    async def _join(self, path: str) -> Live:
        return await self.rooms.join(await self._existing(path))

    async def list_all(self) -> list[dict[str, str]]:
        """Give every notebook below the root; hidden folders and checkpoints are left out."""
        if self._root:
            paths = await asyncio.to_thread(walk, self._root)
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
        """Give the notebook as nbformat: the live document if a room is open, else the disk."""
        path = await self._existing(path)
        if self.rooms.is_open(path):
            live = await self.rooms.join(path)
            content: dict[str, Any] = await live.document.aget()
            return content
        model = await ensure_async(self._contents.get(path, type="notebook", content=True))
        live_or_file: dict[str, Any] = model["content"]
        return live_or_file

    async def create(self, path: str) -> dict[str, str]:
        """Make an empty notebook and its missing folders; refuses to overwrite."""
        path = canonical(path)
        await asyncio.to_thread(contained, self._root, path)
        if await ensure_async(self._contents.exists(path)):
            raise NotebookExistsError(f"{path!r} exists already; open it, or choose another name.")
        folder = ""
        for part in path.split("/")[:-1]:
            folder = f"{folder}/{part}" if folder else part
            if not await ensure_async(self._contents.dir_exists(folder)):
                await ensure_async(self._contents.save({"type": "directory"}, folder))
        notebook = nbformat.v4.new_notebook(metadata=self._kernel_metadata())  # type: ignore[no-untyped-call]
        # An empty list would get a cell with a random id each time a room is made from the file.
        notebook.cells = [nbformat.v4.new_code_cell(metadata={"trusted": True})]  # type: ignore[no-untyped-call]
        model = {"type": "notebook", "format": "json", "content": notebook}
        try:
            await ensure_async(self._contents.save(model, path))
        except HTTPError as error:
            raise BadCellError(f"{path!r} could not be written: {error.log_message}") from error
        return {"path": path, "name": posixpath.basename(path)}

    def _kernel_metadata(self) -> dict[str, Any]:
        """Give the default kernel's metadata, so that JupyterLab needn't ask for a kernel."""
        name = self._settings["kernel_manager"].default_kernel_name
        try:
            spec = self._settings["kernel_spec_manager"].get_kernel_spec(name)
        except NoSuchKernel:
            return {}
        kernelspec = {"name": name, "display_name": spec.display_name, "language": spec.language}
        return {"kernelspec": kernelspec, "language_info": {"name": spec.language}}

    async def cell(self, path: str, index: int | None, cell_id: str | None) -> dict[str, Any]:
        """Give one cell of the live document."""
        live = await self._join(path)
        return live.cell(live.locate(index, cell_id))

    async def update(
        self,
        path: str,
        index: int | None,
        source: str,
        cell_type: str | None,
        cell_id: str | None,
        expected: str | None,
    ) -> int:
        """Change a cell in place; its id, other people's cursors and their undo stay."""
        live = await self._join(path)
        document = live.document
        with document.ydoc.transaction():
            at = live.locate(index, cell_id)
            live.check(at, expected)
            old = document.ycells[at]
            if cell_type is not None and cell_type != old["cell_type"]:
                cell = _new_cell(source, cell_type)
                cell["id"] = old.get("id", cell["id"])
                document.set_cell(at, cell)
            else:
                document.set_cell(at, source=source)
        return at

    async def insert(self, path: str, index: int, source: str, cell_type: str, expected: str | None) -> tuple[int, str]:
        """Insert a cell; -1 and the number of cells mean the end. Gives its index and id."""
        live = await self._join(path)
        document = live.document
        cell = _new_cell(source, cell_type)
        with document.ydoc.transaction():
            count = len(document.ycells)
            at = count if index == -1 else index
            if not 0 <= at <= count:
                raise BadCellError(f"Can't insert at {index}: use 0 to {count}, or -1 for the end.")
            if expected is not None and at < count:
                live.check(at, expected)
            document.ycells.insert(at, document.create_ycell(cell))
        return at, str(cell["id"])

    async def delete(self, path: str, index: int | None, cell_id: str | None, expected: str | None) -> int:
        """Delete a cell; gives the index it had."""
        live = await self._join(path)
        with live.document.ydoc.transaction():
            at = live.locate(index, cell_id)
            live.check(at, expected)
            del live.document.ycells[at]
        return at

    async def execute(
        self,
        path: str,
        index: int | None,
        cell_id: str | None,
        expected: str | None,
        seconds: float | None,
        gone: asyncio.Event,
    ) -> list[Output]:
        """Run a code cell on the notebook's kernel; outputs stream into the document."""
        live = await self._join(path)
        document = live.document
        at = live.locate(index, cell_id)
        live.check(at, expected)
        cell: Map[Any] = document.ycells[at]
        if cell["cell_type"] != "code":
            raise BadCellError(f"Cell {at} is {cell['cell_type']}; only code cells can be run.")
        spec = (document.ydoc.get("meta", type=Map).to_py() or {}).get("metadata", {}).get("kernelspec", {})
        source = str(cell["source"])
        sink = OutputSink(document, cell, self._max_output_bytes, self._max_output_messages)
        live.busy += 1
        try:
            kernel = await self._kernels.of(live.path, spec.get("name"))
            limit = self._execution_timeout if seconds is None else seconds
            await self._kernels.run(kernel, source, sink, limit, gone)
        finally:
            live.busy -= 1
        return sink.outputs

    async def open(self, path: str) -> str:
        """Open the notebook's room; gives its path."""
        return (await self._join(path)).path

    async def close(self, path: str) -> tuple[str, bool]:
        """Save and close the room; gives the path, and whether the room is gone."""
        path = canonical(path)
        return path, await self.rooms.close(path)

    async def watch(self, path: str, seconds: float, gone: asyncio.Event) -> int | None:
        """Wait for any change of the live document; gives the number of cells, or None."""
        if self._watchers >= self._max_watchers:
            raise TooManyError("Too many watchers on this server; try again later.")
        live = await self._join(path)
        changed = asyncio.Event()
        subscription = live.document.ydoc.observe(lambda _: changed.set())
        self._watchers += 1
        live.busy += 1
        waits = [asyncio.ensure_future(event.wait()) for event in (changed, gone)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            live.document.ydoc.unobserve(subscription)
            self._watchers -= 1
            live.busy -= 1
        return len(live.document.ycells) if changed.is_set() else None


def _new_cell(source: str, cell_type: str) -> dict[str, Any]:
    if cell_type not in CELL_TYPES:
        raise BadCellError(f"cell_type is one of {', '.join(CELL_TYPES)}, not {cell_type!r}.")
    cell: dict[str, Any] = {
        "id": str(uuid4()),
        "cell_type": cell_type,
        "source": source,
        "metadata": {},
    }
    if cell_type == "code":
        # As JupyterLab marks cells made in it; without, the saved file reads back differently.
        cell.update(metadata={"trusted": True}, outputs=[], execution_count=None)
    return cell
