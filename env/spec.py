"""The specs: which dependency groups make which lock, and the digest that ties a lock to the spec it answers."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from env.errors import SpecError

ROOT = Path(__file__).parent.parent
"""The checkout: the one place that is found by where this file is."""
LOCKS = ROOT / "env" / "locks"
Source = Literal[
    "debian",
    "debian-conda",
    "emulator",
    "sandbox",
    "wheels",
    "overlay",
    "conda",
    "conda-overlay",
    "cuda",
    "cuda-overlay",
    "pylock",
]
DISTRIBUTION = "jupyter-mcp-rooms"
"""This project's name as a distribution. A requirement of that name asks for what the extension requires; the wheel
itself comes from the checkout."""
FORMER_NAME = "jupyter-mcp"
FORMER_NAME_REFUSED = (
    f"asks for {FORMER_NAME}, which on PyPI is somebody else's package: this project's extension is {DISTRIBUTION}"
)
DEBIAN: tuple[Source, ...] = ("debian", "debian-conda", "emulator", "sandbox")
"""The sources that come from Debian's archive, each with a spec of its own: ``env/SOURCE.toml``."""
GROUPS: dict[Source, tuple[str, ...]] = {
    "wheels": ("jupyter", "services"),
    "overlay": ("overlay",),
    "conda-overlay": ("jupyter", "services", "overlay"),
    "cuda": ("jupyter", "services", "ml"),
    "cuda-overlay": ("jupyter", "services", "ml", "overlay"),
}
"""Dependency groups of pyproject.toml, by the lock they go into; of the last one what conda has is taken out."""
OVERLAYS: tuple[Source, ...] = ("overlay", "conda-overlay", "cuda-overlay")
"""The sources that are added over an environment; they also have what our own distribution requires."""


@dataclass(frozen=True)
class DebianSpec:
    """What is taken from Debian's archive."""

    suite: str
    packages: tuple[str, ...]
    omit: tuple[str, ...]
    """Part of the closure, never unpacked."""


def load(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        SpecError: it is not there or is not TOML.

    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, tomllib.TOMLDecodeError) as error:
        raise SpecError(path, str(error)) from None


def project_version(root: Path = ROOT) -> str:
    """Return the version of this project's own distribution."""
    return str(load(root / "pyproject.toml")["project"]["version"])


def group_requirements(*groups: str, root: Path = ROOT) -> list[str]:
    """Give the sorted requirement lines of dependency groups (PEP 735).

    Raises:
        SpecError: pyproject.toml has no such group.

    """
    path = root / "pyproject.toml"
    known = load(path).get("dependency-groups", {})
    for group in groups:
        if group not in known:
            raise SpecError(path, f"no dependency group {group!r}")
    return sorted({line for group in groups for line in known[group]})


def debian_spec(source: Source, root: Path = ROOT) -> DebianSpec:
    """Read the spec of a source from Debian's archive; ``extends`` names another that it is made from.

    Raises:
        SpecError: a file is missing, or leaves out what is not there.

    """
    path = root / "env" / f"{source}.toml"
    data = load(path)
    if "extends" not in data:
        return DebianSpec(data["suite"], tuple(sorted(data["packages"])), tuple(sorted(data["omit"])))
    base = load(root / "env" / f"{data['extends']}.toml")
    if unknown := set(data["without"]) - set(base["packages"]):
        raise SpecError(path, f"leaves out {', '.join(sorted(unknown))}, which {data['extends']}.toml has not")
    packages = set(base["packages"]) - set(data["without"])
    return DebianSpec(base["suite"], tuple(sorted(packages)), tuple(sorted(base["omit"])))


def source_requirements(source: Source, root: Path = ROOT) -> list[str]:
    """Give what is asked for from that source."""
    if source in DEBIAN:
        return list(debian_spec(source, root).packages)
    lines = set(group_requirements(*GROUPS[source], root=root))
    if source in OVERLAYS:
        lines |= set(load(root / "pyproject.toml")["project"]["dependencies"])
    return sorted(lines)


def spec_digest(source: Source, root: Path = ROOT) -> str:
    """Give the sha256 of the spec of a source in canonical form (sorted, compact JSON)."""
    spec: dict[str, Any] = {"source": source, "requirements": source_requirements(source, root)}
    if source in DEBIAN:
        debian = debian_spec(source, root)
        spec |= {"suite": debian.suite, "omit": list(debian.omit)}
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def overlay_digest(present: Mapping[str, str], root: Path = ROOT) -> str:
    """Give the sha256 of the spec of an overlay over the distributions (version by name) that conda brings."""
    asked = {"requirements": source_requirements("conda-overlay", root), "over": dict(present)}
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
