"""Results kept beside the store, keyed by everything they are made from: a key that matches is as good as the work.

A key contains the digest of this program's own sources and of the compressor's version, so an upgrade of either never
meets an old result.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from env.lock import write_atomically
from env.store import Store

LAYER_MODULES = (
    "_compile",
    "_install",
    "bytecode",
    "conda",
    "debs",
    "entries",
    "layers",
    "records",
    "rootfs",
    "tarball",
    "wheels",
)
"""The modules that decide the bytes of a layer; a change of any other keeps the cache."""


@cache
def program_digest() -> str:
    """Give a sha256 over the sources that decide the bytes of a layer, and the versions of the libraries they use."""
    digest = hashlib.sha256()
    for library in ("installer", "py-rattler", "zstandard"):
        digest.update(f"{library} {version(library)}\n".encode())
    for module in LAYER_MODULES:
        digest.update(module.encode() + b"\0" + (Path(__file__).parent / f"{module}.py").read_bytes() + b"\0")
    return digest.hexdigest()


def key_of(*parts: object) -> str:
    """Give the key of a result made from `parts`, which must be JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Cache:
    """Small JSON records by kind and key, below the store's root."""

    def __init__(self, store: Store) -> None:
        self._root = store.root / "cache"

    def _path(self, kind: str, key: str) -> Path:
        return self._root / kind / key[:2] / f"{key}.json"

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """Give the record, or None where there is none that can be read."""
        path = self._path(kind, key)
        try:
            record = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        with suppress(OSError):
            # When it was last of use: `store prune` goes by it. A store that we may only read keeps no account.
            os.utime(path)
        return record if isinstance(record, dict) else None

    def put(self, kind: str, key: str, record: dict[str, Any]) -> None:
        """Keep a record, in one step."""
        write_atomically(self._path(kind, key), json.dumps(record, sort_keys=True).encode())


def note_program(store: Store, key: str) -> None:
    """Note that a program that is unpacked in the store under `key` is of use, so that `store prune` leaves it."""
    cache = Cache(store)
    if cache.get("program", key) is None:
        cache.put("program", key, {"program": key})
