"""A journal gives back what was appended, whatever the crash did to its end."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text

from jupyter_mcp.rooms.journal import Journal, claim
from jupyter_mcp.rooms.journal_frames import Header, Saved, replay
from jupyter_mcp.rooms.owner_only import NotOursError, make_private
from tests.support.disk import FaultyDisk, open_files

HEADER = Header("json:notebook:file-id", "a/b.ipynb")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> pytest.TempPathFactory:
    return tmp_path_factory


class Written:
    """A document and the journal of its updates."""

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        self.doc: Doc[Text] = Doc()
        self.text = self.doc.get("text", type=Text)
        self.journal = Journal(folder, HEADER, self.doc.get_update(), "monday", fsync=fsync)
        self._subscription = self.doc.observe(lambda event: self.journal.append(event.update))


def text_of(file: Path, updates: int | None = None) -> str:
    found = replay(file)
    assert found is not None
    return str(found.document(updates).get("text", type=Text))


def test_what_was_appended_is_replayed(tmp_path: Path) -> None:
    written = Written(tmp_path, fsync=True)
    for word in ("one ", "two ", "three"):
        written.text += word
    assert text_of(written.journal.file) == "one two three"
    found = replay(written.journal.file)
    assert found is not None
    assert (found.header, found.saved) == (HEADER, Saved("monday", "", 1))
    assert written.journal.file.stat().st_mode & 0o077 == 0


@given(st.integers(min_value=1, max_value=400))
def test_a_torn_end_loses_at_most_what_was_never_acknowledged(folders: pytest.TempPathFactory, cut: int) -> None:
    written = Written(folders.mktemp("journal"))
    for number in range(10):
        written.text += f"{number}"
    data = written.journal.file.read_bytes()
    torn = written.journal.file.with_name("torn.journal")
    torn.write_bytes(data[: max(0, len(data) - cut)] + b"\0" * (cut % 3))
    found = replay(torn)
    if found is not None:
        assert "0123456789".startswith(str(found.document().get("text", type=Text)))


def test_a_save_is_remembered_with_what_it_held_and_intents_until_then(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.text += "saved"
    written.journal.saving("print-1")
    written.journal.saved(Saved("tuesday", "print-1", written.journal.updates), written.journal.rewritten)
    written.text += " not saved"
    written.journal.saving("print-2")
    written.journal.moved("new.ipynb")
    found = replay(written.journal.file)
    assert found is not None
    assert found.header.path == "new.ipynb"
    assert found.intents == ["print-2"]
    assert text_of(written.journal.file, found.saved.updates) == "saved"
    assert text_of(written.journal.file) == "saved not saved"


def test_compaction_keeps_the_document_and_the_save_and_bounds_the_file(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.text += "saved"
    written.journal.saved(Saved("tuesday", "print", written.journal.updates), written.journal.rewritten)
    compacted = 0
    for _ in range(500):
        written.text += "x" * 4000
        del written.text[5:]
        if written.journal.oversized:
            written.journal.mend(written.doc)
            compacted += 1
    assert compacted
    assert written.journal.file.stat().st_size < 2 << 20
    found = replay(written.journal.file)
    assert found is not None
    assert (found.saved.modified, found.saved.fingerprint) == ("tuesday", "print")
    assert text_of(written.journal.file, found.saved.updates) == "saved"
    assert text_of(written.journal.file) == "saved"
    written.text += " and on"
    assert text_of(written.journal.file) == "saved and on"


def test_a_save_that_began_before_the_journal_was_rewritten_is_not_counted_in_the_updates_since(tmp_path: Path) -> None:
    """Else edits that the file lacks would be taken for what it holds, and a merge for what others deleted."""
    written = Written(tmp_path)
    written.text += "one "
    written.text += "two "
    counted, rewritten = written.journal.updates, written.journal.rewritten
    written.journal.saving("print-1")
    written.journal.mend(written.doc)
    written.text += "three"
    written.journal.saved(Saved("tuesday", "print-1", counted), rewritten)
    found = replay(written.journal.file)
    assert found is not None
    assert (found.saved.modified, found.intents) == ("monday", ["print-1"])
    assert text_of(written.journal.file, found.saved.updates) == ""
    assert text_of(written.journal.file) == "one two three"


def test_the_bytes_of_an_edit_do_not_grow_with_the_document(tmp_path: Path) -> None:
    written = Written(tmp_path)
    sizes = []
    for _ in range(2):
        before = written.journal.file.stat().st_size
        written.text += "word"
        sizes.append(written.journal.file.stat().st_size - before)
        written.text += "x" * 100_000
    assert sizes[1] <= sizes[0] + 16


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyDisk:
    return FaultyDisk(tmp_path, monkeypatch)


def test_a_full_disk_refuses_an_edit_before_it_is_made(tmp_path: Path, disk: FaultyDisk) -> None:
    written = Written(tmp_path)
    written.text += "before"
    disk.full()
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            written.journal.ready(written.doc, 100)
    disk.mended()
    written.journal.ready(written.doc, 100)
    disk.full()
    written.text += " after"  # its place was taken ahead
    assert text_of(written.journal.file) == "before after"


@pytest.mark.parametrize("at_once", [0, 5, 40])
def test_a_disk_that_refuses_leaves_a_journal_that_can_be_read_and_mended(
    tmp_path: Path, disk: FaultyDisk, at_once: int
) -> None:
    written = Written(tmp_path)
    written.text += "before"
    disk.full()
    disk.at_once = at_once
    with pytest.raises(ExceptionGroup):
        written.text += " lost?"
    assert written.journal.broken
    assert text_of(written.journal.file) == "before"
    with pytest.raises(ExceptionGroup):
        written.text += " refused"
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            written.journal.mend(written.doc)
    assert open_files(tmp_path) == [str(written.journal.file)]
    assert [file.name for file in tmp_path.iterdir()] == [written.journal.file.name]
    disk.mended()
    written.journal.ready(written.doc)
    written.text += " after"
    assert text_of(written.journal.file) == "before lost? refused after"


def test_mending_is_tried_by_itself_once_a_second(tmp_path: Path, disk: FaultyDisk) -> None:
    written = Written(tmp_path)
    disk.full()
    with pytest.raises(ExceptionGroup):
        written.text += "lost?"
    assert not written.journal.oversized
    written.journal._retry_at = 0
    assert written.journal.oversized


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EIO])
def test_a_room_can_be_read_whose_journal_can_not_be_made(tmp_path: Path, disk: FaultyDisk, code: int) -> None:
    disk.fault = code
    folder = tmp_path / "journals"
    folder.mkdir()
    written = Written(folder)
    assert written.journal.broken
    with pytest.raises(OSError, match=os.strerror(code)):
        written.journal.ready(written.doc)
    with pytest.raises(OSError, match=os.strerror(code)):
        written.journal.saving("print")
    disk.mended()
    written.journal.ready(written.doc)
    written.text += "kept"
    assert text_of(written.journal.file) == "kept"


def test_a_failing_fsync_is_an_error_until_the_journal_is_written_anew(tmp_path: Path, disk: FaultyDisk) -> None:
    written = Written(tmp_path, fsync=True)
    disk.syncs = errno.EIO
    with pytest.raises(ExceptionGroup):
        written.text += "unsure"
    with pytest.raises(OSError, match="Input/output error"):
        written.journal.ready(written.doc)
    disk.mended()
    written.journal.ready(written.doc)
    assert text_of(written.journal.file) == "unsure"


@pytest.mark.parametrize("how", ["the file", "the folder", "moved away"])
def test_a_journal_that_is_deleted_is_made_again(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "journals"
    written = Written(folder)
    written.text += "before"
    written.journal.saved(Saved("tuesday", "print", written.journal.updates, "digest"), written.journal.rewritten)
    written.text += " more"
    if how == "the file":
        written.journal.file.unlink()
    elif how == "the folder":
        shutil.rmtree(folder)
    else:
        folder.rename(tmp_path / "elsewhere")
    if how != "moved away":
        with pytest.raises(ExceptionGroup):
            written.text += " and"
    written.journal.ready(written.doc)
    written.text += " after"
    found = replay(written.journal.file)
    assert found is not None
    assert found.saved.digest == "digest"
    assert text_of(written.journal.file, found.saved.updates) == "before"
    assert text_of(written.journal.file) == str(written.text)


def test_room_is_reserved_ahead_and_given_back(tmp_path: Path, disk: FaultyDisk) -> None:
    written = Written(tmp_path)
    written.journal.ready(written.doc, 10)
    assert written.journal.file.stat().st_size > 60_000
    written.text += "word"
    assert text_of(written.journal.file) == "word"
    written.journal.close(delete=False)
    assert written.journal.file.stat().st_size < 1000
    assert text_of(written.journal.file) == "word"
    disk.reserves = False
    other = Written(tmp_path)
    other.journal.ready(other.doc, 10)  # a file system without reservations is good enough


def test_closing_leaves_the_file_that_took_the_journals_place(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.journal.file.unlink()
    written.journal.file.write_text("another's")
    written.journal.close(delete=True)
    assert written.journal.file.read_text() == "another's"


def test_a_folder_that_others_may_write_is_closed_to_them(tmp_path: Path) -> None:
    folder = tmp_path / "journals"
    folder.mkdir()
    folder.chmod(0o777)
    Written(folder)
    assert folder.stat().st_mode & 0o002 == 0


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    written = Written(tmp_path)
    with pytest.raises(NotOursError, match="is another user's"):
        written.journal.ready(written.doc)


@pytest.mark.parametrize("kind", ["link", "pipe", "writable", "another's"])
def test_a_planted_journal_is_not_claimed(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(tmp_path / "other")
    written.journal.close(delete=False)
    file = tmp_path / "planted.journal"
    if kind == "link":
        file.symlink_to(written.journal.file)
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.write_bytes(written.journal.file.read_bytes())
        file.chmod(0o666 if kind == "writable" else 0o600)
    if kind == "another's":
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NotOursError):
        claim(file)
    assert open_files(file) == []


def test_a_file_is_made_for_its_owner_or_closed_to_others(tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    old.write_text("kept")
    old.chmod(0o644)
    for file in (old, new):
        make_private(file)
        assert file.stat().st_mode & 0o777 == 0o600
    assert old.read_text() == "kept"


def test_a_living_journal_can_not_be_claimed_by_another_process(tmp_path: Path) -> None:
    written = Written(tmp_path)
    program = (
        "import sys; from pathlib import Path; from jupyter_mcp.rooms.journal import claim;"
        "print(claim(Path(sys.argv[1])))"
    )

    def ask() -> str:
        asked = [sys.executable, "-c", program, str(written.journal.file)]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()

    assert ask() == "None"
    written.journal.mend(written.doc)
    assert ask() == "None"
    written.journal.close(delete=False)
    assert ask() != "None"
    assert claim(tmp_path / "missing.journal") is None
