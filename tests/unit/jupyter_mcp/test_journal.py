"""A journal gives back what was appended, whatever the crash did to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text

from jupyter_mcp.journal import Header, Journal, Saved, claim, replay

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
    written.journal.saved(Saved("tuesday", "print-1", written.journal.updates))
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
    written.journal.saved(Saved("tuesday", "print", written.journal.updates))
    compacted = 0
    for _ in range(500):
        written.text += "x" * 4000
        del written.text[5:]
        if written.journal.oversized:
            written.journal.compact(written.doc)
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


def test_the_bytes_of_an_edit_do_not_grow_with_the_document(tmp_path: Path) -> None:
    written = Written(tmp_path)
    sizes = []
    for _ in range(2):
        before = written.journal.file.stat().st_size
        written.text += "word"
        sizes.append(written.journal.file.stat().st_size - before)
        written.text += "x" * 100_000
    assert sizes[1] <= sizes[0] + 16


def test_a_disk_that_refuses_leaves_a_journal_that_can_be_read_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Written(tmp_path)
    written.text += "before"
    real = os.write

    def full(fd: int, data: bytes) -> int:
        real(fd, bytes(data)[:5])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(ExceptionGroup):
            written.text += " lost?"
    assert written.journal.broken
    assert written.journal.oversized
    assert text_of(written.journal.file) == "before"
    with pytest.raises(ExceptionGroup):
        written.text += " refused"
    written.journal.compact(written.doc)
    written.text += " after"
    assert text_of(written.journal.file) == "before lost? refused after"


def test_a_living_journal_can_not_be_claimed_by_another_process(tmp_path: Path) -> None:
    written = Written(tmp_path)
    program = (
        "import sys; from pathlib import Path; from jupyter_mcp.journal import claim; print(claim(Path(sys.argv[1])))"
    )

    def ask() -> str:
        asked = [sys.executable, "-c", program, str(written.journal.file)]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()

    assert ask() == "None"
    written.journal.compact(written.doc)
    assert ask() == "None"
    written.journal.close(delete=False)
    assert ask() != "None"
    assert claim(tmp_path / "missing.journal") is None
