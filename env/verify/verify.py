"""Hold all locks to their promises, and say whether a joint solve would succeed today."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from env.errors import EnvError, VerifyError
from env.formats.conda_lock import CONDA_LOCK
from env.formats.environments import CUDA_PLATFORMS, ENVIRONMENTS
from env.formats.lock import Lock, find_lock, lock_name
from env.formats.lock_fault import Fault
from env.formats.manifest import DEFAULT, read_manifest
from env.formats.pixi_lock import PIXI_LOCK, PixiLock, find_pixi_lock
from env.formats.pypi_names import distributions
from env.platforms import PLATFORMS, Platform
from env.resolve.requirements import FILES, LAB, hashes
from env.spec import DEBIAN, Source, Tree, source_requirements
from env.verify.conda import check_conda
from env.verify.joint import joint_solve
from env.verify.locks import (
    check_additions,
    check_lock,
    check_overlay,
    check_requirements,
    check_requirements_file,
    check_same_files,
    check_universal,
)

SOURCES: tuple[Source, ...] = (*DEBIAN, "wheels", "overlay", "conda-overlay")
"""The sources whose locks are files below env/locks/, on every platform."""
CUDA: tuple[Source, ...] = ("cuda", "cuda-overlay")

_LACKING = re.compile(
    r"platform (?P<subdir>\S+) refers to a package that does not exist: "
    r"\S+/(?P<file>(?P<name>[^/\s]+)-[^-/\s]+-[^-/\s;]+)"
)
"""py-rattler's words for a package that is listed and has no record."""


def verify(console: Console, tree: Tree, *, joint: bool = True) -> None:
    """Check every lock, and print each fault with its package and platform; `joint` asks the package index as well.

    Raises:
        VerifyError: there are faults.
        EnvError: a manifest can't be read.

    """
    faults = list(dict.fromkeys(find_faults(tree)))
    for fault in faults:
        console.print(str(fault), style="red", markup=False)
    if faults:
        raise VerifyError(len(faults))
    for platform in PLATFORMS:
        console.print(_summary(tree, platform))
    if joint:
        for platform in PLATFORMS:
            console.print(_joint(tree, platform), markup=False)


def find_faults(tree: Tree) -> Iterator[Fault]:
    """Yield the faults of every lock of a tree.

    Raises:
        EnvError: a manifest can't be read.

    """
    manifest = read_manifest(tree)
    pixi: PixiLock | None = None
    try:
        pixi = find_pixi_lock(tree)
        yield from check_conda(pixi, manifest, tree.root / CONDA_LOCK)
    except EnvError as error:
        yield _unreadable(str(error))
    locks: dict[tuple[Source, Platform], Lock] = {}
    for source in SOURCES:
        for platform in PLATFORMS:
            name = lock_name(source, platform)
            try:
                locks[source, platform] = find_lock(tree, name)
            except EnvError as error:
                yield Fault(name, "every package", str(platform), str(error))
                continue
            yield from check_lock(locks[source, platform], tree)
    for platform in CUDA_PLATFORMS:
        yield from _check_cuda(platform, tree)
    for file in FILES:
        yield from check_requirements_file(file, tree)
    yield from check_additions(tree, _hashes(tree))
    yield from check_same_files(locks.values())
    for platform in PLATFORMS:
        yield from _check_wheels(locks, platform, tree)
        if pixi is not None:
            yield from _check_over_conda(locks, pixi, platform, tree)


def _unreadable(reason: str) -> Fault:
    if found := _LACKING.search(reason):
        return Fault(PIXI_LOCK, found["name"], found["subdir"], f"there is no record of {found['file']}")
    return Fault(PIXI_LOCK, "the file", "", reason)


def _check_wheels(locks: dict[tuple[Source, Platform], Lock], platform: Platform, tree: Tree) -> Iterator[Fault]:
    for source in ("wheels", "overlay", "conda-overlay"):
        if lock := locks.get((source, platform)):
            yield from check_universal(lock, _hashes(tree))
    wheels, overlay = locks.get(("wheels", platform)), locks.get(("overlay", platform))
    if wheels is not None:
        yield from check_requirements(wheels, {}, source_requirements("wheels", tree))
    if wheels is not None and overlay is not None:
        below = {file.name: file.version for file in wheels.files}
        yield from check_overlay(overlay, below)
        yield from check_requirements(overlay, below, source_requirements("overlay", tree))


def _hashes(tree: Tree) -> dict[tuple[str, str], frozenset[str]]:
    return tree.once("hashes", lambda: hashes(tree.content(tree.locks / LAB.name).decode()))


def _check_cuda(platform: Platform, tree: Tree) -> Iterator[Fault]:
    names = [lock_name(source, platform) for source in CUDA]
    try:
        wheels, overlay = (find_lock(tree, name) for name in names)
    except EnvError as error:
        yield Fault(names[0], "every package", str(platform), str(error))
        return
    yield from check_lock(wheels, tree)
    yield from check_lock(overlay, tree)
    below = {file.name: file.version for file in wheels.files}
    yield from check_requirements(wheels, {}, source_requirements("cuda", tree))
    yield from check_overlay(overlay, below)
    yield from check_requirements(overlay, below, source_requirements("cuda-overlay", tree))


def _check_over_conda(
    locks: dict[tuple[Source, Platform], Lock], pixi: PixiLock, platform: Platform, tree: Tree
) -> Iterator[Fault]:
    if lock := locks.get(("conda-overlay", platform)):
        below = distributions(pixi.packages.get(DEFAULT, {}).get(platform.conda, ()))
        yield from check_overlay(lock, below)
        yield from check_requirements(lock, below, source_requirements("conda-overlay", tree))


def _summary(tree: Tree, platform: Platform) -> str:
    conda = len(find_pixi_lock(tree).packages[DEFAULT][platform.conda])
    counts = {
        source: len(find_lock(tree, lock_name(source, platform)).files)
        for sources in ENVIRONMENTS.values()
        for source in sources.values()
        if source != "conda" and (tree.locks / lock_name(source, platform)).is_file()
    }
    texts = [f"conda {conda}", *(f"{source} {count}" for source, count in sorted(counts.items()))]
    return f"{platform}: all locks hold ({', '.join(texts)} packages)"


def _joint(tree: Tree, platform: Platform) -> str:
    packages = find_pixi_lock(tree).packages[DEFAULT][platform.conda]
    with tempfile.TemporaryDirectory(prefix="joint-") as folder:
        requirements = source_requirements("overlay", tree)
        return str(joint_solve(platform, requirements, distributions(packages), Path(folder)))
