"""The specs: which dependency groups make which lock, and the digest that ties a lock to the spec it answers."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

from env.errors import SpecError, StaleLockError
from env.lock import Lock, Source

ROOT = Path(__file__).parent.parent
DEBIAN: tuple[Source, ...] = ("debian", "emulator")
"""The sources that come from Debian's archive, each with a spec of its own: ``env/SOURCE.toml``."""
GROUPS: dict[Source, tuple[str, ...]] = {"wheels": ("jupyter", "services"), "overlay": ("overlay",)}
"""Dependency groups of pyproject.toml, by the lock they go into."""


def load(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        SpecError: it is not there or is not TOML.

    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, tomllib.TOMLDecodeError) as error:
        raise SpecError(path, str(error)) from None


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


def source_requirements(source: Source, root: Path = ROOT) -> list[str]:
    """Give what is asked for from that source; the overlay also has what our own distribution requires."""
    if source in DEBIAN:
        return sorted(load(root / "env" / f"{source}.toml")["packages"])
    lines = set(group_requirements(*GROUPS[source], root=root))
    if source == "overlay":
        lines |= set(load(root / "pyproject.toml")["project"]["dependencies"])
    return sorted(lines)


def spec_digest(source: Source, root: Path = ROOT) -> str:
    """Give the sha256 of the spec of a source in canonical form (sorted, compact JSON)."""
    spec: dict[str, Any] = {"source": source, "requirements": source_requirements(source, root)}
    if source in DEBIAN:
        data = load(root / "env" / f"{source}.toml")
        spec |= {"suite": data["suite"], "omit": sorted(data["omit"])}
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def require_fresh(lock: Lock, root: Path = ROOT) -> None:
    """Refuse a lock that answers another spec than the one in the tree.

    Raises:
        StaleLockError: its spec has changed since.

    """
    if lock.spec != spec_digest(lock.source, root):
        raise StaleLockError(lock.file_name, "base" if lock.source in DEBIAN else "wheels")
