"""Results kept beside the store, keyed by everything they are made from: a key that matches is as good as the work.

A key contains the digest of this program's own sources and of the compressor's version, so an upgrade of either never
meets an old result.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from env.files import write_atomically
from env.spec import ROOT
from env.store.store import Store
from images import errors

_PACKAGE = "images"
_LIBRARIES = ("installer", "py-rattler", "zstandard")


def source_of(module: str) -> Path:
    """Return the source file of one of this program's modules, by its dotted name."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def program_digest(module: str) -> str:
    """Return a sha256 over the sources that decide what `module` makes, and the versions of the libraries they use."""
    digest = hashlib.sha256()
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    for name in sorted(sources_of(module)):
        digest.update(name.encode() + b"\0" + source_of(name).read_bytes() + b"\0")
    return digest.hexdigest()


def sources_of(module: str) -> frozenset[str]:
    """Return the modules of this package that `module` is made of: what it imports, and what it runs as a process.

    A module that is run is one that a string names whole, e.g. ``"images.rootfs._install"``. The texts of errors decide
    nothing, so that changing one does not make every cached result old.
    """
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        own = re.fullmatch(rf"{_PACKAGE}(\.\w+)*", name)
        if not own or name in found or name == errors.__name__ or not source_of(name).is_file():
            continue
        found.add(name)
        # A package is imported before what is in it.
        waiting += [name.rpartition(".")[0], *_named(name)]
    return frozenset(found)


def _named(module: str) -> Iterator[str]:
    source = source_of(module)
    # In a relative import, the first dot is the package that the module is in, and each further one a step up.
    steps = [*module.split("."), *(["__init__"] if source.name == "__init__.py" else [])]
    for node in ast.walk(ast.parse(source.read_bytes())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=base, names=names, level=level):
                place = ".".join([*(steps[:-level] if level else ()), *([base] if base else ())])
                # What is imported from a package may be a module of it.
                yield from (place, *(f"{place}.{alias.name}" for alias in names))
            case ast.Constant(value=str(text)):
                yield text


def key_of(*parts: object) -> str:
    """Return the key of a result made from `parts`, which must be JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Cache:
    """Small JSON records by kind and key, below the store's root."""

    def __init__(self, store: Store) -> None:
        self._root = store.root / "cache"

    def _path(self, kind: str, key: str) -> Path:
        return self._root / kind / key[:2] / f"{key}.json"

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return the record, or None where there is none that can be read."""
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
