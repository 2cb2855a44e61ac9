"""The content-addressed store: files by sha256, verified when they enter and again when they leave.

Layout: ``ROOT/sha256/ab/abcdef…`` for content and ``ROOT/partial/`` for what is under way: downloads
by the digest that they should have, and whatever else a build has begun. A file appears
under its digest in one step, so two builds may share a store and an interrupted one leaves nothing half-made.
``ROOT/cache/`` holds small JSON records of what was made from what: a digest in one says that content is needed.
``ROOT/interpreters/``, ``ROOT/emulators/`` and ``ROOT/sandboxes/`` hold programs unpacked to run here, by keys that
records name as well.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from env.errors import StoreBusyError, StoreCorruptError, StoreMissError

CHUNK = 1 << 20
_DIGEST = re.compile("[0-9a-f]{64}")


def default_root() -> Path:
    """Return ``$JUPYTER_MCP_STORE``, or ``jupyter-mcp/store`` in the user's cache folder (XDG base directories)."""
    if configured := os.environ.get("JUPYTER_MCP_STORE"):
        return Path(configured)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "jupyter-mcp" / "store"


class Store:
    """Files by sha256 below one folder."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()

    def path(self, sha256: str) -> Path:
        """Say where content with that digest is, or would be."""
        return self.root / "sha256" / sha256[:2] / sha256

    def __contains__(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    @property
    def partial(self) -> Path:
        """The folder of unfinished downloads, on the same filesystem as the content."""
        folder = self.root / "partial"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def programs(self) -> list[Path]:
        """Return the folders of programs that were unpacked to run here; their names are keys of 64 hex digits."""
        return sorted(
            path for kind in ("interpreters", "emulators", "sandboxes") for path in (self.root / kind).glob("*")
        )

    @contextmanager
    def in_use(self, *, alone: bool = False) -> Iterator[None]:
        """Hold the store: others may use it meanwhile, and nobody removes from it; with `alone`, nobody else uses it.

        Whoever comes when nobody else is there sweeps what a process that was killed had begun; downloads stay, since
        they can go on.

        The system lets go of the lock (flock(2)) however the process ends.

        Raises:
            StoreBusyError: `alone` was asked for and another process uses the store.

        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except PermissionError:
            # A store that we may only read: who may remove from it must not while we do, and can't be told.
            yield
            return
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if alone:
                    raise StoreBusyError(self.root) from None
                fcntl.flock(lock, fcntl.LOCK_SH)
            else:
                if not alone:
                    self._sweep()
                    fcntl.flock(lock, fcntl.LOCK_SH)
            yield
        finally:
            os.close(lock)

    def _sweep(self) -> None:
        for path in self.partial.iterdir():
            if _DIGEST.fullmatch(path.name):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def verified(self, sha256: str, name: str) -> Path:
        """Return the path of content after reading it whole and checking its digest.

        Raises:
            StoreMissError: it is not there.
            StoreCorruptError: what is there has another digest.

        """
        path = self.path(sha256)
        try:
            with path.open("rb") as file:
                actual = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise StoreMissError(sha256, name) from None
        if actual != sha256:
            raise StoreCorruptError(sha256, path, actual)
        return path

    def adopt(self, temporary: Path, sha256: str) -> Path:
        """Move a file on the store's filesystem, whose digest the caller has computed, to its place."""
        path = self.path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.chmod(0o644)
        temporary.replace(path)
        return path

    @contextmanager
    def writer(self, place: Path | None = None) -> Iterator[BinaryIO]:
        """Open a temporary file that disappears unless `adopt` has moved it away.

        It is in `partial`, or in `place` below it: a process that may be ended at once leaves it to who made `place`.
        """
        handle, name = tempfile.mkstemp(dir=place or self.partial, prefix="new-")
        os.close(handle)
        try:
            with Path(name).open("w+b") as file:
                yield file
        finally:
            Path(name).unlink(missing_ok=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield an empty folder in `partial` that disappears at the end; to be used while the store is `in_use`."""
        # Not "build-": older checkouts sweep folders of that name unless someone holds a lock on the folder itself.
        with tempfile.TemporaryDirectory(dir=self.partial, prefix="scratch-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def add(self, content: bytes) -> str:
        """Store bytes; give their sha256."""
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 not in self:
            with self.writer() as file:
                file.write(content)
                file.flush()
                self.adopt(Path(file.name), sha256)
        return sha256
