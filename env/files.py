"""Put a file at its place in one step, by a new file or by a link to one that is there."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path`; the old file stands until the new one is complete."""
    with replacing_file(path) as file:
        file.write(content)


@contextmanager
def replacing_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` when all has gone well, in one step.

    Its mode is that of a file that any program makes: 0666 without what the umask takes away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile's: its files are private, and the umask can't be read without changing it for other threads.
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with new.open("xb") as file:
            yield file
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target`, which is not there yet, a hard link to a file, or a copy where there can be no link."""
    if not linked(source, target):
        shutil.copyfile(source, target)


def linked(source: Path, target: Path) -> bool:
    """Make `target` a hard link to a file; return False where another filesystem, or one without links, forbids it."""
    try:
        # What is in a store may be a symbolic link, of which a hard link would be another.
        os.link(source.resolve(), target)
    except OSError:
        return False
    return True


@contextmanager
def space_or(full: Exception) -> Iterator[None]:
    """Raise `full` in place of the OSError that says that a disk or a quota is full."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise full from None
        raise
