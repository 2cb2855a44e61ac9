"""conda-lock.yml: the packages of pixi.lock in conda-lock's own format, for conda, mamba and micromamba.

The format is the schema conda-lock publishes (schemas.conda.org, conda-lock-v1); conda-lock itself is not needed to
write it. The default environment is category ``main``, what only another environment has is that one's category.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from env.formats.manifest import DEFAULT, Manifest
from env.formats.pixi_lock import CondaPackage, PixiLock

CONDA_LOCK = "conda-lock.yml"
_HEADER = "# Made by `./noxw -s lock -- conda` from the solution in pixi.lock; do not edit.\n"


def conda_lock_text(lock: PixiLock, manifest: Manifest) -> str:
    """Return the conda-lock.yml of a pixi.lock; scalars are JSON's, which YAML 1.2 contains."""
    lines = [_HEADER + "version: 1", "metadata:", "  content_hash:"]
    lines += [f"    {subdir}: {manifest.digest}" for subdir in lock.platforms]
    lines.append("  channels:")
    for channel in manifest.channels:
        lines += [f"  - url: {json.dumps(channel)}", "    used_env_vars: []"]
    lines.append("  platforms:")
    lines += [f"  - {subdir}" for subdir in lock.platforms]
    lines += ["  sources:", f"  - {manifest.path.name}", "package:"]
    for package, subdir, category in _categorised(lock):
        lines += _entry(package, subdir, category)
    return "\n".join(lines) + "\n"


def _categorised(lock: PixiLock) -> Iterator[tuple[CondaPackage, str, str]]:
    """Return every package once a platform, sorted by name and platform, with its platform and category."""
    found: dict[tuple[str, str, str], tuple[CondaPackage, str, str]] = {}
    for environment in sorted(lock.packages, key=lambda name: (name != DEFAULT, name)):
        for subdir, packages in lock.packages[environment].items():
            category = "main" if environment == DEFAULT else environment
            for package in packages:
                found.setdefault((package.name, subdir, package.url), (package, subdir, category))
    return (found[key] for key in sorted(found))


def _entry(package: CondaPackage, subdir: str, category: str) -> list[str]:
    fields: Mapping[str, Any] = {
        "name": package.name,
        "version": package.version,
        "manager": "conda",
        "platform": subdir,
        "dependencies": dict(_dependencies(package)),
        "url": package.url,
        "hash": {"md5": package.md5, "sha256": package.sha256},
        "category": category,
        "optional": category != "main",
    }
    return [f"{'-' if key == 'name' else ' '} {key}: {json.dumps(value)}" for key, value in fields.items()]


def _dependencies(package: CondaPackage) -> Iterator[tuple[str, str]]:
    """Return name and constraint of what a package depends on; virtual packages are of no machine, so not named."""
    merged: dict[str, list[str]] = {}
    for depend in package.depends:
        name, _, rest = depend.partition(" ")
        if not name.startswith("__"):
            merged.setdefault(name, []).extend([rest] if rest else [])
    return ((name, " ".join(rests) if len(rests) < 2 else ",".join(rests)) for name, rests in merged.items())  # noqa: PLR2004
