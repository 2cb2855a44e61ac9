"""Pages that come back after a crash: they hold the document of before, and get a room that goes on with it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from jupyter_ydoc import YNotebook
from tornado.web import HTTPError

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
