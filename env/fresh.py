"""Freshness: a lock answers the spec in the tree, or it is refused before anything is made of it."""

from __future__ import annotations

from pathlib import Path

from env.condafiles import conda_packages
from env.environments import needed
from env.errors import StaleLockError
from env.lock import OF_RECIPES, Lock
from env.manifest import read_manifest
from env.platforms import PLATFORMS, parse_platforms
from env.pylock import requirements_digest
from env.pypinames import distributions
from env.spec import DEBIAN, ROOT, overlay_digest, spec_digest


def require_fresh(lock: Lock, root: Path = ROOT) -> None:
    """Refuse a lock that answers another spec than the one in the tree.

    Raises:
        StaleLockError: its spec has changed since.

    """
    if lock.spec != expected_spec(lock, root):
        raise StaleLockError(lock.file_name, target_of(lock))


def fresh_locks(environment: str, platforms: str | None, root: Path = ROOT) -> list[Lock]:
    """Give the locks that builds for these platforms (None: all) need, and see that they answer their specs.

    `root` is a recipe's folder where it brings locks of its own.

    Raises:
        EnvError: there is no such platform, or a lock is missing, is no lock, or is stale.

    """
    locks = needed(environment, PLATFORMS if platforms is None else parse_platforms(platforms), root)
    for lock in locks:
        require_fresh(lock, root if lock.source in OF_RECIPES else ROOT)
    return locks


def expected_spec(lock: Lock, root: Path = ROOT) -> str:
    """Give the digest that a lock of this source and platform would have if it were made today.

    Raises:
        StaleLockError: it is about conda, and pixi.lock does not answer pixi.toml.

    """
    match lock.source:
        case "conda":
            return read_manifest(root).digest
        case "pylock":
            return requirements_digest(root)
        case "conda-overlay":
            return overlay_digest(distributions(conda_packages(lock.platform, root)), root)
        case _:
            return spec_digest(lock.source, root)


def target_of(lock: Lock) -> str:
    """Give what ``lock`` calls the set that a lock belongs to."""
    if lock.source in DEBIAN:
        return "base"
    if lock.source in ("cuda", "cuda-overlay"):
        return "cuda"
    if lock.source == "pylock":
        return "--recipe DIR"
    return "conda" if lock.source in ("conda", "conda-overlay") else "wheels"
