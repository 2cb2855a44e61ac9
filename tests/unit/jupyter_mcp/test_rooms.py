"""Rooms on files whose disk or contents misbehave: what was acknowledged is kept, or said to be lost."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from pycrdt import Map

from jupyter_mcp.errors import BadPathError, NotDurableError, RoomUnavailableError, SaveFailedError
from jupyter_mcp.notebooks.notebooks import Notebooks
from jupyter_mcp.rooms.content_check import unsound
from jupyter_mcp.rooms.loaders import Guarded
from jupyter_mcp.rooms.ydoc_private import loader_of, model_of
from tests.support.disk import FaultyDisk, open_files
from tests.support.room_files import CELLS, PATH, insert, live_is_saved, on_disk, run, sources, write
from tests.support.rooms import Workshop

# Upstream leaves the streams of a room that it stops to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


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


def test_a_write_that_failed_half_way_after_an_edit_cancelled_its_save_is_no_change_by_others(tmp_path: Path) -> None:
    """Upstream passes over the failure then; the file, torn, was never saved over again."""

    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "one")
        live = await rooms.rooms.join(PATH)
        insert(live, "ours")
        loader = loader_of(live.room)
        saving = asyncio.ensure_future(loader.maybe_save_content(model_of(live.room)))
        rooms.faults.before_save, rooms.faults.tear = lambda _: saving.cancel(), True
        assert await saving is None
        assert file.read_text() == ""
        rooms.faults.before_save, rooms.faults.tear = None, False
        await live_is_saved(rooms, live)
        assert on_disk(file) == ["one", "ours"]

    run(tmp_path, job, delay=60)


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
