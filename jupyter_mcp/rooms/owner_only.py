"""Folders and files that only their owner may have written: what somebody else puts there is not trusted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_OTHERS_WRITE = stat.S_IWOTH


class NotOursError(OSError):
    """A folder or file belongs to somebody else, or others may write it."""


def private_folder(folder: Path) -> None:
    """Make the folder, for its owner only, or check that it is such a one. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise NotOursError(f"the folder {folder} is another user's; set JupyterMCP.journal_dir to one of your own")
    if found.st_mode & _OTHERS_WRITE:
        folder.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS_WRITE)
        if folder.stat().st_mode & _OTHERS_WRITE:
            raise NotOursError(f"others may write in the folder {folder}; set JupyterMCP.journal_dir to another one")


def open_private(file: Path) -> int:
    """Open for reading a file that only its owner, we, could have written; return the descriptor.

    Raises NotOursError for links, pipes and devices too, and other OSErrors.
    """
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        if file.is_symlink():
            raise NotOursError(f"{file.name} is a link") from error
        raise
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS_WRITE:
        os.close(fd)
        raise NotOursError(f"{file.name} is no file of ours, or others may write it")
    return fd


def make_private(file: Path) -> None:
    """Make an empty file that only its owner can read, or close one that more can. Raises OSError."""
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        if stat.S_IMODE(os.fstat(fd).st_mode) != 0o600:  # noqa: PLR2004 - a mode
            os.fchmod(fd, 0o600)
    finally:
        os.close(fd)
