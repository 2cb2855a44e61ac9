"""Which packages share a layer: so that an update pulls what it changes and little else.

Large packages have a layer each. The others are in buckets by a hash of their name, which stays when versions change:
a new version of one touches one small layer, and a package that comes or goes leaves the others where they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from env.formats.lock import Lock, LockedFile
from env.store.store import Store

ALONE = 76
"""How many packages may get a layer of their own, where the buckets leave room for as many."""
_BUCKETS = {"environment": 28}
_FEWER = 8
_DIVISORS = (1, 2, 4, 8, 28)
"""By how much there may be fewer buckets where an image is to have few layers."""
_STEPS = sorted((step << power for power in range(13, 30) for step in (2, 3)), reverse=True)
"""Bytes: 16 kiB, 24, 32, 48 and so on, the largest first."""


def size_to_be_alone(environments: Sequence[Mapping[str, Lock]], alone: int = ALONE) -> int:
    """Return the bytes from which packages have a layer each: one of few steps, so that it seldom changes.

    It is as small as `alone` layers allow; a package that grows a little moves no other. Several environments may have
    one package, which counts once.
    """
    sizes = {
        (name, file.name, file.sha256): file.size
        for locks in environments
        for name, lock in locks.items()
        for file in lock.files
    }.values()
    allowed = takewhile(lambda step: sum(size >= step for size in sizes) <= alone, _STEPS)
    return min(allowed, default=_STEPS[0])


def sized(locks: Mapping[str, Lock], store: Store) -> dict[str, Lock]:
    """Return locks with the sizes that they do not say themselves, of the files that the store holds."""
    return {
        name: replace(lock, files=tuple(file if file.size else _sized(file, store) for file in lock.files))
        for name, lock in locks.items()
    }


def _sized(file: LockedFile, store: Store) -> LockedFile:
    return replace(file, size=store.path(file.sha256).stat().st_size) if file.sha256 in store else file


@dataclass(frozen=True)
class Room:
    """How the layers that an image may have are shared out."""

    alone: int = ALONE
    """Packages that may have a layer of their own."""
    divisor: int = 1
    """By how much there are fewer buckets than usual."""

    def buckets(self, lock: str) -> int:
        """Return how many buckets a lock has."""
        return max(1, _BUCKETS.get(lock, _FEWER) // self.divisor)


def room_for(locks: Iterable[str], layers: int) -> Room | None:
    """Return how locks, by their names, share out that many layers; None where these are too few for all of them.

    Buckets are halved only where nothing else is left, since a package then changes its bucket.
    """
    names = list(locks)
    for divisor in _DIVISORS:
        room = Room(divisor=divisor)
        left = layers - sum(map(room.buckets, names))
        if left >= 0:
            return replace(room, alone=min(ALONE, left))
    return None


def bucket_of(name: str, lock: str, room: Room = Room()) -> int:
    """Return the number of the bucket that a package of a lock is in, by its name alone."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") % room.buckets(lock)


def grouped(
    lock: str,
    files: Sequence[LockedFile],
    size: int,
    room: Room = Room(),
) -> Iterator[tuple[str, tuple[LockedFile, ...]]]:
    """Yield layers of a lock's packages, by name and files: buckets of the smaller ones, then the larger ones alone."""
    buckets: dict[int, list[LockedFile]] = {}
    for file in sorted(files, key=lambda file: (file.name, file.file)):
        if file.size < size:
            buckets.setdefault(bucket_of(file.name, lock, room), []).append(file)
    yield from ((f"{lock}-{number:02}", tuple(some)) for number, some in sorted(buckets.items()))
    yield from ((file.name, (file,)) for file in sorted(files, key=lambda file: file.name) if file.size >= size)
