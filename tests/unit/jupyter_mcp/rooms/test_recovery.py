"""Recovery finishes what a crash cut short, leaves others' files alone, and never drops an edit."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_server_ydoc.stores import SQLiteYStore
from jupyter_ydoc import YNotebook
from pycrdt import Doc

from jupyter_mcp.rooms.journal import Journal
from jupyter_mcp.rooms.journal_frames import Header, Saved, frame, note
from jupyter_mcp.rooms.merge import fingerprint
from jupyter_mcp.rooms.recoveries import Recoveries
from tests.support.contents import Faults, FaultyContents

from .test_batched_store import clocks

PATH = "a.ipynb"
ROOM = "json:notebook:file-id"
LOG = logging.getLogger("test")


class Crashed:
    """A notebook on disk, and the journal that a killed server left."""

    def __init__(self, folder: Path, *, name: str = PATH, room: str = ROOM, root: Path | None = None) -> None:
        self.root, self.journals = root or folder / "root", folder / "journals"
        self.root.mkdir(exist_ok=True)
        self.journals.mkdir()
        self.file = self.root / name
        first = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("old = 1", id="old")])
        nbformat.write(first, self.file)
        self.faults = Faults()
        self.contents = self.contents_of(self.root)
        model = asyncio.run(self.contents.get(name, type="notebook"))
        self.doc: Doc[Any] = Doc(client_id=0)
        self.notebook = YNotebook(self.doc)
        self.notebook.set(model["content"])
        header = Header(room, name, str(self.file))
        state = self.doc.get_update()
        self.journal = Journal(self.journals, header, state, str(model["last_modified"]), fsync=False)
        self._subscription = self.doc.observe(self._append)

    def insert(self, source: str) -> None:
        cell = {
            "id": source.split(" ", maxsplit=1)[0],
            "cell_type": "code",
            "source": source,
            "metadata": {},
            "outputs": [],
        }
        self.notebook.ycells.append(self.notebook.create_ycell({**cell, "execution_count": None}))

    def typed_while_the_journal_is_broken(self, source: str) -> None:
        self.doc.unobserve(self._subscription)
        put, self.journal._fd = self.journal._fd, os.open("/dev/full", os.O_RDWR)
        with pytest.raises(OSError, match="No space left"):
            self.journal.append(b"an update")
        os.close(self.journal._fd)
        self.journal._fd = put
        self.insert(source)
        self._subscription = self.doc.observe(self._append)

    def _append(self, event: Any) -> None:
        if not self.journal.broken:
            self.journal.append(event.update)

    def save(self) -> None:
        """Save as a room does, with its notes where they can be made."""
        content = self.notebook.get()
        with contextlib.suppress(OSError):
            self.journal.saving(fingerprint(content))
        saving = self.contents.save({"type": "notebook", "format": "json", "content": content}, self.file.name)
        model = asyncio.run(saving)
        digest = hashlib.sha256(self.file.read_bytes()).hexdigest()
        with contextlib.suppress(OSError):
            self.journal.saved(
                Saved(str(model["last_modified"]), fingerprint(content), self.journal.updates, digest),
                self.journal.rewritten,
            )

    def store_all(self) -> None:
        async def write() -> None:
            async with self.store(ROOM) as store:
                await store.write(self.doc.get_update())

        asyncio.run(write())

    def refuse(self, *_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def store(self, _: str) -> SQLiteYStore:
        class Store(SQLiteYStore):
            db_path = str(self.root.parent / "store.db")

        return Store(path=ROOM)

    def recover(self, path_of: Callable[[str], str | None] = lambda _: None, root: Path | None = None) -> Recoveries:
        self.journal.close(delete=False)
        recoveries = Recoveries(
            self.journals,
            str(root or self.root),
            LOG,
            contents=lambda: self.contents_of(root or self.root),
            store_of=self.store,
            present_path=path_of,
        )
        recoveries.begin(60)
        return recoveries

    def contents_of(self, root: Path) -> FaultyContents:
        return FaultyContents(self.faults, root_dir=str(root))

    def again(self, recoveries: Recoveries, path: str = PATH, *, room: bool = True) -> str | None:
        return asyncio.run(recoveries.finished("file-id", path, room=room))

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
    crashed.journal.saved(Saved("before", "", crashed.journal.updates), crashed.journal.rewritten)
    time.sleep(0.01)
    without = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("old = 1", id="old")])
    nbformat.write(without, crashed.file)
    crashed.recover()
    assert sources(crashed.file) == crashed.stored() == ["old = 1"]
    assert crashed.seen_by_a_tab_is_stored()


def test_what_the_journal_lacks_and_the_store_has_comes_once(crashed: Crashed) -> None:
    """A person typed while the journal could not be written; the page brings the same cell when it comes back."""
    crashed.typed_while_the_journal_is_broken("typed = 1")
    crashed.store_all()
    crashed.recover()
    assert sources(crashed.file) == crashed.stored() == ["old = 1", "typed = 1"]
    assert crashed.seen_by_a_tab_is_stored()


def test_what_the_journal_lacks_and_store_and_file_have_comes_once(crashed: Crashed) -> None:
    crashed.typed_while_the_journal_is_broken("typed = 1")
    crashed.store_all()
    crashed.save()
    crashed.recover()
    assert sources(crashed.file) == crashed.stored() == ["old = 1", "typed = 1"]
    assert crashed.seen_by_a_tab_is_stored()


def test_a_save_while_the_journal_lacks_an_edit_is_not_taken_for_what_the_journal_has(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    crashed.typed_while_the_journal_is_broken("typed = 1")
    crashed.save()
    crashed.recover()
    assert sources(crashed.file) == crashed.stored() == ["old = 1", "new = 1", "typed = 1"]


def test_a_save_while_the_journal_was_broken_is_known_when_it_is_mended(crashed: Crashed) -> None:
    """Else what was saved then and deleted later came back."""
    crashed.typed_while_the_journal_is_broken("typed = 1")
    crashed.save()
    crashed.journal.mend(crashed.doc)
    del crashed.notebook.ycells[1]
    crashed.recover()
    assert sources(crashed.file) == crashed.stored() == ["old = 1"]


def test_a_cell_that_a_page_brought_once_more_before_the_crash_is_there_once(crashed: Crashed) -> None:
    """Upstream gives a twin another id when it reads it, unless it is the same to the letter."""
    crashed.insert("new = 1")
    crashed.insert("new = 1")
    crashed.notebook.ycells[2]["metadata"]["trusted"] = True
    crashed.recover()
    assert sources(crashed.file) == crashed.stored() == ["old = 1", "new = 1"]


def test_a_recovery_that_failed_at_the_store_brings_nothing_twice(
    crashed: Crashed, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed.insert("new = 1")
    theirs = json.loads(crashed.file.read_text())
    theirs["cells"].append({**theirs["cells"][0], "id": "theirs", "source": ["theirs = 1"]})
    crashed.file.write_text(json.dumps(theirs))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", crashed.refuse)  # the last step
        recoveries = crashed.recover()
        assert "Input/output error" in str(crashed.again(recoveries))
    assert crashed.again(recoveries) is None
    assert sorted(sources(crashed.file)) == sorted(crashed.stored()) == ["new = 1", "old = 1", "theirs = 1"]


def test_a_file_that_the_crash_tore_is_written_anew(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    crashed.journal.saving(fingerprint(crashed.notebook.get()))
    crashed.file.write_text("")
    crashed.recover()
    assert sources(crashed.file) == ["old = 1", "new = 1"]


def test_what_somebody_wrote_into_a_torn_file_is_kept_beside_it(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    crashed.journal.saving(fingerprint(crashed.notebook.get()))
    crashed.file.write_text("<<<<<<< theirs")
    crashed.recover()
    assert sources(crashed.file) == ["old = 1", "new = 1"]
    assert (crashed.root / "a.ipynb.unreadable-1.txt").read_text() == "<<<<<<< theirs"


def test_a_file_that_others_broke_is_left_and_the_journal_tried_when_it_is_repaired(crashed: Crashed) -> None:
    before = crashed.file.read_text()
    crashed.insert("new = 1")
    crashed.file.write_text("not a notebook")
    recoveries = crashed.recover()
    assert crashed.file.read_text() == "not a notebook"
    assert crashed.left() == [".journal"]
    assert "Unreadable Notebook" in str(crashed.again(recoveries))
    crashed.file.write_text(before)
    assert crashed.again(recoveries) is None
    assert sources(crashed.file) == ["old = 1", "new = 1"]
    assert crashed.left() == []


def test_a_full_workspace_delays_recovery_until_the_notebook_is_opened(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    crashed.faults.save = errno.ENOSPC
    recoveries = crashed.recover()
    assert "No space left" in str(crashed.again(recoveries))
    assert crashed.left() == [".journal"]
    crashed.faults.save = None
    assert crashed.again(recoveries) is None
    assert sources(crashed.file) == crashed.stored() == ["old = 1", "new = 1"]


def test_a_journal_that_a_server_held_until_it_ended_is_recovered_when_its_notebook_is_opened_next(
    crashed: Crashed,
) -> None:
    """As of a server that ends while the one that takes its place begins."""
    crashed.insert("new = 1")
    with crashed.journal.file.open("rb") as held:
        crashed.journal.close(delete=False)
        fcntl.flock(held, fcntl.LOCK_EX)
        recoveries = crashed.recover()
        assert crashed.again(recoveries, room=False) is None
        assert sources(crashed.file) == ["old = 1"]
    assert crashed.again(recoveries, room=True) is None
    assert sources(crashed.file) == ["old = 1"], "not under a room that lives"
    assert crashed.again(recoveries, room=False) is None
    assert sources(crashed.file) == crashed.stored() == ["old = 1", "new = 1"]
    assert crashed.left() == []


def test_a_renamed_folder_keeps_the_journal_for_its_return(crashed: Crashed) -> None:
    folder = crashed.root / "sub"
    folder.mkdir()
    crashed.file = crashed.file.rename(folder / PATH)
    crashed.journal.moved(f"sub/{PATH}", str(crashed.file))
    crashed.insert("new = 1")
    folder.rename(crashed.root / "elsewhere")
    recoveries = crashed.recover()
    assert crashed.left() == [".journal"]
    (crashed.root / "elsewhere").rename(folder)
    assert crashed.again(recoveries, f"sub/{PATH}") is None
    assert sources(crashed.file) == ["old = 1", "new = 1"]


@pytest.mark.parametrize("garbage", [b"garbage", frame(b"H", b"[]"), frame(b"H", b'{"room_id": 1}'), "update"])
def test_a_journal_that_can_not_be_read_is_set_aside_and_told(crashed: Crashed, garbage: bytes | str) -> None:
    if isinstance(garbage, str):
        garbage = note(b"H", Header(ROOM, PATH)) + frame(b"U", b"no update")
    crashed.insert("new = 1")
    (crashed.journals / "file-id.0.journal").write_bytes(garbage)
    recoveries = crashed.recover()
    assert sources(crashed.file) == ["old = 1", "new = 1"]  # the other journal's
    assert recoveries.set_aside("file-id") == ["file-id.0.failed"]
    assert recoveries.set_aside("another") == []


def test_a_poisoned_notebook_keeps_no_other_from_its_recovery(crashed: Crashed, tmp_path: Path) -> None:
    """pycrdt panics with a BaseException on such numbers."""
    (tmp_path / "second").mkdir()
    poisoned = json.loads(crashed.file.read_text())
    poisoned["metadata"] = {"seed": 2**64 - 1, "odd": float("nan")}
    poisoned["cells"][0]["metadata"] = {"text": "\ud800", "n": -(2**70)}
    crashed.file.write_text(json.dumps(poisoned))
    crashed.insert("new = 1")
    other = Crashed(tmp_path / "second", name="b.ipynb", room="json:notebook:other-id", root=crashed.root)
    other.insert("other = 1")
    other.journal.close(delete=False)
    other.journal.file.rename(crashed.journals / other.journal.file.name)
    crashed.recover()
    assert sources(crashed.file) == ["old = 1", "new = 1"]
    assert sources(crashed.root / "b.ipynb") == ["old = 1", "other = 1"]
    assert crashed.left() == []


@pytest.mark.parametrize("reached", ["parent", "subfolder", "link"])
def test_a_journal_is_found_by_the_notebooks_file_not_by_the_root(
    crashed: Crashed, reached: str, tmp_path: Path
) -> None:
    folder = crashed.root / "sub"
    folder.mkdir()
    crashed.file = crashed.file.rename(folder / PATH)
    crashed.journal.moved(f"sub/{PATH}", str(crashed.file))
    crashed.insert("new = 1")
    (tmp_path / "link").symlink_to(crashed.root)
    crashed.recover(root={"parent": tmp_path, "subfolder": folder, "link": tmp_path / "link"}[reached])
    assert sources(crashed.file) == ["old = 1", "new = 1"]
    assert crashed.left() == []


def test_another_roots_journal_is_left(crashed: Crashed, tmp_path: Path) -> None:
    crashed.insert("new = 1")
    (tmp_path / "other").mkdir()
    crashed.recover(root=tmp_path / "other")
    assert sources(crashed.file) == ["old = 1"]
    assert crashed.left() == [".journal"]


def test_a_journal_of_the_former_layout_is_found(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    crashed.journal.moved(PATH)
    former = crashed.journals / hashlib.sha256(str(crashed.root).encode()).hexdigest()[:16]
    former.mkdir()
    crashed.journal.file = crashed.journal.file.rename(former / crashed.journal.file.name)
    crashed.recover()
    assert sources(crashed.file) == ["old = 1", "new = 1"]


def test_a_planted_journal_changes_nothing(crashed: Crashed, caplog: pytest.LogCaptureFixture) -> None:
    crashed.insert("planted = 1")
    crashed.journal.file.chmod(0o666)
    crashed.recover()
    assert sources(crashed.file) == ["old = 1"]
    assert "is not used" in caplog.text


def test_what_a_crash_left_of_a_journal_that_was_being_written_is_swept(crashed: Crashed) -> None:
    (crashed.journals / "file-id.0.1.new").write_bytes(b"half")
    (crashed.journals / "file-id.1.journal").write_bytes(b"")
    crashed.recover()
    assert crashed.left() == []


@pytest.mark.parametrize("age", [-3600, 0, 3600])
def test_an_outside_version_is_known_whatever_its_time(crashed: Crashed, age: int) -> None:
    found = crashed.file.stat()
    crashed.insert("new = 1")
    theirs = json.loads(crashed.file.read_text())
    theirs["cells"][0]["source"] = ["theirs = 1"]
    crashed.file.write_text(json.dumps(theirs))
    os.utime(crashed.file, ns=(found.st_atime_ns, found.st_mtime_ns + age * 10**9))
    crashed.recover()
    assert sources(crashed.file) == ["theirs = 1", "new = 1"]


def test_a_long_recovery_does_not_hold_the_start_and_its_notebook_waits(crashed: Crashed) -> None:
    crashed.insert("new = 1")
    crashed.faults.gate.clear()
    crashed.journal.close(delete=False)
    recoveries = Recoveries(
        crashed.journals,
        str(crashed.root),
        LOG,
        contents=lambda: crashed.contents_of(crashed.root),
        store_of=crashed.store,
        present_path=lambda _: None,
    )
    recoveries.begin(0.01)

    async def opened() -> None:
        waiting = asyncio.create_task(recoveries.finished("file-id", PATH))
        assert await recoveries.finished("another-id", "b.ipynb") is None
        assert not waiting.done()
        crashed.faults.gate.set()
        assert await waiting is None

    asyncio.run(opened())
    assert sources(crashed.file) == ["old = 1", "new = 1"]


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
    crashed.journal.saved(Saved("tuesday", fingerprint(content), crashed.journal.updates), crashed.journal.rewritten)
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
    living = crashed.journal
    crashed.journal = Journal(crashed.journals / "other", living.header, b"", "", fsync=False)
    crashed.recover()
    assert sources(crashed.file) == ["old = 1"]
    assert ".journal" in crashed.left()
