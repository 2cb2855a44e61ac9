"""Keep a store whole and small, and carry it elsewhere: read it again, remove what is not needed, copy what is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from env.errors import LockMissingError, StoreCorruptError, StoreFullError, StorePlaceError
from env.files import linked, space_or
from env.formats.conda_files import conda_files
from env.formats.lock import Lock, LockedFile, find_lock
from env.platforms import PLATFORMS
from env.spec import Tree
from env.store.store import CHUNK, Store

DAY_S = 24 * 60 * 60
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Pruned:
    """What has been removed, or would be."""

    content: tuple[Path, ...]
    records: tuple[Path, ...]
    """Records of what was made, that were not used for long."""
    programs: tuple[Path, ...]
    """Interpreters, emulators and sandboxes that were unpacked, and that no record names."""
    partial: tuple[Path, ...]
    """Downloads and builds that will not be finished."""
    size: int
    """Bytes of all of them."""
    kept: int
    """Files of content that stay."""


@dataclass(frozen=True)
class Copied:
    """What has come into a copy."""

    files: int
    size: int
    """Bytes."""
    there: int
    """Files that it had already."""


def contents(store: Store) -> list[Path]:
    """Return every file of content."""
    return sorted((store.root / "sha256").glob("??/*"))


def damaged(store: Store, advance: Callable[[Path], None]) -> list[Path]:
    """Read every file whole; give those whose content is not what their name says. `advance` is told of each file.

    Raises:
        OSError: a file can't be read.

    """

    def is_damaged(path: Path) -> bool:
        try:
            with path.open("rb") as file:
                actual = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            # Another process has removed it, or it is a link to what is gone; only the second is still listed.
            return path.is_symlink()
        advance(path)
        return actual != path.name

    paths = contents(store)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return [path for path, found in zip(paths, pool.map(is_damaged, paths), strict=True) if found]


def locked(tree: Tree) -> set[str]:
    """Return the sha256 of every file that a lock of a checkout names.

    Raises:
        LockMissingError, LockFormatError, StaleLockError: one can't be read; what it needs is then not known.

    """
    locks = [find_lock(tree, path.name) for path in sorted(tree.locks.glob("*.lock"))]
    if not locks:
        raise LockMissingError(tree.locks)
    locks += [conda_files(platform, tree) for platform in PLATFORMS]
    return {file.sha256 for lock in locks for file in lock.files}


def prune(
    store: Store, needed: set[str], layouts: Iterable[Path] = (), unused_days: float | None = None, *, dry_run: bool
) -> Pruned:
    """Remove what is not `needed`, nor named in a record of what was made, nor in one of these image layouts.

    With `unused_days`, records that were not used for that many days go first. With `dry_run` nothing is removed.

    Raises:
        StoreBusyError: a build or a fetch uses the store.

    """
    with store.in_use(alone=True):
        records = sorted((store.root / "cache").rglob("*.json"))
        oldest = time.time() - (unused_days or 0) * DAY_S
        old = [path for path in records if unused_days is not None and path.stat().st_mtime < oldest]
        kept = needed | {digest for path in set(records) - set(old) for digest in _digests(path)}
        kept |= {path.name for layout in layouts for path in (layout / "blobs" / "sha256").iterdir()}
        everything = contents(store)
        content = [path for path in everything if path.name not in kept]
        programs = [path for path in store.programs() if path.name not in kept]
        partial = [path for path in sorted(store.partial.iterdir()) if path.name not in needed]
        removed = [*old, *content, *programs, *partial]
        size = sum(_size(path) for path in removed)
        if not dry_run:
            # The records before what they name: a record without content is no harm, but a build would look for it.
            for path in removed:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        return Pruned(tuple(content), tuple(old), tuple(programs), tuple(partial), size, len(everything) - len(content))


def _digests(path: Path) -> Iterator[str]:
    try:
        record = json.loads(path.read_bytes())
    except ValueError:
        return
    waiting = [record]
    while waiting:
        match waiting.pop():
            case dict() as table:
                waiting.extend(table.values())
            case list() as row:
                waiting.extend(row)
            case str() as text if _DIGEST.fullmatch(text):
                yield text


def _size(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
    return path.lstat().st_size


def copy(store: Store, locks: Sequence[Lock], target: Store, advance: Callable[[int], None]) -> Copied:
    """Bring what `locks` name into another store, by hard links where both are on one filesystem; all is read again.

    `advance` is told of bytes.

    Raises:
        StorePlaceError: `target` is something else than a store.
        StoreMissError, StoreCorruptError: a file is not in the store as it should be.
        StoreFullError: no space is left where `target` is.

    """
    root = target.root
    if root.resolve() == store.root.resolve():
        raise StorePlaceError(root, "is the store itself")
    if root.exists() and (not root.is_dir() or (any(root.iterdir()) and not (root / "sha256").is_dir())):
        raise StorePlaceError(root, "exists and is no store")
    wanted = {file.sha256: file for lock in locks for file in lock.files}
    lacking = [file for file in wanted.values() if not _has(target, file)]
    with store.in_use(), target.in_use(), space_or(StoreFullError(root)):
        for file in lacking:
            _carry(store, file, target)
            advance(file.size)
    return Copied(len(lacking), sum(file.size for file in lacking), len(wanted) - len(lacking))


def _has(store: Store, file: LockedFile) -> bool:
    path = store.path(file.sha256)
    return path.is_file() and file.size in (0, path.stat().st_size)


def _carry(store: Store, file: LockedFile, target: Store) -> None:
    source = store.verified(file.sha256, file.name)
    place = target.path(file.sha256)
    place.parent.mkdir(parents=True, exist_ok=True)
    # One that is there has another size.
    place.unlink(missing_ok=True)
    if linked(source, place):
        return
    digest = hashlib.sha256()
    with target.writer() as out:
        with source.open("rb") as content:
            while data := content.read(CHUNK):
                digest.update(data)
                out.write(data)
        out.flush()
        if digest.hexdigest() != file.sha256:
            raise StoreCorruptError(file.sha256, source, digest.hexdigest())
        target.adopt(Path(out.name), file.sha256)
