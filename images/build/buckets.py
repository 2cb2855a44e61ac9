"""Which packages share a layer: so that an update pulls what it changes and little else.

Large packages have a layer each. The others are in buckets by a hash of their name, which stays when versions change:
a new version of one touches one small layer, and a package that comes or goes leaves the others where they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from env.formats.lock import Lock, LockedFile
from env.store.store import Store

ALONE = 76
"""How many packages may get a layer of their own; with the buckets and six other layers, below what runtimes mount."""
_BUCKETS = {"environment": 28}
_FEWER = 8
_STEPS = sorted((step << power for power in range(13, 30) for step in (2, 3)), reverse=True)
"""Bytes: 16 kiB, 24, 32, 48 and so on, the largest first."""


def size_to_be_alone(locks: Mapping[str, Lock]) -> int:
    """Return the bytes from which packages have a layer each: one of few steps, so that it seldom changes.

    It is as small as `ALONE` layers allow; a package that grows a little moves no other.
    """
    sizes = [file.size for lock in locks.values() for file in lock.files]
    allowed = takewhile(lambda step: sum(size >= step for size in sizes) <= ALONE, _STEPS)
    return min(allowed, default=_STEPS[0])


def sized(locks: Mapping[str, Lock], store: Store) -> dict[str, Lock]:
    """Return locks with the sizes that they do not say themselves, of the files that the store holds."""
    return {
        name: replace(lock, files=tuple(file if file.size else _sized(file, store) for file in lock.files))
        for name, lock in locks.items()
    }


def _sized(file: LockedFile, store: Store) -> LockedFile:
    return replace(file, size=store.path(file.sha256).stat().st_size) if file.sha256 in store else file


def bucket_of(name: str, lock: str) -> int:
    """Return the number of the bucket that a package of a lock is in, by its name alone."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") % _BUCKETS.get(lock, _FEWER)


def grouped(lock: str, files: Sequence[LockedFile], size: int) -> Iterator[tuple[str, tuple[LockedFile, ...]]]:
    """Yield layers of a lock's packages, by name and files: buckets of the smaller ones, then the larger ones alone."""
    buckets: dict[int, list[LockedFile]] = {}
    for file in sorted(files, key=lambda file: (file.name, file.file)):
        if file.size < size:
            buckets.setdefault(bucket_of(file.name, lock), []).append(file)
    yield from ((f"{lock}-{number:02}", tuple(some)) for number, some in sorted(buckets.items()))
    yield from ((file.name, (file,)) for file in sorted(files, key=lambda file: file.name) if file.size >= size)
