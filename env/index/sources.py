"""Where the files of a lock are today: asked of uv and of the apt configuration, never written down."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from env.errors import ChannelUnreachableError, HashMismatchError, LockFormatError, PackageGoneError, ToolFailedError
from env.formats.freshness import target_of
from env.formats.lock import Lock, LockedFile
from env.formats.wheel_tags import platform_options, wheel_file
from env.index.archives import archive_root
from env.index.mirrors import OWN_WAYS_OUT, answering_base
from env.index.uv import compile_requirements
from env.spec import DEBIAN, OWN_DEBIAN


@dataclass(frozen=True)
class Located:
    """A locked file and where to get it."""

    file: LockedFile
    url: str
    target: str
    """What ``lock`` calls the set it belongs to, for the way out in an error."""
    command: str = ""
    """What the owner of somebody else's lock runs to make it again."""


@dataclass(frozen=True)
class _Offer:
    """The wheels that an index has of some packages."""

    urls: Mapping[str, str]
    """By sha256."""
    hashes: Mapping[str, str]
    """sha256 by file name."""


def locate(lock: Lock, files: Sequence[LockedFile]) -> list[Located]:
    """Find the addresses of some files of a lock.

    Raises:
        PackageGoneError: an index no longer offers a file.
        HashMismatchError: an index offers a file with another hash than the locked one.
        ChannelUnreachableError: no address of a conda channel answers.
        NoArchiveError, NoNetworkError, ToolFailedError, ToolMissingError: apt's configuration or uv gave no answer.

    """
    if not files:
        return []
    if lock.source in (*DEBIAN, OWN_DEBIAN):
        # Asking apt takes half a second.
        roots = {archive: archive_root(archive) for archive in {file.archive for file in files} if archive}
        return [_in_archive(file, lock, roots) for file in files]
    if lock.source == "conda":
        return _in_channels(files, lock)
    asked = [file for file in files if not _is_here(file)]
    offer = _offer(asked, lock) if asked else _Offer({}, {})
    return [Located(file, _wheel_url(file, offer, lock), target_of(lock), lock.command) for file in files]


def _is_here(file: LockedFile) -> bool:
    """Say whether somebody's lock names a file on this machine, beside itself: no index is asked about that."""
    if file.url is None or not file.url.startswith("file:"):
        return False
    return Path(unquote(urlsplit(file.url).path)).is_file()


def _wheel_url(file: LockedFile, offer: _Offer, lock: Lock) -> str:
    if file.sha256 in offer.urls:
        return offer.urls[file.sha256]
    if (offered := offer.hashes.get(file.file)) is not None:
        raise HashMismatchError(file.file, file.sha256, offered, lock.command or f"./noxw -s lock -- {target_of(lock)}")
    if file.url is None:
        raise PackageGoneError(file.name, file.version, target_of(lock), lock.command)
    return file.url


def _in_archive(file: LockedFile, lock: Lock, roots: Mapping[str, str]) -> Located:
    if file.archive is None:
        raise LockFormatError(lock.file_name, f"{file.name} names no archive")
    return Located(file, f"{roots[file.archive]}/{quote(file.file)}", target_of(lock), lock.command)


def _in_channels(files: Sequence[LockedFile], lock: Lock) -> list[Located]:
    bases: dict[str, str] = {}
    located = []
    for file in files:
        if file.archive is None:
            raise LockFormatError(lock.file_name, f"{file.name} names no channel")
        if file.archive not in bases:
            bases[file.archive] = _base(file.archive, quote(file.file), own=not lock.command)
        located.append(Located(file, f"{bases[file.archive]}{quote(file.file)}", target_of(lock), lock.command))
    return located


def _base(channel: str, file: str, *, own: bool) -> str:
    try:
        return answering_base(channel, file)
    except ChannelUnreachableError:
        if own:
            raise
        # What our own image could be made of instead is nothing for somebody else's project.
        raise ChannelUnreachableError(channel, OWN_WAYS_OUT) from None


def _offer(files: Iterable[LockedFile], lock: Lock) -> _Offer:
    """Ask the index for the wheels of some files' versions.

    Somebody else's lock may have what an index lacks, and says where that is; then only the others are asked for.
    """
    with tempfile.TemporaryDirectory(prefix="locate-") as name:
        folder = Path(name)
        try:
            return _asked(files, lock, folder)
        except ToolFailedError:
            elsewhere = [file for file in files if file.url is not None]
            if not elsewhere:
                raise
        found = _Offer({}, {})
        for file in files:
            try:
                one = _asked([file], lock, folder)
            except ToolFailedError:
                if file.url is None:
                    raise
                continue
            found = _Offer({**found.urls, **one.urls}, {**found.hashes, **one.hashes})
        return found


def _asked(files: Iterable[LockedFile], lock: Lock, folder: Path) -> _Offer:
    output = folder / "pylock.toml"
    output.unlink(missing_ok=True)
    lines = [f"{file.name}=={file.version}" for file in files]
    python = ".".join(lock.python.split(".")[:2])
    compile_requirements(lines, output, ["--no-deps", *platform_options(lock.platform, python)])
    packages = tomllib.loads(output.read_text(encoding="utf-8")).get("packages", [])
    wheels = [wheel for package in packages for wheel in package.get("wheels", [])]
    urls = {
        wheel["hashes"]["sha256"]: wheel.get("url") or (folder / wheel["path"]).resolve().as_uri() for wheel in wheels
    }
    return _Offer(urls, {wheel_file(wheel): wheel["hashes"]["sha256"] for wheel in wheels})
