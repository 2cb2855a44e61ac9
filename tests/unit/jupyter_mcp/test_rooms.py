"""Rooms on files whose disk, contents or neighbours misbehave: what was acknowledged is kept, or said to be lost."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from pycrdt import Map

from jupyter_mcp.errors import BadPathError, NotDurableError, RoomUnavailableError, SaveFailedError
from jupyter_mcp.notebooks.cells import Cells
from jupyter_mcp.notebooks.notebooks import Notebooks
from jupyter_mcp.rooms.content_check import unsound
from jupyter_mcp.rooms.live import Live
from jupyter_mcp.rooms.loaders import Guarded
from jupyter_mcp.rooms.snapshot import read
from jupyter_mcp.rooms.ydoc_private import loader_of
from tests.support.disk import FaultyDisk, open_files
from tests.support.rooms import Workshop, workshop

# Upstream leaves the streams of a room that it stops to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PATH = "a.ipynb"
CELLS = Cells(typing_grace=0)


def write(file: Path, *sources: str, **metadata: Any) -> None:
    cells = [nbformat.v4.new_code_cell(source, id=f"id-{number}") for number, source in enumerate(sources)]
    file.write_text(json.dumps({**nbformat.v4.new_notebook(cells=cells), "metadata": metadata}))


def insert(live: Live, source: str) -> None:
    CELLS.insert(live, -1, source, "code", None, None)


def sources(live: Live) -> list[str]:
    return [cell["source"] for cell in read(live.document)["cells"]]


def on_disk(file: Path) -> list[str]:
    for _ in range(100):
        with contextlib.suppress(json.JSONDecodeError):  # a thread of the contents manager is writing it
            return ["".join(cell["source"]) for cell in json.loads(file.read_text())["cells"]]
        time.sleep(0.02)
    return [file.read_text()]


async def until(probe: Callable[[], Any], wanted: Any) -> None:
    async with asyncio.timeout(20):
        while probe() != wanted:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.01)


def run(folder: Path, job: Callable[[Workshop], Awaitable[None]], **options: Any) -> None:
    async def with_rooms() -> None:
        async with workshop(folder, **options) as rooms:
            await job(rooms)

    asyncio.run(with_rooms())


def test_reading_works_and_edits_name_the_folder_while_the_journals_folder_can_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FaultyDisk(tmp_path / "journals", monkeypatch)
    disk.fault = errno.EACCES

    async def job(rooms: Workshop) -> None:
        write(rooms.root / PATH, "old")
        live = await rooms.rooms.join(PATH)
        assert sources(live) == ["old"]
        with pytest.raises(NotDurableError, match=f"Nothing was changed.*Permission denied, in {rooms.journals}"):
            insert(live, "new")
        assert sources(live) == ["old"]
        disk.mended()
        insert(live, "new")
        await live_is_saved(rooms, live)
        assert on_disk(rooms.root / PATH) == ["old", "new"]

    run(tmp_path, job)


async def live_is_saved(rooms: Workshop, live: Live) -> None:
    await rooms.rooms._live[live.room_id][1].finish()


def test_a_full_journal_disk_refuses_edits_saves_what_it_has_and_is_good_again_with_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FaultyDisk(tmp_path / "journals", monkeypatch)

    async def job(rooms: Workshop) -> None:
        write(rooms.root / PATH, "old")
        live = await rooms.rooms.join(PATH)
        insert(live, "kept")
        disk.full()
        for _ in range(3):
            with pytest.raises(NotDurableError, match=r"Nothing was changed.*No space left"):
                insert(live, "x" * 100_000)
        live.document.append_cell({"cell_type": "code", "source": "p" * 200_000, "metadata": {}})  # a person's
        assert live.journal.broken
        await live_is_saved(rooms, live)
        assert len(on_disk(rooms.root / PATH)) == 3
        assert len(open_files(rooms.journals)) == len(list(rooms.journals.iterdir())) == 1
        disk.mended()
        live.journal._retry_at = 0
        live.mend()  # what the sweep does, with no edit that asks for it
        assert not live.journal.broken
        insert(live, "after")
        assert await rooms.rooms.close(PATH)
        assert on_disk(rooms.root / PATH)[-1] == "after"
        assert list(rooms.journals.iterdir()) == []

    run(tmp_path, job)


@pytest.mark.parametrize("age", [-86400, 0, 86400])
@pytest.mark.parametrize("how", ["written", "moved there"])
def test_an_outside_version_is_merged_whatever_its_time(tmp_path: Path, age: int, how: str) -> None:
    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "one", "two")
        live = await rooms.rooms.join(PATH)
        insert(live, "ours")
        await live_is_saved(rooms, live)
        notebook, found = json.loads(file.read_text()), file.stat()
        notebook["cells"][0]["source"] = "ONE"  # of equal size
        target = file if how == "written" else file.with_name("backup")
        target.write_text(json.dumps(notebook, indent=1) + "\n")
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns + age * 10**9))
        target.replace(file)
        insert(live, "later")
        await live_is_saved(rooms, live)
        assert on_disk(file) == sources(live) == ["ONE", "two", "ours", "later"]

    run(tmp_path, job)


def format_it(file: Path) -> None:
    """Change a notebook as a formatter does that watches the folder."""
    notebook = json.loads(file.read_text())
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]).replace("'", '"')
    file.write_text(json.dumps(notebook))


@pytest.mark.parametrize("poll", [0.01, None], ids=["the poll", "the next save"])
def test_a_program_that_answers_a_save_by_a_change_is_heard(tmp_path: Path, poll: float | None) -> None:
    """It comes before Jupyter has looked at the file again: what is there then is not what was saved."""

    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "'one'")
        live = await rooms.rooms.join(PATH)
        rooms.faults.after_save = format_it
        insert(live, "'ours'")
        await live_is_saved(rooms, live)
        rooms.faults.after_save = None
        if poll is None:
            insert(live, "later")
            await live_is_saved(rooms, live)
        wanted = ['"one"', '"ours"', *(["later"] if poll is None else [])]
        await until(lambda: sources(live), wanted)
        await until(lambda: on_disk(file), wanted)

    run(tmp_path, job, poll=poll)


def test_a_change_that_answers_the_last_save_before_a_crash_is_kept(tmp_path: Path) -> None:
    async def job(rooms: Workshop) -> None:
        write(rooms.root / PATH, "'one'")
        live = await rooms.rooms.join(PATH)
        rooms.faults.after_save = format_it
        insert(live, "'ours'")
        await live_is_saved(rooms, live)
        rooms.faults.after_save = None
        insert(live, "later")  # in the journal alone
        await rooms.collaboration.ywebsocket_server.delete_room(room=live.room)
        assert sources(await rooms.rooms.join(PATH)) == ['"one"', '"ours"', "later"]

    run(tmp_path, job, delay=60)


def test_a_hook_that_cleans_what_is_saved_is_no_other_program(tmp_path: Path) -> None:
    def clean(model: dict[str, Any], **_: Any) -> None:
        for cell in model["content"]["cells"]:
            cell["outputs"] = []

    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "one")
        rooms.contents.register_pre_save_hook(clean)
        live = await rooms.rooms.join(PATH)
        output = {"output_type": "stream", "name": "stdout", "text": "kept"}
        live.document.append_cell({"cell_type": "code", "source": "two", "metadata": {}, "outputs": [output]})
        for number in range(2):
            insert(live, str(number))
            await live_is_saved(rooms, live)
        assert on_disk(file) == ["one", "two", "0", "1"]
        assert json.loads(file.read_text())["cells"][1]["outputs"] == []
        assert len(read(live.document)["cells"][1]["outputs"]) == 1

    run(tmp_path, job, poll=0.01)


def test_the_poll_takes_in_an_outside_version_with_an_older_time(tmp_path: Path) -> None:
    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "one")
        live = await rooms.rooms.join(PATH)
        write(file, "ONE")
        os.utime(file, (0, 0))
        await until(lambda: sources(live), ["ONE"])

    run(tmp_path, job, poll=0.01)


def test_a_touched_file_is_no_change(tmp_path: Path) -> None:
    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "one")
        live = await rooms.rooms.join(PATH)
        os.utime(file, (0, 0))
        assert not await loader_of(live.room).changed()
        insert(live, "two")
        await live_is_saved(rooms, live)
        assert on_disk(file) == ["one", "two"]

    run(tmp_path, job)


@pytest.mark.parametrize("bad", ["<<<<<<< ours\n{}", "", '{"cells": [', "[1]"])
def test_a_file_that_becomes_unreadable_is_not_saved_over_and_merged_when_it_reads_again(
    tmp_path: Path, bad: str
) -> None:
    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "one")
        live = await rooms.rooms.join(PATH)
        file.write_text(bad)
        insert(live, "ours")
        with pytest.raises(SaveFailedError, match="Unreadable Notebook") as refused:
            await live_is_saved(rooms, live)
        assert str(rooms.root) not in str(refused.value)
        assert file.read_text() == bad
        write(file, "ONE")
        await live_is_saved(rooms, live)
        assert on_disk(file) == ["ONE", "ours"]

    run(tmp_path, job)


def test_edits_of_an_unreadable_file_wait_in_the_journal_for_the_next_room(tmp_path: Path) -> None:
    async def first(rooms: Workshop) -> None:
        write(rooms.root / PATH, "one")
        insert(await rooms.rooms.join(PATH), "ours")
        (rooms.root / PATH).write_text("<<<<<<<")

    async def then(rooms: Workshop) -> None:
        with pytest.raises(RoomUnavailableError, match="edits from before a crash"):
            await rooms.rooms.join(PATH)
        write(rooms.root / PATH, "ONE")
        assert sources(await rooms.rooms.join(PATH)) == ["ONE", "ours"]

    run(tmp_path, first, delay=60)
    run(tmp_path, then)


def test_a_notebook_unreadable_once_works_after_its_repair_for_people_too(tmp_path: Path) -> None:
    async def job(rooms: Workshop) -> None:
        server = rooms.collaboration.ywebsocket_server
        (rooms.root / PATH).write_text("<<<<<<<")
        for _ in range(2):
            with pytest.raises(
                RoomUnavailableError, match=r"'a\.ipynb' can't be read: line 1 has the marks of a merge conflict"
            ):
                await rooms.rooms.join(PATH)
            assert server.rooms == {}
        # As another extension would, which leaves the room that it could not open.
        with pytest.raises(Exception, match="Unreadable"):
            await rooms.collaboration.get_document(path=PATH, content_type="notebook", file_format="json", create=True)
        (room_id,) = server.rooms
        write(rooms.root / PATH, "repaired")
        assert not server.room_exists(room_id)  # what a person's handshake asks
        assert sources(await rooms.rooms.join(PATH)) == ["repaired"]

    run(tmp_path, job)


ODD = {"seed": 2**64 - 1, "least": -(2**63) - 1, "nan": float("nan"), "inf": [float("inf")], "half": "\ud83d"}


@pytest.mark.parametrize("where", ["metadata", "cell", "output", "attachments", "field"])
@pytest.mark.parametrize("key", list(ODD))
def test_odd_values_anywhere_are_replaced_and_the_notebook_is_saved(tmp_path: Path, where: str, key: str) -> None:
    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "one")
        notebook = json.loads(file.read_text())
        cell, odd = notebook["cells"][0], {"odd": ODD[key]}
        if where == "metadata":
            notebook["metadata"] = odd
        elif where == "cell":
            cell["metadata"] = odd
        elif where == "output":
            data = {"application/json": odd}
            cell["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}]
        elif where == "attachments":
            cell.update(cell_type="markdown", attachments={"a.png": odd})
            del cell["outputs"], cell["execution_count"]
        else:
            cell.update(odd)
        file.write_text(json.dumps(notebook))
        live = await rooms.rooms.join(PATH)
        insert(live, "two")
        await live_is_saved(rooms, live)
        assert not unsound(json.loads(file.read_text()))
        assert on_disk(file) == ["one", "two"]
        file.write_text(json.dumps({**notebook, "metadata": {"again": ODD[key]}}))  # while its room is open
        insert(live, "three")
        await live_is_saved(rooms, live)
        assert not unsound(json.loads(file.read_text()))
        assert on_disk(file) == ["one", "three"]  # the file of others has no "two" any more

    run(tmp_path, job)


@pytest.mark.parametrize("depth", [300, 5000])
def test_json_too_deep_for_a_room_is_refused_with_the_reason(tmp_path: Path, depth: int) -> None:
    async def job(rooms: Workshop) -> None:
        text = json.dumps({**nbformat.v4.new_notebook(), "metadata": {"deep": 0}})
        (rooms.root / PATH).write_text(text.replace('"deep": 0', '"deep": ' + "[" * depth + "]" * depth))
        with pytest.raises(RoomUnavailableError, match="can't be read"):
            await rooms.rooms.join(PATH)
        write(rooms.root / "b.ipynb", "fine")
        assert sources(await rooms.rooms.join("b.ipynb")) == ["fine"]

    run(tmp_path, job)


def test_a_full_workspace_keeps_edits_in_the_journal_and_saves_them_later(tmp_path: Path) -> None:
    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "one")
        live = await rooms.rooms.join(PATH)
        rooms.faults.save = errno.ENOSPC
        insert(live, "ours")
        with pytest.raises(SaveFailedError, match="No space left") as refused:
            await rooms.rooms.close(PATH)
        assert str(rooms.root) not in str(refused.value)
        assert len(list(rooms.journals.iterdir())) == 1
        rooms.faults.save = None
        assert await rooms.rooms.close(PATH)
        assert on_disk(file) == ["one", "ours"]

    run(tmp_path, job)


def test_a_write_of_ours_that_failed_half_way_is_no_change_by_others(tmp_path: Path) -> None:
    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "one")
        live = await rooms.rooms.join(PATH)
        rooms.faults.tear = True
        insert(live, "ours")
        with pytest.raises(SaveFailedError):
            await live_is_saved(rooms, live)
        assert file.read_text() == ""
        rooms.faults.tear = False
        await live_is_saved(rooms, live)
        assert on_disk(file) == ["one", "ours"]

    run(tmp_path, job)


@pytest.mark.parametrize("moment", ["after the write", "while it is noted"])
def test_an_edit_while_our_own_write_is_looked_at_is_not_undone_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    written, go_on = asyncio.Event(), asyncio.Event()
    slow = {"after the write": "_note_write", "while it is noted": "_is_there"}[moment]
    upstream = getattr(Guarded, slow)

    async def delayed(self: Guarded, *arguments: Any) -> Any:
        written.set()
        await go_on.wait()
        return await upstream(self, *arguments)

    async def job(rooms: Workshop) -> None:
        write(rooms.root / PATH, "one")
        live = await rooms.rooms.join(PATH)
        monkeypatch.setattr(Guarded, slow, delayed)
        insert(live, "two")
        await written.wait()
        try:
            assert on_disk(rooms.root / PATH) == ["one", "two"]
            CELLS.delete(live, 1, None)  # upstream's save of before is cancelled, and another begins
            await asyncio.sleep(0.2)
        finally:
            go_on.set()
        await live_is_saved(rooms, live)
        assert sources(live) == ["one"]
        assert on_disk(rooms.root / PATH) == ["one"]

    run(tmp_path, job)


def test_a_persons_edit_never_fails_for_the_journals_sake(tmp_path: Path) -> None:
    async def job(rooms: Workshop) -> None:
        write(rooms.root / PATH, "one")
        live = await rooms.rooms.join(PATH)
        for file in rooms.journals.iterdir():
            file.unlink()
        cell: Map[Any] = live.document.ycells[0]
        cell["metadata"]["person"] = "here"
        insert(live, "ours")  # made anew before it
        assert len(list(rooms.journals.iterdir())) == 1

    run(tmp_path, job)


def test_every_wait_for_a_room_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_mcp.rooms.opening.OPENED_WITHIN", 0.05)

    async def job(rooms: Workshop) -> None:
        write(rooms.root / PATH, "one")
        rooms.faults.gate.clear()
        with pytest.raises(RoomUnavailableError):
            await rooms.rooms.join(PATH)
        rooms.faults.gate.set()
        monkeypatch.setattr("jupyter_mcp.rooms.opening.OPENED_WITHIN", 20)
        assert sources(await rooms.rooms.join(PATH)) == ["one"]

    run(tmp_path, job)


def test_a_closed_room_leaves_no_file_open(tmp_path: Path) -> None:
    """Not even until the next collection of garbage."""

    async def job(rooms: Workshop) -> None:
        write(rooms.root / PATH, "one")
        insert(await rooms.rooms.join(PATH), "two")
        gc.disable()
        try:
            assert await rooms.rooms.close(PATH)
            assert [file for file in open_files(tmp_path) if "ids.db" not in file] == []
        finally:
            gc.enable()
        assert sources(await rooms.rooms.join(PATH)) == ["one", "two"]

    run(tmp_path, job)


def test_a_stopped_room_keeps_its_journal_for_who_opens_the_notebook_next(tmp_path: Path) -> None:
    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "one")
        live = await rooms.rooms.join(PATH)
        insert(live, "ours")
        await rooms.collaboration.ywebsocket_server.delete_room(room=live.room)
        assert sources(await rooms.rooms.join(PATH)) == ["one", "ours"]

    run(tmp_path, job, delay=60)


def test_a_notebook_is_not_read_without_the_edits_that_its_file_can_not_take_yet(tmp_path: Path) -> None:
    async def job(rooms: Workshop) -> None:
        write(rooms.root / PATH, "one")
        insert(live := await rooms.rooms.join(PATH), "ours")
        rooms.faults.save = errno.ENOSPC
        await rooms.collaboration.ywebsocket_server.delete_room(room=live.room)
        notebooks = Notebooks(rooms.settings, rooms.rooms, CELLS, max_watchers=1)
        for _ in range(2):
            with pytest.raises(RoomUnavailableError, match=r"edits from before .* No space left .*They are safe"):
                await notebooks.get(PATH)
        rooms.faults.save = None
        assert [cell["source"] for cell in (await notebooks.get(PATH))["cells"]] == ["one", "ours"]

    run(tmp_path, job, delay=60)


def test_a_notebook_hundreds_of_folders_deep_is_refused_at_once_and_makes_none(tmp_path: Path) -> None:
    async def job(rooms: Workshop) -> None:
        kernels = {
            "kernel_manager": SimpleNamespace(default_kernel_name="none"),
            "kernel_spec_manager": KernelSpecManager(),
        }
        notebooks = Notebooks({**rooms.settings, **kernels}, rooms.rooms, CELLS, max_watchers=1)
        with pytest.raises(BadPathError, match="500 folders"):
            await notebooks.create("d/" * 500 + PATH)
        assert list(rooms.root.iterdir()) == []

    run(tmp_path, job)
