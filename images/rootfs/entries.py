"""Root filesystem entries: what a layer holds, before it becomes a tar archive."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from images.errors import PathClashError

PRIVILEGED = stat.S_ISUID | stat.S_ISGID
"""Mode bits that no file of an image has."""


class Kind(Enum):
    """The file types an image holds."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"


@dataclass(frozen=True)
class Entry:
    """One path of a root filesystem."""

    path: str
    """Relative to the root, normalised, without a leading slash: ``usr/bin/git``."""
    kind: Kind
    mode: int
    """Permission bits, with the sticky one; as packages bring it, also with setuid and setgid, which no layer takes."""
    content: Path | bytes = b""
    """A file's bytes, or where they are staged."""
    target: str = ""
    """What a symbolic link points at."""
    uid: int = 0
    gid: int = 0
    origin: str = ""
    """Which package it comes from, for messages and the SBOM."""


def directory(path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    """Return a directory entry."""
    return Entry(path, Kind.DIRECTORY, mode, uid=uid, gid=gid)


def merge(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Gather entries by path; a directory may come from several packages, the first one's mode counts.

    So may a file, where it is the same in all of them, such as an empty module of a namespace.

    Raises:
        PathClashError: two entries that are neither directories nor the same have one path.

    """
    tree: dict[str, Entry] = {}
    for entry in entries:
        known = tree.get(entry.path)
        if known is None:
            tree[entry.path] = entry
        elif not (known.kind is Kind.DIRECTORY and entry.kind is Kind.DIRECTORY) and not _same(known, entry):
            raise PathClashError(entry.path, known.origin or "the recipe", entry.origin or "the recipe")
    return tree


def _same(one: Entry, other: Entry) -> bool:
    if one.kind is not Kind.FILE or other.kind is not Kind.FILE:
        return False
    contents = [
        entry.content.read_bytes() if isinstance(entry.content, Path) else entry.content for entry in (one, other)
    ]
    return one.mode == other.mode and contents[0] == contents[1]


def with_parents(tree: dict[str, Entry], known: Mapping[str, Entry]) -> dict[str, Entry]:
    """Add the directories that entries need and no one brings: a tar archive should name every one, for its mode.

    A layer that names a directory again sets its mode and owner anew, so those in `known` are repeated as they are.
    """
    complete = dict(tree)
    for path in tree:
        parent = path.rpartition("/")[0]
        while parent and parent not in complete:
            complete[parent] = known.get(parent) or directory(parent)
            parent = parent.rpartition("/")[0]
    return complete


def walk(root: Path, origin: str, *, uid: int = 0, gid: int = 0) -> Iterator[Entry]:
    """Yield a staged folder's files as entries with modes 0755 or 0644 by the owner's execute bit, sorted by path.

    The modes of the folder itself depend on the umask of whoever made it, so only the execute bit counts.
    """
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            target = str(path.readlink())
            yield Entry(name, Kind.SYMLINK, 0o777, target=target, uid=uid, gid=gid, origin=origin)
        elif path.is_dir():
            yield Entry(name, Kind.DIRECTORY, 0o755, uid=uid, gid=gid, origin=origin)
        else:
            mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
            yield Entry(name, Kind.FILE, mode, content=path, uid=uid, gid=gid, origin=origin)
