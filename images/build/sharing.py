"""Files that several environments of an image have alike: each is in the layer once, and the others are hard links.

conda does the same on a disk. Of modules the bytecode is shared too: it names its source file, for which Python's
importer puts the one that it really has loaded.
"""

from __future__ import annotations

import filecmp
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from images.rootfs.entries import Entry, Kind

Tree = Mapping[str, Entry]


def shared(tree: Tree, prefix: str, before: Iterable[tuple[str, Tree]]) -> dict[str, Entry]:
    """Return a tree below `prefix` whose files are those of the trees in `before` where they are the same.

    Each of these is given with its own prefix; a path in one is compared with the same path below the other. What has
    one staged file becomes hard links when it is packed.
    """
    others = list(before)
    return {path: _shared(entry, _below(path, prefix), others) for path, entry in tree.items()}


def shared_bytecode(
    sources: Iterable[Entry], prefix: str, before: Iterable[tuple[str, Tree, Mapping[str, Entry]]]
) -> dict[str, Entry]:
    """Return the bytecode of `sources` that is there already, by the path of its source.

    Each tree in `before` comes with its prefix, and with its bytecode by the path of the source.
    """
    found: dict[str, Entry] = {}
    known = list(before)
    for entry in sources:
        name = _below(entry.path, prefix)
        for place, tree, bytecode in known:
            path = f"{place.lstrip('/')}/{name}"
            if (source := tree.get(path)) is not None and source.content is entry.content and path in bytecode:
                made = bytecode[path]
                here = f"{prefix.lstrip('/')}/{_below(made.path, place)}"
                found[entry.path] = replace(made, path=here, origin=entry.origin)
                break
    return found


def _below(path: str, prefix: str) -> str:
    return path.removeprefix(f"{prefix.lstrip('/')}/")


def _shared(entry: Entry, name: str, others: list[tuple[str, Tree]]) -> Entry:
    for prefix, tree in others:
        other = tree.get(f"{prefix.lstrip('/')}/{name}")
        if other is not None and _same(entry, other):
            return replace(entry, content=other.content)
    return entry


def _same(entry: Entry, other: Entry) -> bool:
    if entry.kind is not Kind.FILE or other.kind is not Kind.FILE:
        return False
    if (entry.mode, entry.uid, entry.gid) != (other.mode, other.uid, other.gid):
        return False
    one, two = entry.content, other.content
    return isinstance(one, Path) and isinstance(two, Path) and filecmp.cmp(one, two, shallow=False)
