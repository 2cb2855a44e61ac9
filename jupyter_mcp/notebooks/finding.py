"""Finding files below the root: which names a pattern means, and a walk that has an end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from jupyter_core.paths import is_file_hidden

from jupyter_mcp.errors import BadPathError

MOST_SEEN = 200_000  # entries that one walk looks at
WITHIN = 10.0  # seconds that it may take
LONGEST_PATTERN = 200  # characters
_WILD = frozenset("*?[")
_DEEPEST = 64  # parts of a pattern or a path that are matched

Wanted = Callable[[str], bool]


class Entry(NamedTuple):
    """A file or folder; the path of a folder ends in a slash, and it has no size."""

    path: str
    size: int | None


@dataclass
class Found:
    """What a walk found, sorted; `complete` unless it was ended by a limit."""

    entries: list[Entry] = field(default_factory=list)
    complete: bool = True


def matcher(pattern: str) -> Wanted:
    """Return what tells whether a path is meant. Raises BadPathError.

    Without `*`, `?` or `[` the pattern is a part of the path. With them it is a name's, or if it has a slash a path's,
    in which `**` stands for any folders. Upper and lower case are one.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise BadPathError(f"The pattern has {len(pattern)} characters; at most {LONGEST_PATTERN} can be used.")
    folded = pattern.casefold().removeprefix("./").removeprefix("/")
    if not _WILD & set(folded):
        return lambda path: folded in path.casefold()
    if "/" not in folded:
        return lambda path: fnmatchcase(path.casefold().rstrip("/").rsplit("/", 1)[-1], folded)
    parts = folded.split("/")[:_DEEPEST]
    return lambda path: _match(path.casefold().rstrip("/").split("/")[:_DEEPEST], parts)


def _match(path: list[str], pattern: list[str]) -> bool:
    """Return whether the parts match, in a time with the product of their numbers."""
    reached = [True] + [False] * len(path)  # how much of the path the pattern so far can cover
    for part in pattern:
        if part == "**":
            for at in range(1, len(reached)):
                reached[at] = reached[at] or reached[at - 1]
        else:
            for at in range(len(path), 0, -1):
                reached[at] = reached[at - 1] and fnmatchcase(path[at - 1], part)
            reached[0] = False
    return reached[-1]


@dataclass(frozen=True)
class Walk:
    """A walk below a local root.

    `wanted` tells of a path whether it is meant, a folder's with a slash at its end; `listed` of a name whether the
    contents manager shows it. Hidden entries are left out unless `hidden`; `below` goes into folders, `folders` finds
    them too. Links to folders are not followed, and links out of the root are left out.
    """

    root: str
    wanted: Wanted
    listed: Wanted
    hidden: bool = False
    below: bool = True
    folders: bool = False

    def find(self, folder: str) -> Found:
        """Return what is in a folder, within limits of time and number."""
        found, seen, until = Found(), 0, time.monotonic() + WITHIN
        top = os.path.realpath(self.root)
        pending = [folder]
        while pending:
            at = pending.pop()
            try:
                with os.scandir(Path(self.root, at)) as entries:
                    for entry in entries:
                        seen += 1
                        if seen > MOST_SEEN or time.monotonic() > until:
                            pending.clear()
                            found.complete = False
                            break
                        path = f"{at}/{entry.name}" if at else entry.name
                        self._take(entry, path, top, found, pending)
            except OSError:
                continue  # not readable, deleted just now, or a path too long
        found.entries.sort()
        return found

    def _take(self, entry: os.DirEntry[str], path: str, top: str, found: Found, pending: list[str]) -> None:
        if not self.listed(entry.name):
            return
        if entry.is_dir(follow_symlinks=False):
            if self.hidden or _visible(entry):
                if self.below:
                    pending.append(path)
                if self.folders and self.wanted(f"{path}/"):
                    found.entries.append(Entry(f"{path}/", None))
        elif self.wanted(path) and (self.hidden or _visible(entry)) and (size := _size(entry, top)) is not None:
            found.entries.append(Entry(path, size))


def _visible(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):
        return False
    try:
        return not is_file_hidden(entry.path, stat_res=entry.stat())
    except OSError:
        return False


def _size(entry: os.DirEntry[str], top: str) -> int | None:
    """Return a file's size; None if it is none, or a link out of the root."""
    try:
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not target.startswith(f"{top.rstrip('/')}/"):
                return None
        return entry.stat().st_size if entry.is_file() else None
    except OSError:
        return None
