"""Debian packages of a project's own, over the images' base: what is asked for, and the lock that answers it.

A recipe's image.toml says them under ``[debian]``; a project without a recipe in apt.txt, one a line, as Binder and
repo2docker have it. The lock is beside it, one file a platform.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from env.errors import LockMissingError, SpecError, StaleLockError
from env.formats.lock import Lock, find_lock, lock_name, read_lock
from env.intake.commands import lock_debian
from env.intake.reading import array, line_of, table, text_of, toml_of
from env.platforms import Platform
from env.spec import OWN_DEBIAN, Source, Tree, debian_spec

APT_TXT = "apt.txt"
IMAGE = "image.toml"
# Debian Policy, 5.6.1: names of packages.
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


@dataclass(frozen=True)
class Asked:
    """The Debian packages that a folder asks for."""

    path: Path
    """The file that says so."""
    packages: tuple[str, ...]

    @property
    def command(self) -> str:
        """What locks them."""
        return lock_debian(self.path.parent)


def asked_debian(folder: Path) -> Asked | None:
    """Return what a folder asks for, or None.

    Raises:
        SpecError: a file can't be read, or a name in it is none of a Debian package; the message has the line.

    """
    recipe, listed = folder / IMAGE, folder / APT_TXT
    found: list[str] = []
    path = listed
    if recipe.is_file() and (said := table(toml_of(recipe).get("debian"), recipe, "debian")):
        path = recipe
        found = [str(name) for name in array(said.get("packages"), recipe, "debian.packages")]
    elif listed.is_file():
        lines = (line.partition("#")[0] for line in text_of(listed).splitlines())
        found = [word for line in lines for word in line.split()]
    for name in found:
        if not _NAME.fullmatch(name):
            way_out = "versions and architectures are for the lock to choose" if re.search(r"[=:/]", name) else ""
            reason = f"{name!r} is no name of a Debian package{': ' if way_out else ''}{way_out}"
            raise SpecError(line_of(path, name), reason)
    return Asked(path, tuple(sorted(set(found)))) if found else None


def base_of(environment: str, platform: Platform, project: Tree) -> Lock:
    """Return the lock of the base that an environment of that kind goes over."""
    source: Source = "debian-conda" if environment == "conda" else "debian"
    return find_lock(project, lock_name(source, platform))


def own_digest(asked: Asked, base: Lock, project: Tree) -> str:
    """Return the sha256 of what a lock of these packages over a base answers."""
    spec = {
        "packages": asked.packages,
        "suite": debian_spec("debian", project).suite,
        "over": [base.source, *(f"{file.name} {file.version}" for file in base.files)],
    }
    return hashlib.sha256(json.dumps(spec, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def own_debian(folder: Path, environment: str, platform: Platform, project: Tree) -> Lock | None:
    """Return the lock of a folder's own Debian packages for a platform; None where it asks for none.

    Raises:
        LockMissingError, LockFormatError: it is not there, or is none.
        StaleLockError: the list or the base has changed since.
        SpecError: as `asked_debian` does.

    """
    asked = asked_debian(folder)
    if asked is None:
        return None
    path = folder / lock_name(OWN_DEBIAN, platform)
    if not path.is_file():
        raise LockMissingError(path, command=asked.command)
    lock = replace(read_lock(path), command=asked.command)
    base = base_of(environment, platform, project)
    if lock.spec != own_digest(asked, base, project):
        raise StaleLockError(path, command=asked.command, reason=f"{asked.path.name} or the base below has changed")
    return lock
