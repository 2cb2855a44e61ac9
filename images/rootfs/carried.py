"""A store inside an image: what an image that builds images begins with, so that it asks no Debian archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from env.formats.lock import LockedFile
from env.store.store import Store
from images.recipe.recipe import User
from images.rootfs.entries import Entry, Kind, directory

STORE = "var/lib/jupyter-mcp/store"
"""Where it is; the part ``builder`` says so in its variables."""
_WRITABLE = 0o775


def carried_entries(files: Iterable[LockedFile], store: Store, user: User) -> Iterator[Entry]:
    """Yield the entries of a store with these files, that the image's user and group root may add to.

    Raises:
        StoreMissError, StoreCorruptError: a file is not in our own store as it should be.

    """
    inside = Store(Path(STORE))
    kept = {inside.path(file.sha256).as_posix(): file for file in files}
    if not kept:
        return
    folders = [STORE, f"{STORE}/sha256", *(f"{STORE}/sha256/{number:02x}" for number in range(256))]
    yield from (directory(folder, _WRITABLE, user.uid, 0) for folder in folders)
    for path, file in kept.items():
        content = store.verified(file.sha256, file.file)
        yield Entry(path, Kind.FILE, 0o644, content=content, origin="store")
