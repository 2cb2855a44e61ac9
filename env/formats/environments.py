"""The environments: which sources make each, by the names that an image's parts install from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from env.formats.conda_files import conda_files
from env.formats.lock import Lock, find_lock, lock_name
from env.platforms import AMD64, Platform, host_platform
from env.spec import Source, Tree

EnvironmentName = Literal["conda", "wheels", "cuda"]
ENVIRONMENTS: Mapping[str, Mapping[str, Source]] = MappingProxyType(
    {
        "conda": {"debian": "debian-conda", "environment": "conda", "overlay": "conda-overlay"},
        "wheels": {"debian": "debian", "environment": "wheels", "overlay": "overlay"},
        "cuda": {"debian": "debian", "environment": "cuda", "overlay": "cuda-overlay"},
    }
)

CUDA_PLATFORMS = (AMD64,)
"""Where PyTorch, vLLM and Unsloth all have wheels with CUDA."""
INTERPRETER = ("libc6", "libexpat1", "libpython3.13-minimal", "libpython3.13-stdlib", "python3.13-minimal", "zlib1g")
"""The Debian packages that a locked Python needs to compile bytecode on the host, whichever platform that is for."""


def locks_of(environment: str, platform: Platform, tree: Tree) -> dict[str, Lock]:
    """Read this project's locks of an environment for one platform: ``debian``, ``environment`` and ``overlay``.

    Raises:
        LockMissingError, LockFormatError: a lock is not there, or is not one.
        StaleLockError: pixi.lock does not answer pixi.toml.

    """
    project = tree.project
    return {
        name: conda_files(platform, project) if source == "conda" else find_lock(project, lock_name(source, platform))
        for name, source in ENVIRONMENTS[environment].items()
    }


def of_the_host(platforms: Sequence[Platform], tree: Tree) -> list[Lock]:
    """Return the locks of what a build and its checks run on this host, besides what they build."""
    host = host_platform()
    if host is None:
        return []
    debian = find_lock(tree.project, lock_name("debian", host))
    locks = [replace(debian, files=tuple(file for file in debian.files if file.name in INTERPRETER))]
    locks.append(find_lock(tree.project, lock_name("sandbox", host)))
    if set(platforms) - {host}:
        locks.append(find_lock(tree.project, lock_name("emulator", host)))
    return locks


def needed(environment: str, platforms: Sequence[Platform], tree: Tree) -> list[Lock]:
    """Return every lock whose files a build and its checks read on this host, so that they need no network afterwards.

    Raises:
        LockMissingError, LockFormatError, StaleLockError: as `locks_of` does.

    """
    locks = [lock for platform in platforms for lock in locks_of(environment, platform, tree).values()]
    return [*locks, *of_the_host(platforms, tree)]
