"""Other programs change the file of a notebook that is open: what they wrote is merged, and nothing of ours is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jupyter_server import DEFAULT_EVENTS_SCHEMA_PATH
from jupyter_server.services.contents import fileio

from jupyter_mcp.errors import BadPathError, RoomUnavailableError, SaveFailedError
from jupyter_mcp.rooms.renames import CONTENTS_EVENTS, follow_renames
from jupyter_mcp.rooms.snapshot import read
from jupyter_mcp.rooms.ydoc_private import loader_of
from tests.support.room_files import PATH, insert, live_is_saved, on_disk, run, sources, until, write
from tests.support.rooms import Workshop

# Upstream leaves the streams of a room that it stops to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


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


@pytest.mark.parametrize("how", ["written", "moved there"])
@pytest.mark.parametrize("moment", ["before the write", "as Jupyter copies the file"])
def test_what_another_program_writes_as_a_save_begins_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, how: str
) -> None:
    async def job(rooms: Workshop) -> None:
        file = rooms.root / PATH
        write(file, "one", "two")
        live = await rooms.rooms.join(PATH)

        def theirs(*_: object, **__: object) -> None:
            rooms.faults.before_save = None
            monkeypatch.setattr(fileio, "copy2_safe", copy)
            new = file if how == "written" else file.with_suffix(".new")
            write(new, "one", "theirs")
            new.replace(file)

        def copied(*arguments: Any, **options: Any) -> None:
            theirs()
            copy(*arguments, **options)

        copy = fileio.copy2_safe
        if moment == "before the write":
            rooms.faults.before_save = theirs
        else:
            monkeypatch.setattr(fileio, "copy2_safe", copied)
        insert(live, "ours")
        await until(lambda: sources(live), ["one", "theirs", "ours"])
        await live_is_saved(rooms, live)
        assert on_disk(file) == ["one", "theirs", "ours"]
        assert list(rooms.root.glob(".~*")) == []

    run(tmp_path, job, poll=0.01)


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


@pytest.mark.parametrize("renamed", ["one", "one/two"])
def test_a_room_follows_its_notebook_when_a_folder_above_it_is_renamed(tmp_path: Path, renamed: str) -> None:
    async def job(rooms: Workshop) -> None:
        (rooms.root / "one" / "two").mkdir(parents=True)
        write(rooms.root / "one" / "two" / PATH, "one")
        path, new = f"one/two/{PATH}", f"one/two/{PATH}".replace(renamed, "new folder")
        live = await rooms.rooms.join(path)
        insert(live, "ours")
        (rooms.root / renamed).rename(rooms.root / "new folder")
        rooms.settings["file_id_manager"].move(renamed, "new folder")  # as jupyter-server-fileid does at a rename
        assert sources(await rooms.rooms.join(new)) == ["one", "ours"]
        insert(live, "later")
        await live_is_saved(rooms, live)
        assert on_disk(rooms.root / new) == ["one", "ours", "later"]
        assert not (rooms.root / path).exists()

    run(tmp_path, job, delay=60)


@pytest.mark.parametrize("folder", ["plain", "results [final]", "a*b?", "one/[2]"])
def test_a_room_follows_whatever_the_renamed_folder_is_called(tmp_path: Path, folder: str) -> None:
    async def job(rooms: Workshop) -> None:
        (rooms.root / folder).mkdir(parents=True)
        (rooms.root / f"{folder} too").mkdir()
        events, file_ids = rooms.collaboration.serverapp.event_logger, rooms.settings["file_id_manager"]
        events.register_event_schema(DEFAULT_EVENTS_SCHEMA_PATH / "contents_service" / "v1.yaml")
        follow_renames(
            events,
            file_ids,
            lambda: [room.rsplit(":", 1)[-1] for room in rooms.collaboration.ywebsocket_server.rooms],
        )
        for path in (f"{folder}/{PATH}", f"{folder} too/{PATH}"):
            write(rooms.root / path, "one")
            insert(await rooms.rooms.join(path), "ours")
        (rooms.root / folder).rename(rooms.root / "new [1]")
        file_ids.move(folder, "new [1]")
        events.emit(schema_id=CONTENTS_EVENTS, data={"action": "rename", "source_path": folder, "path": "new [1]"})
        await events.gather_listeners()
        for path in (f"new [1]/{PATH}", f"{folder} too/{PATH}"):
            assert sources(await rooms.rooms.join(path)) == ["one", "ours"]

    run(tmp_path, job, delay=60)


@pytest.mark.parametrize("name", ["n" * 239 + ".ipynb", "é" * 122 + ".ipynb"], ids=["letters", "of two bytes"])
def test_a_notebook_whose_name_is_too_long_to_be_saved_is_not_opened_for_edits(tmp_path: Path, name: str) -> None:
    async def job(rooms: Workshop) -> None:
        write(rooms.root / name, "one")
        with pytest.raises(BadPathError, match=r"has 2[45][05] bytes, and Jupyter can save .* at most 244"):
            await rooms.rooms.join(name)
        assert rooms.collaboration.ywebsocket_server.rooms == {}
        longest = name[1:] if name.isascii() else name[3:]  # 244 bytes
        write(rooms.root / longest, "one")
        live = await rooms.rooms.join(longest)
        insert(live, "ours")
        await live_is_saved(rooms, live)

    run(tmp_path, job)
