"""The lock file: the exact files of one source for one platform, each with its sha256 and size.

A lock carries names, versions and hashes. It names no registry: pip, uv and apt know where theirs are, and a user's
mirror settings keep working. One file a source and platform, in TOML, sorted by name, so that a diff reads well.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from env.errors import LockFormatError, LockMissingError
from env.files import write_atomically
from env.platforms import Platform, parse_platform
from env.spec import Source, Tree

VERSION = 1


@dataclass(frozen=True)
class LockedFile:
    """One file of a lock."""

    name: str
    """The package: normalised as its source does (PEP 503 for wheels)."""
    version: str
    file: str
    """File name of a wheel; for Debian the path below the archive's root (``pool/main/…``)."""
    sha256: str
    """Hex digest of the file."""
    size: int
    """Bytes of the file; 0 where somebody else's lock does not say."""
    archive: str | None = None
    """Debian: which archive the path is below, ``debian`` or ``debian-security``; conda: the channel's address."""
    requires: tuple[str, ...] = ()
    """Overlay over conda: what the wheel requires on its platform (PEP 508), for checks without a network."""
    url: str | None = None
    """Somebody else's lock: where it says that the file is, for where no index has it."""


@dataclass(frozen=True)
class Lock:
    """All files of one source for one platform."""

    source: Source
    platform: Platform
    spec: str
    """sha256 over the canonical form of the spec it answers: a lock whose spec has changed is stale."""
    files: tuple[LockedFile, ...] = field(default_factory=tuple)
    python: str = ""
    """Somebody else's lock: the full version of the Python that it is for."""
    command: str = field(default="", compare=False)
    """Somebody else's lock: what its owner runs to make it again."""

    @property
    def file_name(self) -> str:
        """Its name in the folder of locks, e.g. ``wheels-linux-amd64.lock``."""
        return lock_name(self.source, self.platform)


def lock_name(source: Source, platform: Platform) -> str:
    """Return the file name of a lock, e.g. ``wheels-linux-amd64.lock``."""
    return f"{source}-{platform.slug}.lock"


def read_lock(path: Path) -> Lock:
    """Read a lock.

    Raises:
        LockMissingError: there is no such file.
        LockFormatError: it is not a lock of this version.

    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise LockMissingError(path) from None
    return parse_lock(path, content)


def find_lock(tree: Tree, name: str) -> Lock:
    """Return the lock of that file name in a tree; the errors are those of `read_lock`."""
    path = tree.locks / name
    try:
        content = tree.content(path)
    except FileNotFoundError:
        raise LockMissingError(path) from None
    return tree.once(("lock", name), lambda: parse_lock(path, content))


def parse_lock(path: Path, content: bytes) -> Lock:
    """Parse the content of a lock.

    Raises:
        LockFormatError: it is not a lock of this version.

    """
    try:
        data: dict[str, Any] = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LockFormatError(path, f"not TOML ({error})") from None
    if data.get("version") != VERSION:
        raise LockFormatError(path, f"lock version {data.get('version')!r}, this program reads {VERSION}")
    try:
        files = tuple(
            LockedFile(**{**entry, "requires": tuple(entry.get("requires", ()))}) for entry in data.get("package", [])
        )
        lock = Lock(data["source"], parse_platform(data["platform"]), data["spec"], files)
    except (KeyError, TypeError) as error:
        raise LockFormatError(path, f"missing or unknown key ({error})") from None
    for file in files:
        if len(file.sha256) != 64 or set(file.sha256) - set("0123456789abcdef"):  # noqa: PLR2004 - hex digits of sha256
            raise LockFormatError(path, f"{file.name} has no valid sha256")
    return lock


def write_lock(lock: Lock, folder: Path) -> Path:
    """Write a lock, atomically: the old one stands until the new one is complete."""
    path = folder / lock.file_name
    write_atomically(path, lock_text(lock).encode())
    return path


def lock_text(lock: Lock) -> str:
    """Return a lock in its canonical form."""
    entries = [
        {key: value for key, value in asdict(file).items() if value not in (None, ())}
        for file in sorted(lock.files, key=lambda file: (file.name, file.file))
    ]
    text = tomli_w.dumps(
        {
            "version": VERSION,
            "source": lock.source,
            "platform": lock.platform.oci,
            "spec": lock.spec,
            "package": entries,
        }
    )
    return f"# Made by `./noxw -s lock`; do not edit.\n{text}"
