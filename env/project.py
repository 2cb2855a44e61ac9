"""The project's own sources: what its wheel is made from, and the digest that tells whether one is up to date."""

from __future__ import annotations

import hashlib
from pathlib import Path

from env.spec import ROOT

SOURCES = ("pyproject.toml", "docs/pypi.md", "LICENSE", "jupyter_mcp/**/*")
"""Globs of all that the wheel is made from."""


def source_hashes(root: Path = ROOT) -> dict[str, str]:
    """Return the sha256 of each file that the wheel is made from, by its path under `root`."""
    files = [path for pattern in SOURCES for path in sorted(root.glob(pattern)) if _is_source(path)]
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _is_source(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"
