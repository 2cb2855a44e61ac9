"""Where things are mounted in an unpacked image, as arguments of bubblewrap.

bubblewrap makes mount points that lack and binds folders by their paths, and both follow links: an image's link to
``/oldroot/etc`` would lead it to this host's. So every place is looked up inside the image, made there, and named
without links. What processes of the image may write is never above another place, where a link could be put meanwhile.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from images.oci.rooted import Names, Root, parts, remove

_TEMPORARY = ("tmp", "var/tmp")
_SYSTEM = (("proc",), ("dev",), ("sys",))
_HOSTS = b"127.0.0.1\tlocalhost\n::1\tlocalhost\n"


def placed(
    folder: Path,
    homes: Iterable[str],
    volumes: Iterable[str],
    mounts: Mapping[str, Path],
    files: Mapping[str, Path],
    working_dir: str,
) -> list[str]:
    """Return the arguments that mount the image in `folder`, read-only, and what belongs into it.

    `homes` are writable where they are folders, `volumes` always, both in the image's own copy; `mounts` are host
    folders and sockets, writable, and `files` are host files, read-only, by their paths inside.

    Raises:
        OSError, ValueError: the image leaves no place for one of them.

    """
    with Root(folder) as root:
        for name in ("proc", "dev"):
            _real_folder(root, name)
        temporary = {root.locate(path, make=True) for path in _TEMPORARY}
        _hosts(root)
        given = {_place(root, path, source): source for path, source in mounts.items()}
        secrets = {_place(root, path, source): source for path, source in files.items()}
        taken = {*temporary, *given, *_SYSTEM}
        written = [root.locate(path) for path in homes if root.is_folder(path)]
        written += [root.locate(path, make=True) for path in volumes]
        working = root.locate(working_dir, make=True)
        written = [names for names in written if names and not any(names[: len(one)] == one for one in taken)]
        outer = {one for one in written if not any(one != other and one[: len(other)] == other for other in written)}
    arguments = ["--bind", str(folder), "/", "--proc", "/proc", "--dev", "/dev"]
    for names in sorted(temporary):
        arguments += ["--perms", "1777", "--tmpfs", _path(names)]
    own = {*secrets, *temporary, *_SYSTEM}
    for names in sorted(outer):
        if any(one[: len(names)] == names for one in own):
            # Something else goes below it, to where a process could put a link: it is empty and in memory then.
            arguments += ["--perms", "0777", "--tmpfs", _path(names)]
        else:
            arguments += ["--bind", str(folder.joinpath(*names)), _path(names)]
    for names, source in sorted(given.items()):
        arguments += ["--bind", str(source), _path(names)]
    for names, source in sorted(secrets.items()):
        arguments += ["--ro-bind", str(source), _path(names)]
    if any(working[: len(one)] == one for one in (*temporary, *outer)):
        arguments += ["--dir", _path(working)]  # what was made in the image lies below the empty one
    # Last, so that the mount points within others could be made.
    return [*arguments, "--remount-ro", "/"]


def _path(names: Names) -> str:
    return "/" + "/".join(names)


def _real_folder(root: Root, name: str) -> None:
    with root.folder(()) as held:
        info = root.lstat(name)
        if info is None or not stat.S_ISDIR(info.st_mode):
            remove(name, held)
            os.mkdir(name, 0o755, dir_fd=held)


def _place(root: Root, path: str, source: Path) -> Names:
    """Make the folder or empty file that something of this host is mounted over."""
    if source.is_dir():
        return root.locate(path, make=True)
    way = parts(path)
    above = root.locate("/".join(way[:-1]), make=True)
    names = root.locate("/".join((*above, way[-1])))
    with root.folder(names[:-1]) as held:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(names[-1], flags, 0o600, dir_fd=held))
        except FileExistsError:
            info = os.stat(names[-1], dir_fd=held, follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode) or stat.S_ISLNK(info.st_mode):
                raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path) from None
    return names


def _hosts(root: Root) -> None:
    # A container runtime mounts one; without it, many programs do not find localhost.
    info = root.stat("/etc/hosts")
    if info is not None and info.st_size:
        return
    names = root.locate("/etc", make=True)
    with root.folder(names) as held:
        if info is not None or root.lstat("/etc/hosts") is not None:
            remove("hosts", held)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open("hosts", flags, 0o644, dir_fd=held), "wb") as file:
            file.write(_HOSTS)
