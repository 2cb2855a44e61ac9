"""Hold all locks to their promises, and say whether a joint solve would succeed today."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from env.checkconda import check_conda
from env.checklocks import (
    check_lock,
    check_overlay,
    check_requirements,
    check_requirements_file,
    check_same_files,
    check_universal,
)
from env.condalock import CONDA_LOCK
from env.environments import CUDA_PLATFORMS, ENVIRONMENTS
from env.errors import EnvError, VerifyError
from env.fault import Fault
from env.joint import joint_solve
from env.lock import Lock, lock_name, read_lock
from env.manifest import DEFAULT, read_manifest
from env.pixilock import PIXI_LOCK, PixiLock, read_pixi_lock
from env.platforms import PLATFORMS, Platform
from env.pypinames import distributions
from env.requirements import FILES, LAB
from env.spec import DEBIAN, ROOT, Source, source_requirements

SOURCES: tuple[Source, ...] = (*DEBIAN, "wheels", "overlay", "conda-overlay")
"""The sources whose locks are files below env/locks/."""

_LACKING = re.compile(
    r"platform (?P<subdir>\S+) refers to a package that does not exist: "
    r"\S+/(?P<file>(?P<name>[^/\s]+)-[^-/\s]+-[^-/\s;]+)"
)
"""py-rattler's words for a package that is listed and has no record."""


def verify(console: Console, root: Path = ROOT, *, joint: bool = True) -> None:
    """Check every lock, and print each fault with its package and platform; `joint` asks the package index as well.

    Raises:
        VerifyError: there are faults.
        EnvError: a manifest can't be read.

    """
    faults = list(dict.fromkeys(find_faults(root)))
    for fault in faults:
        console.print(str(fault), style="red", markup=False)
    if faults:
        raise VerifyError(len(faults))
    for platform in PLATFORMS:
        console.print(_summary(root, platform))
    if joint:
        for platform in PLATFORMS:
            console.print(_joint(root, platform), markup=False)


def find_faults(root: Path = ROOT) -> Iterator[Fault]:
    """Give the faults of every lock of a tree.

    Raises:
        EnvError: a manifest can't be read.

    """
    manifest = read_manifest(root)
    pixi: PixiLock | None = None
    try:
        pixi = read_pixi_lock(root / PIXI_LOCK)
        yield from check_conda(pixi, manifest, root / CONDA_LOCK)
    except EnvError as error:
        yield _unreadable(str(error))
    locks: dict[tuple[Source, Platform], Lock] = {}
    for source in SOURCES:
        for platform in PLATFORMS:
            path = root / "env" / "locks" / lock_name(source, platform)
            try:
                locks[source, platform] = read_lock(path)
            except EnvError as error:
                yield Fault(path.name, "every package", str(platform), str(error))
                continue
            yield from check_lock(locks[source, platform], path, root)
    for platform in CUDA_PLATFORMS:
        yield from _check_cuda(platform, root)
    for file in FILES:
        yield from check_requirements_file(file, root)
    yield from check_same_files(locks.values())
    for platform in PLATFORMS:
        yield from _check_wheels(locks, platform, root)
        if pixi is not None:
            yield from _check_over_conda(locks, pixi, platform, root)


def _unreadable(reason: str) -> Fault:
    if found := _LACKING.search(reason):
        return Fault(PIXI_LOCK, found["name"], found["subdir"], f"there is no record of {found['file']}")
    return Fault(PIXI_LOCK, "the file", "", reason)


def _check_wheels(locks: dict[tuple[Source, Platform], Lock], platform: Platform, root: Path) -> Iterator[Fault]:
    for source in ("wheels", "overlay", "conda-overlay"):
        if lock := locks.get((source, platform)):
            yield from check_universal(lock, root / "env" / "locks" / LAB.name)
    wheels, overlay = locks.get(("wheels", platform)), locks.get(("overlay", platform))
    if wheels is not None:
        yield from check_requirements(wheels, {}, source_requirements("wheels", root))
    if wheels is not None and overlay is not None:
        below = {file.name: file.version for file in wheels.files}
        yield from check_overlay(overlay, below)
        yield from check_requirements(overlay, below, source_requirements("overlay", root))


def _check_cuda(platform: Platform, root: Path) -> Iterator[Fault]:
    paths = [root / "env" / "locks" / lock_name(source, platform) for source in ("cuda", "cuda-overlay")]
    try:
        wheels, overlay = map(read_lock, paths)
    except EnvError as error:
        yield Fault(paths[0].name, "every package", str(platform), str(error))
        return
    yield from check_lock(wheels, paths[0], root)
    yield from check_lock(overlay, paths[1], root)
    below = {file.name: file.version for file in wheels.files}
    yield from check_requirements(wheels, {}, source_requirements("cuda", root))
    yield from check_overlay(overlay, below)
    yield from check_requirements(overlay, below, source_requirements("cuda-overlay", root))


def _check_over_conda(
    locks: dict[tuple[Source, Platform], Lock], pixi: PixiLock, platform: Platform, root: Path
) -> Iterator[Fault]:
    if lock := locks.get(("conda-overlay", platform)):
        below = distributions(pixi.packages.get(DEFAULT, {}).get(platform.conda, ()))
        yield from check_overlay(lock, below)
        yield from check_requirements(lock, below, source_requirements("conda-overlay", root))


def _summary(root: Path, platform: Platform) -> str:
    conda = len(read_pixi_lock(root / PIXI_LOCK).packages[DEFAULT][platform.conda])
    counts = {
        source: len(read_lock(root / "env" / "locks" / lock_name(source, platform)).files)
        for sources in ENVIRONMENTS.values()
        for source in sources.values()
        if source != "conda" and (root / "env" / "locks" / lock_name(source, platform)).is_file()
    }
    texts = [f"conda {conda}", *(f"{source} {count}" for source, count in sorted(counts.items()))]
    return f"{platform}: all locks hold ({', '.join(texts)} packages)"


def _joint(root: Path, platform: Platform) -> str:
    packages = read_pixi_lock(root / PIXI_LOCK).packages[DEFAULT][platform.conda]
    with tempfile.TemporaryDirectory(prefix="joint-") as folder:
        requirements = source_requirements("overlay", root)
        return str(joint_solve(platform, requirements, distributions(packages), Path(folder)))
