"""Looking around: which notebooks and files there are, and what people look at."""

from __future__ import annotations

import asyncio
import posixpath
from typing import Any

from jupyter_server.utils import ensure_async

from jupyter_mcp.advice import either
from jupyter_mcp.errors import BadPathError
from jupyter_mcp.paths import SUFFIX, canonical_folder, contained

from .finding import MOST_SEEN, Entry, Found, Walk, Wanted, matcher
from .notebooks import Notebooks

_MOST_FOLDERS = 500  # of a contents manager that has no local root


class Looking:
    """Finds notebooks and files, as the contents manager shows them."""

    def __init__(self, notebooks: Notebooks) -> None:
        self.notebooks = notebooks
        self._contents = notebooks.contents

    @property
    def _hidden(self) -> bool:
        return bool(getattr(self._contents, "allow_hidden", False))

    async def find_notebooks(self, folder: str, pattern: str) -> Found:
        """Return the notebooks below a folder; hidden ones and checkpoints are left out. Raises BadPathError."""
        wanted = matcher(pattern)

        def notebook(path: str) -> bool:
            return path.endswith(SUFFIX) and posixpath.basename(path) != SUFFIX and wanted(path)

        return await self._find(folder, notebook, hidden=False)

    async def find_files(self, folder: str, pattern: str) -> Found:
        """Return what is in a folder, its folders too; with a pattern the files below it. Raises BadPathError."""
        below = bool(pattern)
        return await self._find(folder, matcher(pattern), hidden=self._hidden, below=below, folders=not below)

    async def _find(
        self, folder: str, wanted: Wanted, *, hidden: bool, below: bool = True, folders: bool = False
    ) -> Found:
        folder = canonical_folder(folder, allow_hidden=self._hidden)
        contained(self.notebooks.root, folder)
        if folder and not await ensure_async(self._contents.dir_exists(folder)):
            raise BadPathError(f"No folder at {folder!r}{either('; list_files shows what is there', '')}.")
        if folder and not self._hidden and await ensure_async(self._contents.is_hidden(folder)):
            raise BadPathError(f"{folder!r} is hidden; only folders that are not hidden can be used.")
        listed = getattr(self._contents, "should_list", lambda _: True)
        root = self.notebooks.root
        if root:
            walk = Walk(root, wanted, listed, hidden=hidden, below=below, folders=folders)
            return await asyncio.to_thread(walk.find, folder)
        return await self._find_remote(folder, wanted, hidden=hidden, below=below, folders=folders)

    async def _find_remote(self, folder: str, wanted: Wanted, *, hidden: bool, below: bool, folders: bool) -> Found:
        found, pending, seen = Found(), [folder], 0
        for _ in range(_MOST_FOLDERS):
            if not pending or seen > MOST_SEEN:
                break
            model = await ensure_async(self._contents.get(pending.pop(), type="directory"))
            for entry in model["content"]:
                seen += 1
                path = entry["path"]
                if entry["name"].startswith(".") and not hidden:
                    continue
                if entry["type"] == "directory":
                    if below:
                        pending.append(path)
                    if folders and wanted(f"{path}/"):
                        found.entries.append(Entry(f"{path}/", None))
                elif wanted(path):
                    found.entries.append(Entry(path, entry.get("size")))
        found.complete = not pending
        found.entries.sort()
        return found

    def context(self) -> list[dict[str, Any]]:
        """Return what each person looks at: the notebook, the cell with the caret, what is selected in it."""
        return self.notebooks.rooms.looks()
