"""Where the files of a lock are today: asked of uv and of the apt configuration, never written down."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from env.errors import LockFormatError, PackageGoneError
from env.formats.freshness import target_of
from env.formats.lock import Lock, LockedFile
from env.formats.wheel_tags import platform_options
from env.index.archives import archive_root
from env.index.mirrors import answering_base
from env.index.uv import compile_requirements
from env.platforms import Platform
from env.spec import DEBIAN


@dataclass(frozen=True)
class Located:
    """A locked file and where to get it."""

    file: LockedFile
    url: str
    target: str
    """What ``lock`` calls the set it belongs to, for the way out in an error."""


def locate(lock: Lock, files: Sequence[LockedFile]) -> list[Located]:
    """Find the addresses of some files of a lock.

    Raises:
        PackageGoneError: an index no longer offers a file with the locked hash.
        ChannelUnreachableError: no address of a conda channel answers.
        NoArchiveError, NoNetworkError, ToolFailedError, ToolMissingError: apt's configuration or uv gave no answer.

    """
    if not files:
        return []
    if lock.source in DEBIAN:
        # Asking apt takes half a second.
        roots = {archive: archive_root(archive) for archive in {file.archive for file in files} if archive}
        return [_in_archive(file, lock, roots) for file in files]
    if lock.source == "conda":
        return _in_channels(files, lock)
    with tempfile.TemporaryDirectory(prefix="locate-") as folder:
        urls = _wheel_urls(files, lock.platform, Path(folder))
    for file in files:
        if file.sha256 not in urls:
            raise PackageGoneError(file.name, file.version, target_of(lock))
    return [Located(file, urls[file.sha256], target_of(lock)) for file in files]


def _in_archive(file: LockedFile, lock: Lock, roots: Mapping[str, str]) -> Located:
    if file.archive is None:
        raise LockFormatError(lock.file_name, f"{file.name} names no archive")
    return Located(file, f"{roots[file.archive]}/{quote(file.file)}", target_of(lock))


def _in_channels(files: Sequence[LockedFile], lock: Lock) -> list[Located]:
    bases: dict[str, str] = {}
    located = []
    for file in files:
        if file.archive is None:
            raise LockFormatError(lock.file_name, f"{file.name} names no channel")
        if file.archive not in bases:
            bases[file.archive] = answering_base(file.archive, quote(file.file))
        located.append(Located(file, f"{bases[file.archive]}{quote(file.file)}", target_of(lock)))
    return located


def _wheel_urls(files: Iterable[LockedFile], platform: Platform, folder: Path) -> dict[str, str]:
    output = folder / "pylock.toml"
    compile_requirements(
        [f"{file.name}=={file.version}" for file in files], output, ["--no-deps", *platform_options(platform)]
    )
    packages = tomllib.loads(output.read_text(encoding="utf-8")).get("packages", [])
    wheels = [wheel for package in packages for wheel in package.get("wheels", [])]
    return {
        wheel["hashes"]["sha256"]: wheel.get("url") or (folder / wheel["path"]).resolve().as_uri() for wheel in wheels
    }
