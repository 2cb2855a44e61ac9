"""An append-only file per room, so that what was acknowledged is there after `kill -9`.

Every update of the shared document is appended while its transaction commits, so before any
reply. A plain write is enough against the death of the process; `fsync` is for power loss.
The file is locked (flock) while its room lives, so that a second server on the same folder leaves
it alone. A disk that refuses makes the journal `broken`: edits are refused until `mend` could write
it anew.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pycrdt import Doc

from jupyter_mcp import metrics

from .journal_frames import Header, Replay, Saved, frame, note, read_all, replay, whole
from .owner_only import open_private, private_folder

_COMPACT_BYTES = 1 << 20
_COMPACT_GROWTH = 4
_RESERVE = 64 << 10  # bytes that are taken from the disk ahead of the edits that need them
_MOST_UNNOTED = 100  # saves while a journal is broken that are remembered
_RETRY_AFTER = 1.0  # seconds from a failed mending to the next that nobody waits for
_NO_RESERVING = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)  # of file systems without fallocate


class Journal:
    """The open journal of one live room; begins with the room's state, which the file of that digest holds.

    If that can't be written, the journal begins as `broken`: the room can be read.
    """

    def __init__(
        self, folder: Path, header: Header, state: bytes, modified: str, *, fsync: bool, digest: str = ""
    ) -> None:
        self.file = folder / f"{header.file_id}.{secrets.token_hex(4)}.journal"
        self.header = header
        self.updates = 1
        self.rewritten = 0  # times; what was counted before counts nothing after
        self.fault: OSError | None = None
        self._fsync = fsync
        self._fd = -1
        self._size = 0
        self._base = 0
        self._reserved = 0
        self._closed = False
        self._retry_at = 0.0
        self._unnoted: list[str] = []  # fingerprints of saves while it is broken, for the next `mend`
        # Kept while there is no file to read it from.
        self._start: Replay | None = Replay(header, [state], Saved(modified, "", 1, digest))
        with suppress(OSError):
            self._rewrite(self._start)

    @property
    def broken(self) -> bool:
        """Return whether what is in the document is not all in the file."""
        return self.fault is not None

    def _rewrite(self, content: Replay) -> None:
        """Start over; the old file stays until the new one is complete. Raises OSError, and is `broken` then."""
        data = whole(content)
        fresh = self.file.with_suffix(f".{secrets.token_hex(4)}.new")
        fd = -1
        try:
            private_folder(self.file.parent)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(fresh, flags, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(fd, data, 0)
            if self._fsync:
                os.fsync(fd)
            fresh.replace(self.file)
            if self._fsync:
                _sync_folder(self.file.parent)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
                with suppress(OSError):
                    fresh.unlink(missing_ok=True)
            self._break(error)
            raise
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size, self._base, self._reserved = fd, len(data), len(data), len(data)
        self._start = None
        self.fault = None
        self.updates = len(content.updates)
        self.rewritten += 1

    def _break(self, error: OSError) -> None:
        self.fault = error
        metrics.JOURNAL_FAILURES.inc()
        self._retry_at = time.monotonic() + _RETRY_AFTER

    def ready(self, document: Doc[Any], size: int = 0) -> None:
        """Make sure that an edit of about `size` bytes will find its place. Raises OSError.

        Mends what is broken or was deleted. Call it before the edit: what is refused then changed nothing.
        """
        if not self.broken and not self._in_place():
            self._break(FileNotFoundError(errno.ENOENT, "the journal was deleted", str(self.file)))
        if self.broken:
            self.mend(document)
        self._reserve(size)

    def _in_place(self) -> bool:
        try:
            named = os.stat(self.file, follow_symlinks=False)  # noqa: PTH116 - before each edit; a Path costs more
        except OSError:
            return False
        own = os.fstat(self._fd)
        return (named.st_ino, named.st_dev) == (own.st_ino, own.st_dev)

    def _reserve(self, size: int) -> None:
        if self._size + size + 1024 <= self._reserved or not hasattr(os, "posix_fallocate"):
            return
        wanted = size + _RESERVE
        try:
            os.posix_fallocate(self._fd, self._size, wanted)
        except OSError as error:
            if error.errno in _NO_RESERVING:
                return
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)  # what it got of it
            self._reserved = self._size
            raise
        self._reserved = self._size + wanted

    def append(self, update: bytes) -> None:
        """Keep one update; returns when the system has it. Raises OSError, and is `broken` until `mend`."""
        self._put(frame(b"U", update))
        self.updates += 1

    def saving(self, fingerprint: str) -> None:
        """Note that content of this fingerprint is about to be written to the file. Raises OSError.

        What can't be noted now is noted by `mend`.
        """
        try:
            self._put(frame(b"I", fingerprint.encode()))
        except OSError:
            self._unnoted = [*self._unnoted[1 - _MOST_UNNOTED :], fingerprint]
            raise

    def saved(self, saved: Saved, rewritten: int) -> None:
        """Note that the file holds the first `saved.updates` updates of the journal that was rewritten so many times.

        Raises OSError. If it was rewritten since, that it was to be saved is all that is noted.
        """
        if rewritten == self.rewritten:
            self._put(note(b"S", saved))

    def moved(self, path: str, file: str = "") -> None:
        """Note that the notebook has a new path."""
        self.header = replace(self.header, path=path, file=file)
        self._put(note(b"H", self.header))

    @property
    def size(self) -> int:
        """The bytes of the file that hold something."""
        return self._size

    @property
    def oversized(self) -> bool:
        """Return whether `mend` is due; it then costs a fixed share of what was appended since."""
        if self.broken:
            return time.monotonic() >= self._retry_at
        return self._size > max(_COMPACT_BYTES, _COMPACT_GROWTH * self._base)

    def mend(self, document: Doc[Any]) -> None:
        """Write the file anew, with the updates of `document` folded into two: up to the last save, and since.

        Raises OSError.
        """
        if self._closed:
            return
        found = self._start
        if found is None:
            # By the descriptor: the file may have been deleted or moved away.
            found = replay(read_all(self._fd, self._size))
        if found is None:
            raise OSError(errno.EIO, "the journal can't be read back", str(self.file))
        saved = found.document(found.saved.updates)
        updates = [saved.get_update(), document.get_update(saved.get_state())]
        intents = [*found.intents, *self._unnoted]
        self._rewrite(Replay(self.header, updates, replace(found.saved, updates=1), intents))
        self._unnoted = []

    def _put(self, data: bytes) -> None:
        if self._closed:
            return
        if self.fault is not None:
            # Also a save's note: it would say that the file holds less than it does, for updates are missing.
            said = self.fault.strerror or str(self.fault)
            raise OSError(self.fault.errno or errno.EIO, f"an earlier update could not be written: {said}")
        try:
            if os.fstat(self._fd).st_nlink == 0:
                raise FileNotFoundError(errno.ENOENT, "the journal was deleted", str(self.file))
            _write(self._fd, data, self._size)
            if self._fsync:
                os.fsync(self._fd)
        except OSError as error:
            # Half a frame would hide every later one; a failed fsync says nothing about what the disk has.
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
            self._reserved = self._size
            self._break(error)
            raise
        self._size += len(data)

    def close(self, *, delete: bool) -> None:
        """Close; `delete` once the notebook's file holds everything. A file that can't be deleted is no harm."""
        self._closed = True
        if self._fd < 0:
            return
        with suppress(OSError):
            if delete:
                if self._in_place():
                    self.file.unlink(missing_ok=True)
            elif self._reserved > self._size:
                os.ftruncate(self._fd, self._size)
        os.close(self._fd)
        self._fd = -1


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write(fd: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view, at)
        view, at = view[done:], at + done


def claim(file: Path) -> int | None:
    """Lock a journal that no living room holds; returns the descriptor to close, or None.

    Raises NotOursError if somebody else could have written it, and other OSErrors.
    """
    try:
        fd = open_private(file)
    except FileNotFoundError:
        return None  # another server finished it
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        named = os.stat(file, follow_symlinks=False)  # noqa: PTH116 - beside fstat
        if named.st_ino == os.fstat(fd).st_ino:
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(fd)
        raise
    os.close(fd)
    return None
