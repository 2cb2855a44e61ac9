"""The specs: which dependency groups make which lock, and the digest that ties a lock to the spec it answers.

Specs and locks are read through a `Tree`, once each.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from env.errors import SpecError

ROOT = Path(__file__).parent.parent
"""The checkout: the one place that is found by where this file is."""
LOCKS = ROOT / "env" / "locks"
PYPROJECT = "pyproject.toml"
T = TypeVar("T")
Source = Literal[
    "debian",
    "debian-conda",
    "debian-own",
    "emulator",
    "sandbox",
    "wheels",
    "overlay",
    "conda",
    "conda-overlay",
    "cuda",
    "cuda-overlay",
    "with-jupyter",
    "pylock",
    "pypi",
]
DISTRIBUTION = "jupyter-mcp-rooms"
"""This project's name as a distribution. A requirement of that name asks for what the extension requires; the wheel
itself comes from the checkout."""
FORMER_NAME = "jupyter-mcp"
FORMER_NAME_REFUSED = (
    f"asks for {FORMER_NAME}, which on PyPI is somebody else's package: this project's extension is {DISTRIBUTION}"
)
OWN_DEBIAN: Source = "debian-own"
"""The source of Debian packages that a recipe or project asks for over the base."""
DEBIAN: tuple[Source, ...] = ("debian", "debian-conda", "emulator", "sandbox")
"""The sources that come from Debian's archive, each with a spec of its own: ``env/SOURCE.toml``."""
GROUPS: dict[Source, tuple[str, ...]] = {
    "wheels": ("jupyter", "services"),
    "overlay": ("overlay",),
    "conda-overlay": ("jupyter", "services", "overlay"),
    "cuda": ("jupyter", "services", "ml"),
    "cuda-overlay": ("jupyter", "services", "ml", "overlay"),
    "with-jupyter": ("with-jupyter", "services", "overlay"),
}
"""Dependency groups of pyproject.toml, by the lock they go into; of the last one what conda has is taken out."""
OVERLAYS: tuple[Source, ...] = ("overlay", "conda-overlay", "cuda-overlay", "with-jupyter")
"""The sources that are added over an environment; they also have what our own distribution requires."""


class Tree:
    """The files of a checkout, or of a recipe's folder: each is read once, and what was made of it is kept.

    A command makes one and hands it down. Files that change meanwhile are not seen.
    """

    def __init__(self, root: Path = ROOT, project: Tree | None = None) -> None:
        self.root = root
        self.project = self if project is None else project
        """The checkout, which has what a recipe's folder does not bring."""
        self._kept: dict[Hashable, Any] = {}

    @property
    def locks(self) -> Path:
        """The folder of the locks."""
        return self.root / "env" / "locks"

    def beside(self, folder: Path) -> Tree:
        """Return the tree of a folder that brings files of its own; this one is its project."""
        return self if folder == self.root else self.once(("beside", folder), lambda: Tree(folder, self))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returned when it was first called for this key."""
        if key not in self._kept:
            self._kept[key] = make()
        made: T = self._kept[key]
        return made

    def content(self, name: str | Path) -> bytes:
        """Return what a file holds, by its path below the root.

        Raises:
            FileNotFoundError: there is no such file.

        """
        path = self.root / name
        return self.once(("content", path), path.read_bytes)

    def toml(self, name: str) -> dict[str, Any]:
        """Return what a TOML file of the specs says.

        Raises:
            SpecError: it is not there or is not TOML.

        """
        try:
            return self.once(("toml", name), lambda: tomllib.loads(self.content(name).decode()))
        except (FileNotFoundError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SpecError(self.root / name, str(error)) from None


@dataclass(frozen=True)
class DebianSpec:
    """What is taken from Debian's archive."""

    suite: str
    packages: tuple[str, ...]
    omit: tuple[str, ...]
    """Part of the closure, never unpacked."""


def project_version(tree: Tree) -> str:
    """Return the version of this project's own distribution."""
    return str(tree.toml(PYPROJECT)["project"]["version"])


def group_requirements(tree: Tree, *groups: str) -> list[str]:
    """Return the sorted requirement lines of dependency groups (PEP 735).

    Raises:
        SpecError: pyproject.toml has no such group.

    """
    known = tree.toml(PYPROJECT).get("dependency-groups", {})
    for group in groups:
        if group not in known:
            raise SpecError(tree.root / PYPROJECT, f"no dependency group {group!r}")
    return sorted({line for group in groups for line in known[group]})


def debian_spec(source: Source, tree: Tree) -> DebianSpec:
    """Read the spec of a source from Debian's archive; ``extends`` names another that it is made from.

    Raises:
        SpecError: a file is missing, or leaves out what is not there.

    """
    name = f"env/{source}.toml"
    data = tree.toml(name)
    if "extends" not in data:
        return DebianSpec(data["suite"], tuple(sorted(data["packages"])), tuple(sorted(data["omit"])))
    base = tree.toml(f"env/{data['extends']}.toml")
    if unknown := set(data["without"]) - set(base["packages"]):
        lacking = ", ".join(sorted(unknown))
        raise SpecError(tree.root / name, f"leaves out {lacking}, which {data['extends']}.toml has not")
    packages = set(base["packages"]) - set(data["without"])
    return DebianSpec(base["suite"], tuple(sorted(packages)), tuple(sorted(base["omit"])))


def source_requirements(source: Source, tree: Tree) -> list[str]:
    """Return what is asked for from that source."""
    if source in DEBIAN:
        return list(debian_spec(source, tree).packages)
    lines = set(group_requirements(tree, *GROUPS[source]))
    if source in OVERLAYS:
        lines |= set(tree.toml(PYPROJECT)["project"]["dependencies"])
    return sorted(lines)


def spec_digest(source: Source, tree: Tree) -> str:
    """Return the sha256 of the spec of a source in canonical form (sorted, compact JSON)."""
    spec: dict[str, Any] = {"source": source, "requirements": source_requirements(source, tree)}
    if source in DEBIAN:
        debian = debian_spec(source, tree)
        spec |= {"suite": debian.suite, "omit": list(debian.omit)}
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def overlay_digest(present: Mapping[str, str], tree: Tree) -> str:
    """Return the sha256 of the spec of an overlay over the distributions (version by name) that conda brings."""
    asked = {"requirements": source_requirements("conda-overlay", tree), "over": dict(present)}
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
