"""Paths inside a folder as if it were ``/``: what a chroot does, without the right to one (openat2's RESOLVE_IN_ROOT).

A path is followed component by component from descriptor to descriptor, never through a link: links are read, and
followed by this module, absolute ones and ``..`` from the folder itself. So nothing outside can be reached, whatever
the folder holds and whoever changes it meanwhile.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from images.limits import DEPTH

LINKS = 40
"""How many links one path may go over, as Linux has it."""
STEPS = 4096
"""How many folders one path may lead through, those included that `..` leaves again."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
Names = tuple[str, ...]
"""A path without links, ``.`` and ``..``, below the root."""


def parts(path: str) -> list[str]:
    """Return the components of a path that mean something; ``..`` is one."""
    return [part for part in path.split("/") if part not in ("", ".")]


class Root:
    """A folder that is ``/`` to the paths below it; OSError is the system's, ValueError that of a name with NUL."""

    def __init__(self, folder: Path | str) -> None:
        """Open the folder, which the caller trusts to be the right one."""
        self._fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def locate(  # noqa: C901 - one loop, as in the kernel
        self, path: str, *, follow: bool = True, make: bool = False
    ) -> Names:
        """Return where a path leads; its last component need not be there.

        Without `follow`, a link that the path ends in is not followed. With `make`, folders that lack are made, the
        last too.
        """
        pending, found, links, steps = deque(parts(path)), list[str](), 0, 0
        here = os.dup(self._fd)
        try:
            while pending:
                part = pending.popleft()
                steps += 1 + (len(found) if part == ".." else 0)
                if steps > STEPS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if part == "..":
                    del found[-1:]
                    here = self._instead(here, found)
                    continue
                info = _lstat(part, here)
                if info is None and (pending or make):
                    if not make:
                        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
                    os.mkdir(part, 0o755, dir_fd=here)
                elif info is not None and stat.S_ISLNK(info.st_mode) and (follow or pending):
                    links += 1
                    if links > LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                    target = os.readlink(part, dir_fd=here)
                    if target.startswith("/"):
                        found.clear()
                        here = self._instead(here, found)
                    pending.extendleft(reversed(parts(target)))
                    continue
                found.append(part)
                if len(found) > DEPTH:
                    raise OSError(errno.ENAMETOOLONG, "too many folders within folders", path)
                if pending or make:
                    below = os.open(part, _STEP, dir_fd=here)
                    os.close(here)
                    here = below
        finally:
            os.close(here)
        return tuple(found)

    def _instead(self, held: int, names: Sequence[str]) -> int:
        opened = self.opened(names)
        os.close(held)
        return opened

    def opened(self, names: Sequence[str], flags: int = _STEP) -> int:
        """Open a folder by a path without links; return its descriptor, which is the caller's to close."""
        here = os.dup(self._fd)
        try:
            for name in names:
                below = os.open(name, _STEP, dir_fd=here)
                os.close(here)
                here = below
            return os.open(".", flags, dir_fd=here)
        finally:
            os.close(here)

    @contextmanager
    def folder(self, names: Sequence[str]) -> Iterator[int]:
        """Hold a folder open, for reading, by a path without links."""
        held = self.opened(names, _FOLDER)
        try:
            yield held
        finally:
            os.close(held)

    def lstat(self, path: str) -> os.stat_result | None:
        """Return what is at a path, a link as itself; None if there is nothing."""
        try:
            names = self.locate(path, follow=False)
            return self._stat(names)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def stat(self, path: str) -> os.stat_result | None:
        """Return what a path leads to; None if there is nothing."""
        try:
            return self._stat(self.locate(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _stat(self, names: Names) -> os.stat_result | None:
        with self._above(names) as (folder, name):
            return _lstat(name, folder)

    def is_folder(self, path: str) -> bool:
        """Return whether a path leads to a folder."""
        info = self.stat(path)
        return info is not None and stat.S_ISDIR(info.st_mode)

    @contextmanager
    def _above(self, names: Names) -> Iterator[tuple[int, str]]:
        held = self.opened(names[:-1])
        try:
            yield held, names[-1] if names else "."
        finally:
            os.close(held)

    def open(self, path: str) -> BinaryIO:
        """Open a regular file for reading; never waits for whoever writes into a pipe."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with self._above(self.locate(path)) as (folder, name):
            file = os.open(name, flags, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise OSError(errno.EINVAL, "not a regular file", path)
        return os.fdopen(file, "rb")

    def read(self, path: str, limit: int) -> bytes:
        """Return the first `limit` bytes of a regular file."""
        with self.open(path) as file:
            return file.read(limit)

    def read_text(self, path: str, limit: int) -> str:
        """Return the beginning of a regular file as text; what is no UTF-8 is replaced."""
        return self.read(path, limit).decode("utf-8", "replace")

    def listed(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; none where there is no folder."""
        try:
            with self.folder(self.locate(path)) as held:
                return sorted(os.listdir(held))
        except OSError:
            return []

    def handle(self, path: str) -> int:
        """Open whatever is at a path, a link as itself, without using it (O_PATH); the descriptor is the caller's."""
        with self._above(self.locate(path, follow=False)) as (folder, name):
            return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def _lstat(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def remove(name: str, folder: int) -> bool:
    """Remove what is called `name` in a folder that is held open, with all below it; return whether it was there."""
    info = _lstat(name, folder)
    if info is None:
        return False
    if stat.S_ISDIR(info.st_mode):
        shutil.rmtree(name, dir_fd=folder)
    else:
        os.unlink(name, dir_fd=folder)
    return True


def clear(folder: Path) -> None:
    """Remove all that is in a folder, however deep, and whatever modes an image's processes gave it.

    Raises:
        OSError: something can't be removed.

    """
    held = os.open(folder, _FOLDER)
    try:
        number = 0
        # Folders are moved up and removed when they are empty: neither recursion nor a path's length has a limit then.
        while names := os.listdir(held):
            for name in names:
                if not _is_folder(name, held):
                    os.unlink(name, dir_fd=held)
                    continue
                inner = _readable(name, held)
                try:
                    for child in os.listdir(inner):
                        if _is_folder(child, inner):
                            os.close(_readable(child, inner))
                            number += 1
                            while _lstat(f"{number}", held) is not None:
                                number += 1
                            os.rename(child, f"{number}", src_dir_fd=inner, dst_dir_fd=held)
                        else:
                            os.unlink(child, dir_fd=inner)
                finally:
                    os.close(inner)
                with suppress(FileNotFoundError):
                    os.rmdir(name, dir_fd=held)
    finally:
        os.close(held)


def _is_folder(name: str, folder: int) -> bool:
    info = _lstat(name, folder)
    return info is not None and stat.S_ISDIR(info.st_mode)


def _readable(name: str, folder: int) -> int:
    """Open a folder for reading after giving its owner, who we are, the right to."""
    place = os.open(name, _STEP, dir_fd=folder)
    try:
        os.chmod(f"/proc/self/fd/{place}", 0o700)
        return os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(place)
