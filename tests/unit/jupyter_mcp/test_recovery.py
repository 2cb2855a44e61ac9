"""Recovery finishes what a crash cut short, leaves others' files alone, and never drops an edit."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server_ydoc.stores import SQLiteYStore
from jupyter_ydoc import YNotebook
from pycrdt import Doc

from jupyter_mcp.journal import Header, Journal, Saved
from jupyter_mcp.merge import fingerprint
from jupyter_mcp.recovery import recover

from .test_stores import clocks

PATH = "a.ipynb"
ROOM = "json:notebook:file-id"
LOG = logging.getLogger("test")


class Crashed:
    """A notebook on disk, and the journal that a killed server left."""

    def __init__(self, folder: Path) -> None:
        self.root, self.journals = folder / "root", folder / "journals"
        self.root.mkdir()
        self.journals.mkdir()
        self.file = self.root / PATH
        first = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("old = 1", id="old")])
        nbformat.write(first, self.file)
        self.contents = AsyncLargeFileManager(root_dir=str(self.root))
        model = asyncio.run(self.contents.get(PATH, type="notebook"))
        self.doc: Doc[Any] = Doc(client_id=0)
        self.notebook = YNotebook(self.doc)
        self.notebook.set(model["content"])
        header = Header(ROOM, PATH)
        state = self.doc.get_update()
        self.journal = Journal(self.journals, header, state, str(model["last_modified"]), fsync=False)
        self._subscription = self.doc.observe(lambda event: self.journal.append(event.update))

    def insert(self, source: str) -> None:
        cell = {
            "id": source.split(" ", maxsplit=1)[0],
            "cell_type": "code",
            "source": source,
            "metadata": {},
            "outputs": [],
        }
        self.notebook.ycells.append(self.notebook.create_ycell({**cell, "execution_count": None}))

    def store(self, _: str) -> SQLiteYStore:
        class Store(SQLiteYStore):
            db_path = str(self.root.parent / "store.db")

        return Store(path=ROOM)

    def recover(self, path_of: Callable[[str], str | None] = lambda _: None) -> None:
        self.journal.close(delete=False)
        asyncio.run(recover(self.journals, self.contents, self.store, path_of, LOG))

    def left(self) -> list[str]:
        return sorted(file.suffix for file in self.journals.iterdir())

    def stored(self) -> list[str]:
        async def read() -> list[str]:
            doc: Doc[Any] = Doc()
            async with self.store(ROOM) as store:
                await store.apply_updates(doc)
            return [str(cell["source"]) for cell in YNotebook(doc).ycells]

        return asyncio.run(read())

    def seen_by_a_tab_is_stored(self) -> bool:
        async def read() -> bool:
            doc: Doc[Any] = Doc()
            async with self.store(ROOM) as store:
                await store.apply_updates(doc)
            before = clocks(doc)
            doc.apply_update(self.doc.get_update())
            return clocks(doc) == before

        return asyncio.run(read())


def sources(file: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(file.read_text())["cells"]]


@pytest.fixture
def crashed(tmp_path: Path) -> Crashed:
    return Crashed(tmp_path)


def test_an_unsaved_edit_goes_into_the_file_and_the_store(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    crashed.recover()
    assert sources(crashed.file) == crashed.stored() == ["old = 1", "new = 1"]
    assert crashed.left() == []


def test_a_store_that_is_behind_the_saved_file_catches_up(crashed: Crashed) -> None:
    """A tab has seen the edit: a room that takes it from the file again would get it twice."""
    crashed.insert("new = 1")
    content = crashed.notebook.get()
    asyncio.run(crashed.contents.save({"type": "notebook", "format": "json", "content": content}, PATH))
    crashed.recover()
    assert sources(crashed.file) == crashed.stored() == ["old = 1", "new = 1"]
    assert crashed.seen_by_a_tab_is_stored()


def test_a_store_has_the_history_of_what_the_file_has_no_more(crashed: Crashed) -> None:
    """The editor deleted the cell that a tab has seen: the room must know it, to take it from the tab."""
    crashed.insert("new = 1")
    crashed.journal.saved(Saved("before", "", crashed.journal.updates))
    time.sleep(0.01)
    without = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("old = 1", id="old")])
    nbformat.write(without, crashed.file)
    crashed.recover()
    assert sources(crashed.file) == crashed.stored() == ["old = 1"]
    assert crashed.seen_by_a_tab_is_stored()


def test_a_file_that_the_crash_tore_is_written_anew(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    crashed.journal.saving(fingerprint(crashed.notebook.get()))
    crashed.file.write_text("")
    crashed.recover()
    assert sources(crashed.file) == ["old = 1", "new = 1"]


def test_a_file_that_others_broke_is_left_and_the_journal_kept(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    crashed.file.write_text("not a notebook")
    crashed.recover()
    assert crashed.file.read_text() == "not a notebook"
    assert crashed.left() == [".failed"]


def test_a_save_that_was_cut_from_its_note_is_known_by_its_content(crashed: Crashed) -> None:
    crashed.insert("saved = 1")
    content = crashed.notebook.get()
    crashed.journal.saving(fingerprint(content))
    time.sleep(0.01)
    asyncio.run(crashed.contents.save({"type": "notebook", "format": "json", "content": content}, PATH))
    crashed.insert("after = 1")
    crashed.recover()
    assert sources(crashed.file) == ["old = 1", "saved = 1", "after = 1"]


def test_what_others_wrote_meanwhile_is_merged(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    theirs = json.loads(crashed.file.read_text())
    theirs["cells"][0]["source"] = ["theirs = 1"]
    time.sleep(0.01)
    crashed.file.write_text(json.dumps(theirs))
    crashed.recover()
    assert sources(crashed.file) == crashed.stored() == ["theirs = 1", "new = 1"]


def test_edits_of_a_deleted_notebook_go_beside_it(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    crashed.file.unlink()
    crashed.recover()
    assert not crashed.file.exists()
    assert sources(crashed.root / "a.recovered.ipynb") == ["old = 1", "new = 1"]


def test_a_deleted_notebook_without_unsaved_edits_stays_deleted(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    content = crashed.notebook.get()
    crashed.journal.saved(Saved("tuesday", fingerprint(content), crashed.journal.updates))
    crashed.file.unlink()
    crashed.recover()
    assert list(crashed.root.glob("*.ipynb")) == []
    assert crashed.left() == []


def test_a_renamed_notebook_is_found_by_its_file_id(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    crashed.file.rename(crashed.root / "b.ipynb")
    crashed.recover({"file-id": "b.ipynb"}.get)
    assert sources(crashed.root / "b.ipynb") == ["old = 1", "new = 1"]
    assert not crashed.file.exists()


def test_a_journal_of_a_living_room_is_left_alone(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    asyncio.run(recover(crashed.journals, crashed.contents, crashed.store, lambda _: None, LOG))
    assert sources(crashed.file) == ["old = 1"]
    assert crashed.left() == [".journal"]
