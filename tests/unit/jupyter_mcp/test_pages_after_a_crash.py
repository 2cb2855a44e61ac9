"""Pages that come back after a crash: they hold the document of before, and get a room that goes on with it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from jupyter_ydoc import YNotebook
from tornado.web import HTTPError

from jupyter_mcp.rooms.snapshot import read
from jupyter_mcp.rooms.ydoc_private import loader_of
from tests.support.room_files import PATH, insert, on_disk, run, sources, write
from tests.support.rooms import Workshop

# Upstream leaves the streams of a room that it stops to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def opened_by_a_page(rooms: Workshop) -> YNotebook:
    found: Any = await rooms.collaboration.get_document(
        path=PATH, content_type="notebook", file_format="json", copy=False, create=True
    )
    return found


def test_a_page_gets_no_room_of_a_file_that_lacks_what_was_acknowledged(tmp_path: Path) -> None:
    """It would be filled with the file of before, and what the page holds would come and go once more."""

    async def job(rooms: Workshop) -> None:
        write(rooms.root / PATH, "one")
        live = await rooms.rooms.join(PATH)
        insert(live, "ours")
        rooms.faults.save = errno.ENOSPC
        await rooms.collaboration.ywebsocket_server.delete_room(room=live.room)
        await rooms.rooms.sweep()
        for _ in range(2):
            with pytest.raises(HTTPError, match=r"a\.ipynb is not recovered yet: .*No space left") as refused:
                await opened_by_a_page(rooms)
            assert refused.value.status_code == 503
        rooms.faults.save = None
        document = await opened_by_a_page(rooms)
        assert [str(cell["source"]) for cell in document.ycells] == ["one", "ours"]
        assert on_disk(rooms.root / PATH) == ["one", "ours"]
        assert sources(await rooms.rooms.join(PATH)) == ["one", "ours"]

    run(tmp_path, job, delay=60)


def test_a_cell_that_a_page_brings_once_more_is_there_once_and_keeps_its_outputs(tmp_path: Path) -> None:
    """What was in the file alone is a new cell of the room; a page that was there before has it already."""

    async def job(rooms: Workshop) -> None:
        write(rooms.root / PATH, "one", "two")
        live = await rooms.rooms.join(PATH)
        page = YNotebook()
        page.set(read(live.document))
        page.ycells[1]["outputs"].append({"output_type": "display_data", "data": {}, "metadata": {}})
        live.document.ydoc.apply_update(page.ydoc.get_update())
        assert len(live.document.ycells) == 4
        live = await rooms.rooms.join(PATH)
        assert sources(live) == ["one", "two"]
        assert live.ids() == ["id-0", "id-1"]
        assert len(live.cell(1)["outputs"]) == 1

    run(tmp_path, job, delay=60)


def test_a_page_that_comes_first_has_a_journal_looked_at_again_that_another_server_held(tmp_path: Path) -> None:
    """That server may have ended since; under a room that lives nothing is recovered."""

    async def job(rooms: Workshop) -> None:
        asked: list[bool] = []

        async def recovered(_: str, __: str, *, room: bool = True) -> str | None:
            asked.append(room)
            return None

        rooms.collaboration.file_loaders.before_loading = recovered
        write(rooms.root / PATH, "one")
        await opened_by_a_page(rooms)
        live = await rooms.rooms.join(PATH)
        await loader_of(live.room).load_content("json", "notebook")
        assert asked == [False, True]

    run(tmp_path, job, delay=60)
