"""Put the entries of layers into a root filesystem, as docker does (OCI image-spec, layer.md), and nowhere else.

Not applied are owners, which need root, setuid, setgid and sticky bits, extended attributes, and devices and pipes:
what runs the image gives it a /dev of its own.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tarfile
from pathlib import Path

from images.errors import LayoutError, NoSpaceError
from images.limits import FREE, plain
from images.oci.rooted import Names, Root, parts, remove

CHUNK = 1 << 20
WHITEOUT = ".wh."
META = ".wh..wh."
OPAQUE = ".wh..wh..opq"


class Extractor:
    """One root filesystem that layers are put into, the lowest first."""

    def __init__(self, folder: Path, origin: object) -> None:
        """Begin with an empty folder; `origin` names the image in messages."""
        self._folder = folder
        self._origin = origin
        self._root = Root(folder)
        self._new: set[Names] = set()
        # The parent of the last entry is that of the next one, mostly.
        self._parent: tuple[list[str], Names, int] | None = None

    def close(self) -> None:
        """Let go of the folder."""
        self._forget()
        self._root.close()

    def begin_layer(self) -> None:
        """Forget which paths are this layer's own: what comes belongs to the next one."""
        self._new.clear()

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Put one entry where it belongs.

        Raises:
            LayoutError: it has no place inside the root.
            NoSpaceError: the disk is full.

        """
        try:
            self._add(tar, member)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoSpaceError(self._folder) from None
            raise self._refused(member, error.strerror or "can't be unpacked") from None
        except tarfile.TarError as error:
            raise LayoutError(self._origin, f"is damaged: a layer: {plain(error, 120)}") from None
        except ValueError:
            raise self._refused(member, "no file can have that name") from None

    def _refused(self, member: tarfile.TarInfo, why: str) -> LayoutError:
        return LayoutError(self._origin, f"holds {plain(member.name, 120)!r}, which can't be unpacked: {why}")

    def _add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        way = parts(member.name)
        if ".." in way:
            raise LayoutError(self._origin, f"holds a path outside the root: {plain(member.name, 120)}")
        # aufs kept its own records under such names; docker leaves them out as well.
        if not way or any(part.startswith(META) and part != OPAQUE for part in way):
            return
        if any(part.startswith(WHITEOUT) for part in way[:-1]):
            raise self._refused(member, "it is below a whiteout")
        name = way[-1]
        above, folder = self._above(way[:-1])
        if name.startswith(WHITEOUT):
            self._whiteout(name, above, folder, member)
            return
        self._put(tar, member, folder, name, (*above, name))
        own: Names = (*above, name)
        while own and own not in self._new:
            self._new.add(own)
            own = own[:-1]

    def _put(self, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: int, name: str, names: Names) -> None:
        mode = member.mode & 0o777
        if member.isdir():
            if not _is_folder(name, folder):
                remove(name, folder)
                os.mkdir(name, 0o700, dir_fd=folder)
            _set_mode(name, folder, mode | 0o700)
        elif member.issym():
            remove(name, folder)
            os.symlink(member.linkname, name, dir_fd=folder)
        elif member.islnk():
            self._link(member, folder, name, names)
        elif member.ischr() or member.isblk() or member.isfifo():
            remove(name, folder)
        else:
            self._file(tar, member, folder, name, mode | 0o600)

    def _file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: int, name: str, mode: int) -> None:
        remove(name, folder)
        free = os.fstatvfs(folder)
        if member.size > CHUNK and member.size > free.f_bavail * free.f_frsize - FREE:
            raise NoSpaceError(self._folder)
        source = tar.extractfile(member)
        if source is None:
            raise self._refused(member, "it is of no type that is known")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
            os.fchmod(file.fileno(), mode)

    def _link(self, member: tarfile.TarInfo, folder: int, name: str, names: Names) -> None:
        way = parts(member.linkname)
        if ".." in way or not way:
            raise LayoutError(self._origin, f"holds a hard link to a path outside the root: {plain(member.name, 120)}")
        try:
            first = self._root.locate("/".join(way), follow=False)
            held = self._root.opened(first[:-1])
        except (FileNotFoundError, NotADirectoryError):
            raise LayoutError(self._origin, f"holds a hard link to nothing: {plain(member.name, 120)}") from None
        try:
            if first == names:
                return
            if _is_folder(first[-1], held) or not _is_there(first[-1], held):
                raise LayoutError(self._origin, f"holds a hard link to nothing: {plain(member.name, 120)}")
            # What is replaced may hold the link's own source.
            if names == first[: len(names)]:
                raise LayoutError(self._origin, f"holds a hard link in place of its source: {plain(member.name, 120)}")
            remove(name, folder)
            os.link(first[-1], name, src_dir_fd=held, dst_dir_fd=folder, follow_symlinks=False)
        finally:
            os.close(held)

    def _whiteout(self, marker: str, above: Names, folder: int, member: tarfile.TarInfo) -> None:
        if marker == OPAQUE:
            # It hides what lower layers have there, whatever of this layer came before it.
            with self._root.folder(above) as held:
                for child in os.listdir(held):
                    self._hide((*above, child), child, folder)
            return
        name = marker.removeprefix(WHITEOUT)
        if name in ("", ".", ".."):
            raise LayoutError(self._origin, f"holds a whiteout of a path outside the root: {plain(member.name, 120)}")
        remove(name, folder)

    def _hide(self, names: Names, name: str, folder: int) -> None:
        if names not in self._new:
            remove(name, folder)
        elif _is_folder(name, folder):
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                for child in os.listdir(below):
                    self._hide((*names, child), child, below)
            finally:
                os.close(below)

    def _above(self, way: list[str]) -> tuple[Names, int]:
        if self._parent is None or self._parent[0] != way:
            self._forget()
            names = self._root.locate("/".join(way), make=True)
            self._parent = (way, names, self._root.opened(names))
        return self._parent[1:]

    def _forget(self) -> None:
        if self._parent is not None:
            os.close(self._parent[2])
            self._parent = None


def _is_folder(name: str, folder: int) -> bool:
    try:
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(info.st_mode)


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _set_mode(name: str, folder: int, mode: int) -> None:
    held = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fchmod(held, mode)
    finally:
        os.close(held)
