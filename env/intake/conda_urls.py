"""conda packages by their addresses: what channel a file is of, and which Python is among them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from env.errors import LockFormatError, NotTakenError
from env.formats.lock import LockedFile

_ENDINGS = (".conda", ".tar.bz2")
_NAME = re.compile(r"(?P<name>[^/]+)-(?P<version>[^-/]+)-(?P<build>[^-/]+)")
_SHA256 = re.compile("[0-9a-f]{64}")


def locked_conda(path: Path, command: str, url: str, sha256: str, size: int = 0) -> LockedFile:
    """Return a conda package that a lock names by its address.

    Raises:
        NotTakenError: it is no conda package on a server.
        LockFormatError: it has no sha256, or an address that no channel has.

    """
    base, _, rest = unquote(url).rpartition("/")
    channel, _, subdir = base.rpartition("/")
    stem = next((rest.removesuffix(ending) for ending in _ENDINGS if rest.endswith(ending)), None)
    if urlsplit(url).scheme not in ("http", "https"):
        raise NotTakenError(path, f"{url} is on no server: put the package into a channel, and lock it from there")
    found = _NAME.fullmatch(stem) if stem else None
    if not found or not subdir or "://" not in channel or ".." in (subdir, rest):
        raise NotTakenError(path, f"{url} is no package of a channel (CHANNEL/SUBDIR/NAME-VERSION-BUILD.conda)")
    if not _SHA256.fullmatch(sha256):
        reason = f"{rest} has no sha256, by which files are known here"
        raise LockFormatError(path, reason, command=command)
    version = f"{found['version']} {found['build']}"
    return LockedFile(found["name"].lower(), version, f"{subdir}/{rest}", sha256, size, f"{channel}/")


def python_version(files: Iterable[LockedFile]) -> str:
    """Return the full version of the Python among conda packages; "" where there is none, or it is no CPython."""
    for file in files:
        version, _, build = file.version.partition(" ")
        if file.name == "python" and "pypy" not in build and "graalpy" not in build:
            return version
    return ""


def is_free_threaded(files: Iterable[LockedFile]) -> bool:
    """Say whether the Python among conda packages has no global lock: its wheels have a tag of their own."""
    builds = (file.version.partition(" ")[2] for file in files if file.name in ("python", "python_abi"))
    return any(re.search(r"cp\d+t(?!\w)", build) for build in builds)


def require_once(files: Iterable[LockedFile], path: Path, command: str) -> tuple[LockedFile, ...]:
    """Return the files sorted by name.

    Raises:
        LockFormatError: two are one package.
        NotTakenError: there is none.

    """
    found = tuple(sorted(files, key=lambda file: (file.name, file.file)))
    for one, other in pairwise(found):
        if one.name == other.name:
            reason = f"names a package twice: {one.name} {one.version} and {other.version}"
            raise LockFormatError(path, reason, command=command)
    if not found:
        raise NotTakenError(path, "has no package: an image of it would be empty")
    return found
