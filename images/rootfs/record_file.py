"""RECORD, the list of files that an installed distribution keeps (PEP 376, PEP 627): made true again after drops."""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import replace

from images.rootfs.entries import Entry, Kind
from images.rootfs.parts import content_of

_RECORD = ".dist-info/RECORD"


def recorded(kept: Mapping[str, Entry], dropped: Iterable[Entry]) -> dict[str, Entry]:
    """Return the entries in `kept` with each RECORD without the files that were dropped.

    What checks an installation against its RECORD then finds every file; pip's uninstall would remove the same.
    """
    found = dict(kept)
    gone: set[str] = set()
    lost: set[str] = set()
    for entry in dropped:
        gone.add(entry.path)
        lost.add(entry.origin)
    for path, entry in kept.items():
        if path.endswith(_RECORD) and entry.kind is Kind.FILE and entry.origin in lost:
            found[path] = replace(entry, content=_without(content_of(entry), path, gone))
    return found


def _without(content: bytes, path: str, gone: set[str]) -> bytes:
    # Paths in it are relative to site-packages, two folders up.
    site = posixpath.dirname(posixpath.dirname(path))
    lines = content.decode().splitlines(keepends=True)
    rows = csv.reader(io.StringIO(content.decode()))
    named = [posixpath.normpath(posixpath.join(site, row[0])) if row else "" for row in rows]
    return "".join(line for line, name in zip(lines, named, strict=True) if name not in gone).encode()
