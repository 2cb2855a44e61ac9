"""A file of lines that only its owner reads: appended to whole lines at a time, and put aside when it is large."""

from __future__ import annotations

import fcntl
import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

_TRIES = 1000  # each is one more line that somebody else has written


class AuditFile:
    """One file, and the older ones beside it: `name.1` is the youngest. Servers may share it."""

    def __init__(self, path: Path, *, largest: int, kept: int) -> None:
        """Put the file aside when it would grow over `largest` bytes (0: never), and keep `kept` of those."""
        self.path = path
        self._largest = largest
        self._kept = kept

    @staticmethod
    def now() -> str:
        """Return the time, ISO 8601, UTC."""
        return datetime.now(UTC).isoformat(timespec="milliseconds")

    def append(self, lines: list[str]) -> None:
        """Append lines, all of them or none. Raises OSError. Without lines, only see whether it can be written."""
        data = "".join(f"{line}\n" for line in lines).encode()
        with self._opened() as fd:
            size = os.fstat(fd).st_size
            if data and self._largest and size and size + len(data) > self._largest and self._put_aside():
                with self._opened() as new:
                    _append(new, data, os.fstat(new).st_size)
            else:
                _append(fd, data, size)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """Yield the file's descriptor, locked, and the file at `path` at that moment."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for _ in range(_TRIES):
            fd = self._open()
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                if self._is_there(fd):
                    yield fd
                    return
            finally:
                os.close(fd)
        raise OSError(f"{self.path.name} is put aside again and again by others")

    def _open(self) -> int:
        if self.path.is_symlink():
            raise OSError("it is a link; name the file itself")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(self.path, flags, 0o600)
        try:
            _make_ours(fd)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _is_there(self, fd: int) -> bool:
        """Return whether the file is the one at `path` still."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(fd), self.path.lstat())
        return False

    def _put_aside(self) -> bool:
        """Rename the file, and the older ones; return whether that went. It is better too large than not written."""
        names = [self.path, *(self.path.with_name(f"{self.path.name}.{number + 1}") for number in range(self._kept))]
        try:
            for old, new in reversed(list(itertools.pairwise(names))):
                with suppress(FileNotFoundError):
                    old.replace(new)
            if not self._kept:  # else what is there by now is another server's
                self.path.unlink(missing_ok=True)
        except OSError:
            return False
        return True


def _make_ours(fd: int) -> None:
    """Let only its owner read the file. Raises OSError if it is no file, or another's."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        raise OSError("it is no file, or another user's")
    if stat.S_IMODE(found.st_mode) != 0o600:  # noqa: PLR2004 - a mode
        os.fchmod(fd, 0o600)


def _append(fd: int, data: bytes, size: int) -> None:
    """Write all, or leave the file as long as it was."""
    done = 0
    try:
        while done < len(data):
            done += os.write(fd, data[done:])
    except OSError:
        if done:
            os.ftruncate(fd, size)
        raise
