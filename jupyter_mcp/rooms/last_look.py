"""A save overwrites only what it knows: its last look at a file is at the copy that Jupyter makes before it writes.

Between the look before a save and the write, Jupyter checks, signs and opens the notebook: milliseconds, and more on a
busy machine. What another program wrote meanwhile was lost, in the file and in the room.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.fileio import path_to_intermediate
from tornado.web import HTTPError

from .notebook_size import too_large


class OverwritesError(HTTPError):
    """A save would overwrite what another program has just written; nothing was written. Jupyter passes it on."""

    def __init__(self) -> None:
        super().__init__(409, "the file was changed by another program")


@dataclass(frozen=True)
class Known:
    """What a file was when it was looked at before a save."""

    size: int
    mtime_ns: int
    digests: tuple[str, ...]

    def is_in(self, file: str, algorithm: str) -> bool:
        """Return whether the file holds this; True also where that can't be seen."""
        try:
            found = os.stat(file)  # noqa: PTH116 - at each save
            if (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns):
                return True
            if too_large(found.st_size):
                return False
            return hashlib.new(algorithm, Path(file).read_bytes()).hexdigest() in self.digests
        except OSError:
            return True


_KNOWN: ContextVar[Known | None] = ContextVar("what the file was before the save that goes on", default=None)


@contextmanager
def only_over(known: Known | None, contents: Any) -> Iterator[None]:
    """Have a save with this contents manager overwrite what is known alone. Raises OverwritesError."""
    _look_again(contents)
    token = _KNOWN.set(known)
    try:
        yield
    finally:
        _KNOWN.reset(token)


def _look_again(contents: Any) -> None:
    """Have a manager of files look at a file once more before it writes; others have no such method."""
    write = getattr(contents, "atomic_writing", None)
    if write is None or hasattr(write, "looks_again"):
        return

    @contextmanager
    def careful(os_path: str, *rest: Any, **options: Any) -> Iterator[Any]:
        known, algorithm = _KNOWN.get(), str(getattr(contents, "hash_algorithm", "sha256"))
        if known is not None and not known.is_in(os_path, algorithm):
            raise OverwritesError
        copy = None if known is None or not getattr(contents, "use_atomic_writing", False) else _copy_of(os_path)
        writing: AbstractContextManager[Any] = write(os_path, *rest, **options)
        with writing as file:
            # Jupyter has copied the file, and emptied it; at an exception it puts the copy back.
            if known is not None and copy is not None and not known.is_in(copy, algorithm):
                raise OverwritesError
            yield file

    careful.looks_again = True  # type: ignore[attr-defined]
    contents.atomic_writing = careful


def _copy_of(os_path: str) -> str | None:
    """Return where Jupyter will copy the file to; None if it makes no copy: an old one may be there."""
    file = Path(os_path)
    if file.is_symlink():
        file = file.parent / file.readlink()
    if not file.is_file() or not os.access(file.parent, os.W_OK):
        return None
    return str(path_to_intermediate(str(file)))  # type: ignore[no-untyped-call]
