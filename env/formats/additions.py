"""What may be added to somebody else's environment: JupyterLab, collaboration and MCP, in one version each.

``env/locks/with-jupyter.toml`` has for each package its wheels for every Python and platform of ours, and what it
requires, so that what an environment lacks can be chosen without a network. Like the other locks it names no registry.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import tomli_w
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from env.errors import LockFormatError, LockMissingError, StaleLockError
from env.platforms import PLATFORMS, Platform
from env.spec import Tree, spec_digest

ADDITIONS = "with-jupyter.toml"
TARGET = "wheels"
"""What ``lock`` calls the set that it belongs to."""
FLOOR = (3, 11)
"""The oldest Python that it has wheels for."""
NEWEST = (3, 14)
VERSION = 1


@dataclass(frozen=True)
class Wheel:
    """One wheel of a package."""

    file: str
    sha256: str
    size: int
    """Bytes."""


@dataclass(frozen=True)
class Addition:
    """A package that may be added, in one version."""

    name: str
    version: str
    requires_python: str
    requires: tuple[str, ...]
    """Its requirements (PEP 508), with their markers."""
    wheels: tuple[Wheel, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def runs_with(self, python: str) -> bool:
        """Say whether it is for a Python of that full version."""
        try:
            return SpecifierSet(self.requires_python).contains(python, prereleases=True)
        except InvalidSpecifier:
            # What old releases say, no installer of today reads.
            return False


def targets() -> list[tuple[Platform, tuple[int, int]]]:
    """Return the platforms and Pythons that there are wheels for."""
    minors = range(FLOOR[1], NEWEST[1] + 1)
    return [(platform, (FLOOR[0], minor)) for platform in PLATFORMS for minor in minors]


def additions_text(spec: str, packages: Iterable[Addition]) -> str:
    """Return the lock in its canonical form."""
    entries = [
        {
            "name": one.name,
            "version": one.version,
            "requires-python": one.requires_python,
            "requires": list(one.requires),
            "wheel": [{"file": wheel.file, "sha256": wheel.sha256, "size": wheel.size} for wheel in one.wheels],
        }
        for one in sorted(packages, key=lambda one: (one.name, one.version))
    ]
    text = tomli_w.dumps({"version": VERSION, "spec": spec, "package": entries})
    return f"# Made by `./noxw -s lock`; do not edit.\n{text}"


def parse_additions(path: object, content: bytes) -> tuple[str, tuple[Addition, ...]]:
    """Return the digest of the spec that the lock answers, and its packages.

    Raises:
        LockFormatError: it is not such a lock.

    """
    try:
        data: dict[str, Any] = tomllib.loads(content.decode())
        if data["version"] != VERSION:
            raise LockFormatError(path, f"lock version {data['version']!r}, this program reads {VERSION}", TARGET)
        return str(data["spec"]), tuple(_addition(entry) for entry in data["package"])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise LockFormatError(path, f"is no list of what may be added ({error})", TARGET) from None


def _addition(entry: Mapping[str, Any]) -> Addition:
    wheels = tuple(Wheel(**wheel) for wheel in entry["wheel"])
    requires = tuple(map(str, entry["requires"]))
    return Addition(entry["name"], entry["version"], entry["requires-python"], requires, wheels)


def find_additions(tree: Tree) -> Mapping[str, tuple[Addition, ...]]:
    """Return what may be added, by name.

    Raises:
        LockMissingError, LockFormatError: there is no such lock, or it is none.
        StaleLockError: it answers other requirements than those of pyproject.toml.

    """
    path = tree.locks / ADDITIONS
    try:
        content = tree.content(path)
    except FileNotFoundError:
        raise LockMissingError(path, TARGET) from None
    spec, packages = tree.once(("additions", path), lambda: parse_additions(path, content))
    if spec != spec_digest("with-jupyter", tree):
        raise StaleLockError(ADDITIONS, TARGET)
    found: dict[str, tuple[Addition, ...]] = {}
    for one in packages:
        found[one.name] = (*found.get(one.name, ()), one)
    return found
