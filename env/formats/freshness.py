"""Freshness: a lock answers the spec in the tree, or it is refused before anything is made of it."""

from __future__ import annotations

from env.errors import StaleLockError
from env.formats.conda_files import conda_packages
from env.formats.environments import needed
from env.formats.lock import Lock
from env.formats.manifest import read_manifest
from env.formats.pypi_names import distributions
from env.platforms import PLATFORMS, parse_platforms
from env.spec import DEBIAN, Tree, overlay_digest, spec_digest


def require_fresh(lock: Lock, tree: Tree) -> None:
    """Refuse a lock that answers another spec than the one in the tree.

    Raises:
        StaleLockError: its spec has changed since.

    """
    if lock.spec != expected_spec(lock, tree):
        raise StaleLockError(lock.file_name, target_of(lock))


def fresh_locks(environment: str, platforms: str | None, tree: Tree) -> list[Lock]:
    """Return the locks that builds for these platforms (None: all) need, and see that they answer their specs.

    Raises:
        EnvError: there is no such platform, or a lock is missing, is no lock, or is stale.

    """
    locks = needed(environment, PLATFORMS if platforms is None else parse_platforms(platforms), tree)
    for lock in locks:
        require_fresh(lock, tree)
    return locks


def expected_spec(lock: Lock, tree: Tree) -> str:
    """Return the digest that a lock of this source and platform would have if it were made today.

    Raises:
        StaleLockError: it is about conda, and pixi.lock does not answer pixi.toml.

    """
    match lock.source:
        case "conda":
            return read_manifest(tree).digest
        case "pylock" | "pypi":
            # Somebody else's: it was compared with what it answers when it was read.
            return lock.spec
        case "conda-overlay":
            return overlay_digest(distributions(conda_packages(lock.platform, tree.project)), tree.project)
        case _:
            return spec_digest(lock.source, tree.project)


def target_of(lock: Lock) -> str:
    """Return what ``lock`` calls the set that a lock belongs to."""
    if lock.source in DEBIAN:
        return "base"
    if lock.source in ("cuda", "cuda-overlay"):
        return "cuda"
    return "conda" if lock.source in ("conda", "conda-overlay") else "wheels"
