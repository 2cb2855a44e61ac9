"""Wheels by their addresses, that go over conda packages: each for the Python and the machine that it is locked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urldefrag, urlsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from env.errors import LockFormatError, NotTakenError
from env.formats.lock import LockedFile
from env.formats.wheel_tags import supported_tags
from env.intake.base import glibc_minor
from env.intake.conda_urls import is_free_threaded
from env.platforms import Platform
from env.spec import Tree

NOT_BUILT = (
    "of sources only Python projects in folders of one's own are built here: take a release that has a wheel, or one "
    "in a channel"
)
_ARCHIVES = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar")


def is_folder(place: str) -> bool:
    """Say whether what a lock names is a project in a folder: neither an address nor a file."""
    return "://" not in place and not place.endswith((".whl", *_ARCHIVES))


@dataclass(frozen=True)
class OverConda:
    """What wheels of a lock go over."""

    path: Path
    """The lock."""
    command: str
    platform: Platform
    python: str
    """The full version of the Python among the conda packages; "" where there is none."""
    project: Tree
    conda: tuple[LockedFile, ...] = ()
    """The conda packages."""

    def require_usual_python(self, what: str) -> None:
        """Refuse wheels over a free-threaded Python, which looks for them elsewhere.

        Raises:
            NotTakenError: it is one.

        """
        if is_free_threaded(self.conda):
            raise NotTakenError(
                self.path,
                f"has {what}, and its Python {self.python} is a free-threaded one, over which no wheels are installed "
                'here: ask for conda packages instead, or for the usual Python (`python-gil = "*"`)',
            )

    def wheel(self, name: str, version: str, place: str, sha256: str) -> LockedFile:
        """Return a wheel that the lock names by its address, or by its path from the lock.

        Raises:
            NotTakenError: it is no wheel, or one for another machine or Python.
            LockFormatError: it has no sha256, or is another package.

        """
        address = place.removeprefix("direct+")
        file = unquote(urlsplit(address).path).rpartition("/")[2]
        if not self.python:
            raise NotTakenError(self.path, f"has {name} of PyPI, and no CPython that it would run with")
        self.require_usual_python(f"{name} of PyPI")
        if not file.endswith(".whl"):
            kind = "comes from git" if address.startswith("git+") else "has no wheel in the lock"
            kind = kind if "://" in address else "is an archive of sources"
            raise NotTakenError(self.path, f"{name} {version} {kind} ({address}): {NOT_BUILT}")
        try:
            named, found, _, tags = parse_wheel_filename(file)
            same = named == canonicalize_name(name) and found == Version(version)
        except (InvalidWheelFilename, InvalidVersion):
            same = False
        if not same:
            raise LockFormatError(self.path, f"{file} is no wheel of {name} {version}", command=self.command)
        sha256 = sha256 or _in_address(address)
        if len(sha256) != 64:  # noqa: PLR2004 - hex digits of sha256
            reason = f"{file} has no sha256, by which files are known here"
            raise LockFormatError(self.path, reason, command=self.command)
        major, minor = (int(part) for part in self.python.split(".")[:2])
        glibc = glibc_minor(self.platform, self.project)
        if not tags & set(supported_tags(self.platform, (major, minor), glibc)):
            machine = f"{self.platform} with Python {self.python}"
            raise NotTakenError(self.path, f"{file} is for another machine or Python than {machine}")
        url = urldefrag(address)[0] if "://" in address else (self.path.parent / address).resolve().as_uri()
        return LockedFile(named, str(found), file, sha256.lower(), 0, url=url)


def _in_address(address: str) -> str:
    """Return the sha256 in an address's fragment (``#sha256=...``), where it has one."""
    return next(iter(parse_qs(urlsplit(address).fragment).get("sha256", [])), "")
