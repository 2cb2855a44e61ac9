"""Folders for half-made things: gone when their build ends, and swept by the next build where it was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from env.store import Store

PREFIX = "build-"


@contextmanager
def scratch_folder(store: Store) -> Iterator[Path]:
    """Give an empty folder on the store's filesystem, removed at the end, however the end comes.

    A lock (flock(2)) says that it is in use: the system lets go of it also after SIGKILL, so what nobody holds is
    swept.
    """
    _sweep(store.partial)
    folder = Path(tempfile.mkdtemp(dir=store.partial, prefix=PREFIX))
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _sweep(partial: Path) -> None:
    for folder in partial.glob(f"{PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
