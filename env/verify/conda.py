"""What pixi.lock and conda-lock.yml promise: complete and consistent for every environment and platform."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from env.formats.conda_files import unanswered
from env.formats.conda_lock import CONDA_LOCK, conda_lock_text
from env.formats.lock_fault import Fault
from env.formats.manifest import CondaEnvironment, Manifest
from env.formats.matchspec import by_name, satisfied, spec_name
from env.formats.pixi_lock import PIXI_LOCK, CondaPackage, PixiLock, read_pixi_lock

_DIGEST = {"sha256": re.compile("[0-9a-f]{64}"), "md5": re.compile("[0-9a-f]{32}")}


def check_conda(lock: PixiLock, manifest: Manifest, conda_lock: Path) -> Iterator[Fault]:
    """Yield every fault of pixi.lock against pixi.toml, and of conda-lock.yml against pixi.lock.

    Raises:
        LockMissingError, LockFormatError: there is no conda-lock.yml, or it can't be read.

    """
    yield from unanswered(lock, manifest)
    if not _is_canonical(lock):
        yield Fault(PIXI_LOCK, "the file", "", "is not as py-rattler writes it: was it edited by hand?")
    for environment in manifest.environments:
        for subdir, packages in lock.packages.get(environment.name, {}).items():
            yield from check_packages(packages, subdir, lock.platforms[subdir], manifest.channels)
            yield from _unrequired(environment, subdir, packages)
    yield from _check_conda_lock(lock, manifest, conda_lock)


def check_packages(
    packages: Iterable[CondaPackage], subdir: str, virtual: Iterable[str], channels: Iterable[str]
) -> Iterator[Fault]:
    """Yield the faults of one environment on one platform."""
    packages = tuple(packages)
    records = by_name(packages, virtual)
    for name, count in Counter(package.name for package in packages).items():
        if count > 1:
            yield Fault(PIXI_LOCK, name, subdir, f"is provided {count} times")
    for package in packages:
        yield from _check_origin(package, subdir, tuple(channels))
        for spec in package.depends:
            if not satisfied(spec, records):
                have = records.get(spec_name(spec))
                text = f"needs `{spec}`, and there is {'none' if have is None else have}"
                yield Fault(PIXI_LOCK, package.name, subdir, text)
        for spec in package.constrains:
            if spec_name(spec) in records and not satisfied(spec, records):
                yield Fault(
                    PIXI_LOCK, package.name, subdir, f"bears only `{spec}`, and there is {records[spec_name(spec)]}"
                )


def _check_origin(package: CondaPackage, subdir: str, channels: tuple[str, ...]) -> Iterator[Fault]:
    if package.subdir not in (subdir, "noarch"):
        yield Fault(PIXI_LOCK, package.name, subdir, f"is a package of {package.subdir}")
    if not package.url.startswith(channels):
        yield Fault(PIXI_LOCK, package.name, subdir, f"comes from {package.url}, which is in no channel of pixi.toml")
    for kind, pattern in _DIGEST.items():
        if not pattern.fullmatch(getattr(package, kind)):
            yield Fault(PIXI_LOCK, package.name, subdir, f"has no {kind}")
    if not package.size:
        yield Fault(PIXI_LOCK, package.name, subdir, "has no size")


def _unrequired(environment: CondaEnvironment, subdir: str, packages: Iterable[CondaPackage]) -> Iterator[Fault]:
    """Yield packages that no spec leads to: they stay behind where a spec was taken out of pixi.toml."""
    depends: Mapping[str, tuple[str, ...]] = {package.name: package.depends for package in packages}
    pending = [spec_name(spec) for spec in environment.specs.get(subdir, ())]
    reached: set[str] = set()
    while pending:
        name = pending.pop()
        if name in depends and name not in reached:
            reached.add(name)
            pending += [spec_name(spec) for spec in depends[name]]
    for name in sorted(set(depends) - reached):
        yield Fault(PIXI_LOCK, name, subdir, f"nothing in environment {environment.name} asks for it")


def _is_canonical(lock: PixiLock) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / PIXI_LOCK
        lock.document.to_path(again)
        return again.read_bytes() == lock.path.read_bytes()


def _check_conda_lock(lock: PixiLock, manifest: Manifest, path: Path) -> Iterator[Fault]:
    here, there = _identities(lock), _identities(read_pixi_lock(path))
    for name, subdir in sorted(here.keys() | there.keys()):
        ours, theirs = here.get((name, subdir)), there.get((name, subdir))
        if ours is None or theirs is None:
            yield Fault(CONDA_LOCK, name, subdir, f"is only in {PIXI_LOCK if theirs is None else CONDA_LOCK}")
        elif ours != theirs:
            fields = [field for field in ours if ours[field] != theirs[field]]
            yield Fault(CONDA_LOCK, name, subdir, f"has another {' and '.join(fields)} than in {PIXI_LOCK}")
    if here == there and path.read_text(encoding="utf-8") != conda_lock_text(lock, manifest):
        yield Fault(CONDA_LOCK, "the file", "", "is not what `./noxw -s lock -- conda` writes from pixi.lock")


def _identities(lock: PixiLock) -> dict[tuple[str, str], dict[str, str]]:
    return {
        (package.name, subdir): {"url": package.url, "sha256": package.sha256, "md5": package.md5}
        for environment in lock.packages.values()
        for subdir, packages in environment.items()
        for package in packages
    }
