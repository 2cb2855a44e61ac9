"""A folder that takes another's place in one step, and leaves nothing beside it, also after SIGKILL."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNKNOWN = {errno.ENOSYS, errno.EINVAL}


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` when all has gone well.

    Whoever looks at `folder` finds the old one or the new one, whole. What a process that was killed left beside it is
    swept by the next: a lock (flock(2)) says which stage is in use, and the system lets go of it however its holder
    ends.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage, lock = _staged(folder)
    try:
        yield stage
        _put(stage, folder)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        os.close(lock)


def _staged(folder: Path) -> tuple[Path, int]:
    prefix = f".{folder.name}.new-"
    parent = os.open(folder.parent, os.O_RDONLY)
    try:
        # Nobody sweeps between the making of a stage and its lock.
        fcntl.flock(parent, fcntl.LOCK_EX)
        for left in [path for path in folder.parent.iterdir() if path.name.startswith(prefix)]:
            _sweep(left)
        stage = Path(tempfile.mkdtemp(dir=folder.parent, prefix=prefix))
        stage.chmod(0o755)
        lock = os.open(stage, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return stage, lock
    finally:
        os.close(parent)


def _sweep(stage: Path) -> None:
    try:
        lock = os.open(stage, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(stage, ignore_errors=True)
    finally:
        os.close(lock)


def _put(stage: Path, folder: Path) -> None:
    if not folder.exists():
        stage.rename(folder)
    elif not _exchanged(stage, folder):
        # The old one has to be aside for a moment.
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old-"))
        folder.rename(old / folder.name)
        stage.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders (renameat2(2), RENAME_EXCHANGE); False where the system or the filesystem can't."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code), str(other))
