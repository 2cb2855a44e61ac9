"""The files of the conda environment: pixi.lock, refused where it does not answer pixi.toml, in the terms of a lock."""

from __future__ import annotations

from collections.abc import Iterator

from env.errors import StaleLockError
from env.formats.lock import Lock, LockedFile
from env.formats.lock_fault import Fault
from env.formats.manifest import DEFAULT, CondaEnvironment, Manifest, read_manifest, virtual_packages
from env.formats.matchspec import by_name, satisfied, spec_name
from env.formats.pixi_lock import PIXI_LOCK, CondaPackage, PixiLock, find_pixi_lock
from env.platforms import Platform
from env.spec import Tree


def conda_packages(platform: Platform, tree: Tree, environment: str = DEFAULT) -> tuple[CondaPackage, ...]:
    """Return the packages of an environment for a platform.

    Raises:
        StaleLockError: pixi.lock does not answer pixi.toml.
        LockMissingError, LockFormatError: there is no pixi.lock, or it can't be read.

    """
    lock, manifest = find_pixi_lock(tree), read_manifest(tree)
    for fault in tree.once("unanswered", lambda: tuple(unanswered(lock, manifest))):
        where = f" on {fault.platform}" if fault.platform else ""
        raise StaleLockError(PIXI_LOCK, "conda", reason=f"{fault.package}{where}: {fault.text}")
    return lock.packages[environment][platform.conda]


def conda_files(platform: Platform, tree: Tree) -> Lock:
    """Return the default environment of a platform as a lock, whose files are paths below a channel.

    Raises:
        StaleLockError, LockMissingError, LockFormatError: as `conda_packages`.

    """
    packages = conda_packages(platform, tree)
    files = (
        LockedFile(one.name, f"{one.version} {one.build}", one.file, one.sha256, one.size, one.channel)
        for one in packages
    )
    return Lock("conda", platform, read_manifest(tree).digest, tuple(files))


def unanswered(lock: PixiLock, manifest: Manifest) -> Iterator[Fault]:
    """Yield what the manifest asks for and the lock has not: a lock of another manifest is stale."""
    for platform in manifest.platforms:
        if lock.platforms.get(platform.conda) != virtual_packages(platform):
            text = f"the lock is not for {', '.join(virtual_packages(platform))}"
            yield Fault(PIXI_LOCK, "every package", platform.conda, text)
    for subdir in set(lock.platforms) - {platform.conda for platform in manifest.platforms}:
        yield Fault(PIXI_LOCK, "every package", subdir, "pixi.toml does not name this platform")
    asked = {environment.name for environment in manifest.environments}
    for name in sorted(asked ^ set(lock.packages)):
        yield Fault(PIXI_LOCK, f"environment {name}", "", "is in only one of pixi.toml and pixi.lock")
    for environment in manifest.environments:
        if environment.name in lock.packages:
            yield from _unanswered(lock, manifest, environment)


def _unanswered(lock: PixiLock, manifest: Manifest, environment: CondaEnvironment) -> Iterator[Fault]:
    name = environment.name
    if lock.channels[name] != manifest.channels:
        yield Fault(PIXI_LOCK, f"environment {name}", "", f"is not from {', '.join(manifest.channels)}")
    for subdir, specs in environment.specs.items():
        packages = lock.packages[name].get(subdir, ())
        records = by_name(packages, lock.platforms.get(subdir, ()))
        have = {package.name: package for package in packages}
        for spec in specs:
            if not satisfied(spec, records):
                package = spec_name(spec)
                text = f"environment {name} asks for `{spec}` and the lock has {have.get(package, 'none')}"
                yield Fault(PIXI_LOCK, package, subdir, text)
