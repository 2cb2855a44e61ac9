"""A disk that refuses on demand: full, read-only, broken or not ours, below one folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class FaultyDisk:
    """Every call that would write below `folder` fails with `fault`, an errno, while that is set.

    `syncs` makes only fsync fail; `at_once` bytes of a write come through before it fails.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = str(folder)
        self.fault: int | None = None
        self.syncs: int | None = None
        self.at_once = 0
        self.reserves = True
        self._real = {name: getattr(os, name) for name in ("open", "pwrite", "fsync", "posix_fallocate")}
        for name, fake in (
            ("open", self._open),
            ("pwrite", self._pwrite),
            ("fsync", self._fsync),
            ("posix_fallocate", self._fallocate),
        ):
            patch.setattr(os, name, fake)

    def full(self) -> None:
        """Have no byte left."""
        self.fault = errno.ENOSPC

    def mended(self) -> None:
        """Take everything again."""
        self.fault = self.syncs = None

    def _below(self, fd: int) -> bool:
        return str(Path(f"/proc/self/fd/{fd}").readlink()).startswith(self.folder)

    def _refuse(self, code: int | None, what: object) -> None:
        if code is not None:
            raise OSError(code, os.strerror(code), what)

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        # A full disk still makes an empty file; the other faults do not.
        if self.fault != errno.ENOSPC and flags & _WRITES and str(path).startswith(self.folder):
            self._refuse(self.fault, path)
        opened: int = self._real["open"](path, flags, mode, dir_fd=dir_fd)
        return opened

    def _pwrite(self, fd: int, data: bytes, at: int) -> int:
        write: Callable[[int, bytes, int], int] = self._real["pwrite"]
        reserved = self.fault == errno.ENOSPC and at + len(data) <= os.fstat(fd).st_size
        if self.fault is not None and not reserved and self._below(fd):
            write(fd, bytes(data)[: self.at_once], at)
            self._refuse(self.fault, None)
        return write(fd, data, at)

    def _fsync(self, fd: int) -> None:
        if self._below(fd):
            self._refuse(self.syncs, None)
        self._real["fsync"](fd)

    def _fallocate(self, fd: int, at: int, size: int) -> None:
        if not self.reserves:
            self._refuse(errno.EOPNOTSUPP, None)
        if self._below(fd):
            self._refuse(self.fault, None)
        self._real["posix_fallocate"](fd, at, size)


def open_files(folder: Path) -> list[str]:
    """Return the files below a folder that this process has open, deleted ones too."""
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            target = str(fd.readlink())
        except FileNotFoundError:
            continue
        if target.startswith(str(folder)):
            found.append(target)
    return sorted(found)
