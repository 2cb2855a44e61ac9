"""A notebook that is too large for the server's memory is refused by its size, without being read."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager
from tornado.web import HTTPError

from jupyter_mcp.errors import RoomUnavailableError, SaveFailedError
from jupyter_mcp.rooms import notebook_size
from jupyter_mcp.rooms.loaders import read_notebook
from tests.support.room_files import PATH, insert, live_is_saved, on_disk, run, write
from tests.support.rooms import Workshop

MOST = 1 << 20
LARGE = 5 << 30  # sparse: it takes no room on the disk, and all of it in memory


@pytest.fixture(autouse=True)
def limited() -> Iterator[None]:
    notebook_size.limit(MOST)
    yield
    notebook_size.limit(notebook_size.MOST_BYTES)


def large(file: Path) -> None:
    """Put a large file in the place of another, as a program does that writes beside it first."""
    beside = file.with_suffix(".new")
    beside.touch()
    os.truncate(beside, LARGE)
    beside.replace(file)


class Elsewhere:
    """A contents manager without files on this machine."""

    def get(self, path: str, *, content: bool = True, **_: Any) -> dict[str, Any]:
        assert not content, "it was read"
        return {"path": path, "size": LARGE}


def test_a_notebook_over_the_limit_is_not_read(tmp_path: Path) -> None:
    large(tmp_path / PATH)
    for contents in (AsyncFileContentsManager(root_dir=str(tmp_path)), Elsewhere()):
        with pytest.raises(
            HTTPError, match=r"it has 5120 MiB.* at most 1 \(JupyterMCP.max_notebook_bytes\)"
        ) as refused:
            asyncio.run(read_notebook(contents, PATH, logging.getLogger()))
        assert refused.value.status_code == 413


def test_a_notebook_at_the_limit_and_any_without_one_is_read(tmp_path: Path) -> None:
    write(tmp_path / PATH, "one")
    contents = AsyncFileContentsManager(root_dir=str(tmp_path))
    for most in (0, (tmp_path / PATH).stat().st_size):
        notebook_size.limit(most)
        assert asyncio.run(read_notebook(contents, PATH, logging.getLogger()))["content"]["cells"]


def test_an_open_notebook_that_becomes_too_large_is_neither_read_nor_saved_over(tmp_path: Path) -> None:
    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "one")
        live = await rooms.rooms.join(PATH)
        large(file)
        insert(live, "ours")
        with pytest.raises(SaveFailedError, match="it has 5120 MiB"):
            await live_is_saved(rooms, live)
        assert file.stat().st_size == LARGE
        write(file, "ONE")
        await live_is_saved(rooms, live)
        assert on_disk(file) == ["ONE", "ours"]

    run(tmp_path, job)


def test_unsaved_edits_of_a_notebook_that_is_too_large_wait_in_the_journal(tmp_path: Path) -> None:
    async def first(rooms: Workshop) -> None:
        write(rooms.root / PATH, "one")
        insert(await rooms.rooms.join(PATH), "ours")
        large(rooms.root / PATH)

    async def then(rooms: Workshop) -> None:
        with pytest.raises(RoomUnavailableError, match="edits from before a crash"):
            await rooms.rooms.join(PATH)
        assert (rooms.root / PATH).stat().st_size == LARGE
        write(rooms.root / PATH, "ONE")
        assert "ours" in str((await rooms.rooms.join(PATH)).document.get())

    run(tmp_path, first, delay=60)
    run(tmp_path, then)
