"""What is released is what a commit holds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from release.checkout import DRAFT_EPOCH, read_checkout
from release.errors import NoCommitError, UncommittedError
from tests.support.needs import needs
from tests.support.repository import COMMITTED, commit, git

pytestmark = needs("git")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("/dist/\n")
    (folder / "a file.txt").write_text("one")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o700)
    (folder / "link").symlink_to("run")
    commit(folder)
    return folder


def test_it_has_the_commits_files_time_and_tags(root: Path) -> None:
    git(root, "tag", "v1.0.0")
    git(root, "tag", "nightly")
    found = read_checkout(root, draft=False)
    assert found.files == (".gitignore", "a file.txt", "link", "run")
    assert found.epoch == COMMITTED
    assert set(found.tags) == {"v1.0.0", "nightly"}
    assert len(found.commit) == 40


@pytest.mark.parametrize("given", ["1234", "", "soon"])
def test_source_date_epoch_goes_before_the_commits_time(
    root: Path, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", given)
    assert read_checkout(root, draft=False).epoch == (1234 if given == "1234" else COMMITTED)


@pytest.mark.parametrize("change", ["changed", "new", "gone", "staged", "of another mode"])
def test_what_no_commit_holds_is_named_and_refused(root: Path, change: str) -> None:
    name = "ümlaut.txt" if change == "new" else "a file.txt"
    if change == "of another mode":
        (root / name).chmod(0o755)
    elif change == "gone":
        (root / name).unlink()
    else:
        (root / name).write_text("two")
    if change == "staged":
        git(root, "add", name)
    with pytest.raises(UncommittedError) as told:
        read_checkout(root, draft=False)
    assert name in str(told.value)
    draft = read_checkout(root, draft=True)
    assert draft.commit == ""
    assert (name in draft.files) is (change != "gone")


def test_what_git_ignores_does_not_count(root: Path) -> None:
    (root / "dist").mkdir()
    (root / "dist" / "x").touch()
    assert "dist/x" not in read_checkout(root, draft=False).files
    assert "dist/x" not in read_checkout(root, draft=True).files


def test_a_folder_that_is_no_checkout_is_refused_and_may_be_drafted(root: Path, tmp_path: Path) -> None:
    plain, inside = tmp_path / "plain", root / "dist"
    for folder in (plain, inside):
        folder.mkdir()
        (folder / "file").touch()
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "x.pyc").touch()
        # One that lies in somebody else's checkout is none either.
        with pytest.raises(NoCommitError):
            read_checkout(folder, draft=False)
        draft = read_checkout(folder, draft=True)
        assert (draft.files, draft.commit, draft.epoch) == (("file",), "", DRAFT_EPOCH)


def test_a_machine_without_git_can_draft(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoCommitError):
        read_checkout(root, draft=False)
    assert "a file.txt" in read_checkout(root, draft=True).files


def test_a_checkout_without_a_commit_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(NoCommitError):
        read_checkout(tmp_path, draft=False)


def test_a_copy_has_modes_and_times_of_its_own(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    before = os.umask(0o077)
    try:
        read_checkout(root, draft=False).copy(copy, 1_234_567_890)
    finally:
        os.umask(before)
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in copy.iterdir() if not path.is_symlink()} == {
        ".gitignore": "0o644",
        "a file.txt": "0o644",
        "run": "0o755",
    }
    assert (copy / "link").readlink() == Path("run")
    assert (copy / "run").stat().st_mtime == 1_234_567_890
    shutil.rmtree(copy)
