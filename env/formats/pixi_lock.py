"""pixi.lock, read: the packages of each environment and platform, with true addresses and hashes (lock version 7)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rattler.lock import LockFile
from rattler.repo_data import RepoDataRecord

from env.errors import LockFormatError, LockMissingError
from env.spec import Tree

PIXI_LOCK = "pixi.lock"


@dataclass(frozen=True)
class CondaPackage:
    """One package of one platform; the fields are those of a channel's index (conda CEP 36)."""

    name: str
    version: str
    build: str
    subdir: str
    """``linux-64`` and so on, or ``noarch``."""
    url: str
    channel: str
    """Base address of the channel, with a slash at the end."""
    sha256: str
    md5: str
    size: int
    """Bytes of the file; 0 where the lock has none."""
    depends: tuple[str, ...]
    constrains: tuple[str, ...]
    record: RepoDataRecord
    """The same for py-rattler."""
    purls: tuple[str, ...] = ()
    """What it is elsewhere, as pixi found out: ``pkg:pypi/NAME`` (package URLs)."""

    @property
    def file(self) -> str:
        """Path below the channel: ``linux-64/numpy-2.5.1-py313hf6604e3_0.conda``."""
        return f"{self.subdir}/{self.url.rpartition('/')[2]}"

    def __str__(self) -> str:
        return f"{self.name} {self.version} {self.build}"


@dataclass(frozen=True)
class PixiLock:
    """A pixi.lock."""

    path: Path
    platforms: Mapping[str, tuple[str, ...]]
    """Virtual packages by conda subdir."""
    channels: Mapping[str, tuple[str, ...]]
    """Base addresses by environment."""
    packages: Mapping[str, Mapping[str, tuple[CondaPackage, ...]]]
    """By environment and subdir, sorted by name."""
    document: LockFile = field(compare=False, repr=False)
    """The same for py-rattler."""


def read_pixi_lock(path: Path) -> PixiLock:
    """Read a pixi.lock.

    Raises:
        LockMissingError: there is none.
        LockFormatError: py-rattler can't read it.

    """
    if not path.is_file():
        raise LockMissingError(path)
    try:
        lock = LockFile.from_path(path)
    except Exception as error:  # noqa: BLE001 - py-rattler raises bare Exceptions here
        raise LockFormatError(path, " ".join(str(error).split())) from None
    platforms = {platform.name: tuple(platform.virtual_packages) for platform in lock.platforms()}
    environments = lock.environments()
    return PixiLock(
        path=path,
        platforms=platforms,
        channels={name: tuple(str(channel) for channel in one.channels()) for name, one in environments},
        packages={
            name: {
                subdir: tuple(sorted(map(package_of, records), key=lambda package: (package.name, package.url)))
                for subdir, records in sorted(one.conda_repodata_records().items())
            }
            for name, one in environments
        },
        document=lock,
    )


def find_pixi_lock(tree: Tree) -> PixiLock:
    """Return the pixi.lock of a tree; the errors are those of `read_pixi_lock`."""
    return tree.once(PIXI_LOCK, lambda: read_pixi_lock(tree.root / PIXI_LOCK))


def package_of(record: RepoDataRecord) -> CondaPackage:
    """Return a record of py-rattler's in our terms."""
    data: dict[str, Any] = json.loads(record.to_json())
    return CondaPackage(
        name=data["name"],
        version=data["version"],
        build=data["build"],
        subdir=data["subdir"],
        url=data["url"],
        channel=f"{data['channel'].rstrip('/')}/" if data.get("channel") else "",
        sha256=data.get("sha256") or "",
        md5=data.get("md5") or "",
        size=data.get("size") or 0,
        depends=tuple(data.get("depends", ())),
        constrains=tuple(data.get("constrains", ())),
        record=record,
        purls=tuple(data.get("purls") or ()),
    )
