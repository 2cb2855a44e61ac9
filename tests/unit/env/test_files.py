"""A file takes its place in one step, and a link stands for a copy wherever there can be one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from env.errors import StoreFullError
from env.files import link_or_copy, linked, replacing_file, space_or, write_atomically


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_a_file_is_written_as_any_program_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_atomically(path, b"content")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"content", 0o640)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    half: list[Any] = [b"half", None]
    with pytest.raises(TypeError), replacing_file(path) as file:
        file.writelines(half)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("file", b"old")]


def test_a_link_shares_the_file(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"content")
    link_or_copy(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "one").samefile(tmp_path / "two")


def test_what_a_symbolic_link_means_is_linked_and_not_the_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "far").write_bytes(b"content")
    (tmp_path / "one").symlink_to("far")
    (tmp_path / "folder").mkdir()
    link_or_copy(tmp_path / "one", tmp_path / "folder" / "two")
    assert not (tmp_path / "folder" / "two").is_symlink()
    assert (tmp_path / "folder" / "two").read_bytes() == b"content"


def test_where_there_can_be_no_link_there_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "another filesystem")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "one").write_bytes(b"content")
    assert not linked(tmp_path / "one", tmp_path / "two")
    link_or_copy(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == b"content"
    assert not (tmp_path / "one").samefile(tmp_path / "two")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_as_one(code: int) -> None:
    with pytest.raises(StoreFullError), space_or(StoreFullError("/store")):
        raise OSError(code, "full")


def test_another_fault_of_the_disk_is_told_as_it_is() -> None:
    with pytest.raises(PermissionError), space_or(StoreFullError("/store")):
        raise PermissionError(errno.EACCES, "denied")
