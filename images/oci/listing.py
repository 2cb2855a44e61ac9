"""What an image holds, path by path: for comparing two, and for seeing what is large."""

from __future__ import annotations

import hashlib
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from images.oci.extract import CHUNK, OPAQUE, WHITEOUT
from images.oci.read import PlatformImage
from images.oci.unpack import members

_TYPES = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "hard link"}
_FOLDER_DEPTH = 3
_SITE_PACKAGES = "site-packages/"


@dataclass(frozen=True)
class Item:
    """One path of an image."""

    type: str
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    """Bytes of a file."""
    content: str
    """sha256 of a file, or the target of a link."""


def content_of(image: PlatformImage) -> dict[str, Item]:
    """Return all paths of an image, upper layers over lower ones.

    Raises:
        LayoutError: a layer is damaged.

    """
    found: dict[str, Item] = {}
    for tar, member in members(image):
        path = member.name.removeprefix("./").strip("/")
        folder, _, name = path.rpartition("/")
        if name == OPAQUE:
            _remove_below(found, folder)
        elif name.startswith(WHITEOUT):
            gone = f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/")
            found.pop(gone, None)
            _remove_below(found, gone)
        elif path:
            found[path] = _item(tar, member)
    return found


def _remove_below(found: dict[str, Item], folder: str) -> None:
    for path in [path for path in found if path.startswith(f"{folder}/")]:
        del found[path]


def _item(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Item:
    content = member.linkname
    if (file := tar.extractfile(member) if member.isreg() else None) is not None:
        digest = hashlib.sha256()
        while chunk := file.read(CHUNK):
            digest.update(chunk)
        content = digest.hexdigest()
    kind = _TYPES.get(member.type, "file")
    return Item(kind, member.mode, member.uid, member.gid, int(member.mtime), member.size, content)


def differences(one: Mapping[str, Item], other: Mapping[str, Item]) -> Iterator[str]:
    """Yield a line a path that differs: ``- path``, ``+ path`` or ``~ path: what, before -> after``."""
    for path in sorted(one.keys() | other.keys()):
        if path not in other:
            yield f"- {path}"
        elif path not in one:
            yield f"+ {path}"
        elif one[path] != other[path]:
            before, after = vars(one[path]), vars(other[path])
            changed = [
                f"{key} {_shown(key, before[key])} -> {_shown(key, after[key])}"
                for key in before
                if before[key] != after[key]
            ]
            yield f"~ {path}: {', '.join(changed)}"


def _shown(key: str, value: object) -> str:
    return f"{value:04o}" if key == "mode" else str(value)[:64]


def sizes(content: Mapping[str, Item]) -> Counter[str]:
    """Return bytes by what they belong to: a Python package's folder or, elsewhere, the first folders of the path."""
    found: Counter[str] = Counter()
    for path, item in content.items():
        if item.type == "file":
            found[_group(path)] += item.size
    return found


def _group(path: str) -> str:
    before, site, inside = path.partition(_SITE_PACKAGES)
    if site:
        return f"{before}{site}{inside.partition('/')[0]}"
    return "/".join(path.split("/")[:-1][:_FOLDER_DEPTH]) or path
